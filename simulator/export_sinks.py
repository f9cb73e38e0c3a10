"""Files that a data set goes into: CSV, written as it comes, and Parquet, through pyarrow.

Long format: `time`, `device`, `metric`, `value`, `unit`, `fault` (empty: none). Intervals:
`id`, `fault`, `group`, `device`, `metric`, `start`, `end`, `parameters` (JSON). The edge to
the disk.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from simulator.errors import ExportUnavailable
from telemetry.canonical import time_text

Row = tuple[int, str, str, float, str, str]
Label = Mapping[str, str | int | None]

COLUMNS: Final = ("time", "device", "metric", "value", "unit", "fault")
LABELS: Final = ("id", "fault", "group", "device", "metric", "start", "end", "parameters")
_TIMES: Final = frozenset({"time", "start", "end"})
_BATCH: Final = 100_000  # rows of a Parquet row group


class Sink(Protocol):
    """A file of rows, or of labels; `with` closes it."""

    count: int

    def put(self, row: Row) -> None:
        """Write one reading."""

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
        self.count = 0
        self._file = out.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def put(self, row: Row) -> None:
        """Write one reading."""
        if not self.count:
            self._writer.writerow(COLUMNS)
        self.count += 1
        self._writer.writerow((time_text(row[0]), *row[1:]))

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
        self.count = 0
        self._out = out
        self._arrow = _pyarrow()
        self._writer: Any = None
        self._rows: list[Row] = []

    def put(self, row: Row) -> None:
        """Write one reading, with others."""
        self.count += 1
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def put_labels(self, labels: Sequence[Label]) -> None:
        """Write the intervals."""
        columns = {name: [label[name] for label in labels] for name in LABELS}
        self._write(LABELS, columns, names=frozenset())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._rows:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        columns = dict(zip(COLUMNS, map(list, zip(*self._rows, strict=True)), strict=True))
        self._rows.clear()
        self._write(COLUMNS, columns, names=frozenset({"device", "metric", "unit", "fault"}))

    def _write(
        self, order: Sequence[str], columns: Mapping[str, list[Any]], names: frozenset[str]
    ) -> None:
        arrow = self._arrow
        schema = arrow.schema([(name, self._type(name, named=name in names)) for name in order])
        if self._writer is None:
            self._writer = arrow.parquet.ParquetWriter(self._out, schema)
        self._writer.write_table(arrow.table(dict(columns), schema=schema))

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
