"""Files that a data set goes into: CSV, written as it comes, and Parquet, through pyarrow.

Long format: `time`, `device`, `metric`, `value`, `unit`, `fault` (empty: none). Intervals:
`id`, `fault`, `group`, `device`, `metric`, `start`, `end`, `parameters` (JSON). The edge to
the disk.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from simulator.errors import ExportUnavailable
from telemetry.canonical import time_text

Row = tuple[int, str, str, float, str, str]
Label = Mapping[str, str | int | None]

COLUMNS: Final = ("time", "device", "metric", "value", "unit", "fault")
LABELS: Final = ("id", "fault", "group", "device", "metric", "start", "end", "parameters")
NAMES: Final = frozenset({"device", "metric", "unit", "fault"})
_TIMES: Final = frozenset({"time", "start", "end"})
_BATCH: Final = 100_000  # rows of a Parquet row group


class Sink(Protocol):
    """A file of rows, or of labels; `with` closes it."""

    def put_rows(self, rows: Iterable[Row]) -> int:
        """Write readings, the file's only content, even where there are none; how many."""

    def put_labels(self, labels: Sequence[Label]) -> None:
        """Write the intervals, the file's only content."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class CsvSink:
    """RFC 4180 but for its line ends, LF alone; values as Python writes floats, times as text."""

    def __init__(self, out: Path) -> None:
        self._file = out.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def put_rows(self, rows: Iterable[Row]) -> int:
        """Write readings; how many."""
        self._writer.writerow(COLUMNS)
        count = 0
        for row in rows:
            self._writer.writerow((time_text(row[0]), *row[1:]))
            count += 1
        return count

    def put_labels(self, labels: Sequence[Label]) -> None:
        """Write the intervals."""
        self._writer.writerow(LABELS)
        for label in labels:
            self._writer.writerow(_spelled(name, label[name]) for name in LABELS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def _spelled(name: str, value: str | int | None) -> str | int | None:
    return time_text(value) if name in _TIMES and isinstance(value, int) else value


class ParquetSink:
    """Parquet; names in dictionaries, times as UTC timestamps in microseconds."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._arrow = _pyarrow()
        self._writer: Any = None

    def put_rows(self, rows: Iterable[Row]) -> int:
        """Write readings, in groups; how many."""
        schema = self._opened(COLUMNS, named=NAMES)
        left, count = iter(rows), 0
        while group := list(islice(left, _BATCH)):
            columns = dict(zip(COLUMNS, map(list, zip(*group, strict=True)), strict=True))
            self._writer.write_table(self._arrow.table(columns, schema=schema))
            count += len(group)
        return count

    def put_labels(self, labels: Sequence[Label]) -> None:
        """Write the intervals."""
        schema = self._opened(LABELS, named=frozenset())
        columns = {name: [label[name] for label in labels] for name in LABELS}
        self._writer.write_table(self._arrow.table(columns, schema=schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def _opened(self, columns: Sequence[str], named: frozenset[str]) -> Any:
        """Begin the file; its schema."""
        arrow = self._arrow
        schema = arrow.schema([(name, self._type(name, named=name in named)) for name in columns])
        self._writer = arrow.parquet.ParquetWriter(self._out, schema)
        return schema

    def _type(self, name: str, *, named: bool) -> Any:
        arrow = self._arrow
        if name in _TIMES:
            return arrow.timestamp("us", tz="UTC")
        if name == "value":
            return arrow.float64()
        return arrow.dictionary(arrow.int32(), arrow.string()) if named else arrow.string()


def _pyarrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ExportUnavailable(
            "Parquet needs pyarrow, which is not installed: pip install 'factoryledger[parquet]', "
            "or write .csv"
        ) from error
    return pa
