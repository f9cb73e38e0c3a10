"""What every step of one audit works with."""

from dataclasses import dataclass

from anchor.audit.findings import STORE, Audit, Certainty, Finding, Kind
from anchor.key_entry import OperatorAuthority
from anchor.ports import Ledger
from anchor.reading.log_index import LogIndex
from telemetry.rows import MessageRow


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The store, the pinned names and keys, the anchor log's index where it can be used.

    Findings go into `audit`.
    """

    ledger: Ledger
    log_name: str
    authority: OperatorAuthority
    index: LogIndex | None
    audit: Audit

    def origin(self, collector: str) -> str:
        """The origin of a collector's log, which is also the name of its key."""
        return f"{self.log_name}/collector/{collector}"

    def find(  # noqa: PLR0913 - what a finding says, each by name
        self,
        kind: Kind,
        detail: str,
        *,
        collector: object = None,
        position: object = None,
        blame: str = STORE,
        certainty: Certainty = "certain",
        signed: tuple[bytes, bytes] | None = None,
    ) -> None:
        """Find something about a collector, a place in its log, or (with neither) about a log."""
        self.audit.add(
            Finding(
                kind,
                detail,
                blame,
                collector=collector,
                position=position,
                certainty=certainty,
                signed=signed,
            )
        )

    def find_row(  # noqa: PLR0913 - what a finding says, each by name
        self,
        kind: Kind,
        detail: str,
        row: MessageRow,
        *,
        blame: str = STORE,
        certainty: Certainty = "certain",
        against: tuple[str, int] | None = None,
    ) -> None:
        """Find something about a row, named by its columns as they are."""
        self.audit.add(
            Finding(
                kind,
                detail,
                blame,
                collector=row.collector,
                position=row.position,
                device=row.device,
                session=row.session,
                seq=row.seq,
                certainty=certainty,
                against=against,
            )
        )
