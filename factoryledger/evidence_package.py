"""`export --evidence` and `verify` of what it wrote: where the parts of a package come from."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from factoryledger.errors import NotThere, WrongUsage
from factoryledger.files import POLICY_MOST, new_folder, read_whole, sync_folder
from factoryledger.installation import Installation
from telemetry.canonical import time_text

if TYPE_CHECKING:
    from anchor.proving.prove import ProvingLog
    from dossier.check import Sound
    from dossier.manifest import About, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A period (microseconds, by the machines' clocks), machines (none: all), words, and when."""

    start: int
    stop: int
    machines: Sequence[str]
    by: str | None
    title: str | None
    made: int
    paper: bool = True
    """Whether a PDF is wanted."""


@dataclass(frozen=True, slots=True)
class Packaged:
    """What was written; `without_paper` says why there is no PDF, where one was wanted."""

    manifest: "Manifest"
    figures: bytes
    has_paper: bool
    without_paper: str | None = None

    @property
    def totals(self) -> dict[str, int]:
        """Machines, messages, readings, and messages that are missing."""
        return totals(self.figures)


def totals(figures: bytes) -> dict[str, int]:
    """What a package's figures add up to."""
    machines = json.loads(figures)["machines"]
    return {
        "machines": len(machines),
        "messages": sum(one["messages"] for one in machines),
        "readings": sum(one["readings"] for one in machines),
        "missing": sum(one["missing_messages"] for one in machines),
        "broken": sum(one["broken_count"] for one in machines),
    }


def export_package(place: Installation, asked: Asked, out: Path) -> Packaged:
    """Write a package, a folder or (`.zip`) one file; whole on return, or not there.

    WrongUsage where `out` is there already, or a word cannot be printed; NothingThere where
    there is no message of that time, Missing where the log has not all of it yet.
    """
    if out.exists() or out.is_symlink():
        raise WrongUsage(f"{out} is there already; name a new one for each package")
    found: list[Packaged] = []

    def fill(folder: Path) -> None:
        found.append(_fill(place, asked, folder))

    if out.suffix.lower() == ".zip":
        _zipped(out, fill)
    else:
        new_folder(out, fill, 0o755)
    return found[0]


def _zipped(out: Path, fill: Callable[[Path], None]) -> None:
    from dossier.container import pack  # noqa: PLC0415 - on demand

    def packed(folder: Path) -> None:
        (folder / "package").mkdir()
        fill(folder / "package")
        with (folder / "zip").open("xb") as file:
            pack(folder / "package", file)

    beside = out.absolute().with_name(f".{out.name}.{os.urandom(8).hex()}.tmp")
    try:
        new_folder(beside, packed)
        (beside / "zip").rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    sync_folder(out.absolute().parent)


def _fill(place: Installation, asked: Asked, folder: Path) -> Packaged:
    from anchor.proving.prove import ProvingLog  # noqa: PLC0415 - on demand
    from dossier.build import Sources, build, finish  # noqa: PLC0415 - on demand
    from dossier.manifest import PAPER, README, REPORT  # noqa: PLC0415 - on demand
    from dossier.paper import printed  # noqa: PLC0415 - on demand
    from dossier.readme import readme  # noqa: PLC0415 - on demand
    from dossier.report.page import report  # noqa: PLC0415 - on demand
    from factoryledger.outside import vouchers  # noqa: PLC0415 - on demand
    from watch.verifier import page  # noqa: PLC0415 - on demand

    if not place.has_log:
        raise NotThere(f"no anchor log at {place.log}: nothing can be proved yet; run the anchor")
    known = ProvingLog.scan(place.log_reader, place.policy, vouchers(place))
    sources = Sources(
        archive=place.ledger,
        known=known,
        policy=read_whole(place.settings.policy or place.data.policy_file, POLICY_MOST),
        verifier=page(),
    )
    built = build(folder, _about(place, asked, known), sources)
    html = report(built.manifest, built.figures)
    made = {REPORT: html, README: readme(built.manifest)}
    paper, without = printed(html, asked.made) if asked.paper else (None, None)
    if paper is not None:
        made[PAPER] = paper
    finish(built, made)
    return Packaged(built.manifest, built.figures, paper is not None, without)


def _about(place: Installation, asked: Asked, known: "ProvingLog") -> "About":
    from dossier.manifest import MOST_TEXT, About  # noqa: PLC0415 - on demand
    from dossier.report.page import FORM  # noqa: PLC0415 - on demand

    if asked.start >= asked.stop:
        raise WrongUsage("--to is not after --from: a package is of a time")
    operator = place.policy.operator
    if operator is None:
        raise WrongUsage("the policy names no operator: a line `# factoryledger-operator` is due")
    by = asked.by or operator.name
    title = asked.title or "What the machines of a factory signed"
    for option, text in (("--by", by), ("--title", title)):
        if not text.isprintable() or len(text) > MOST_TEXT:
            raise WrongUsage(f"{option}: at most {MOST_TEXT} characters, all of them printable")
    return About(
        start=asked.start,
        stop=asked.stop,
        machines=_machines(asked, known),
        made=asked.made,
        by=by,
        title=title,
        release=version("factoryledger"),
        report=FORM,
    )


def _machines(asked: Asked, known: "ProvingLog") -> tuple[str, ...]:
    """Those asked for, which the log enrols; else all that it does."""
    from anchor.key_entry import OperatorAuthority  # noqa: PLC0415 - on demand
    from dossier.manifest import MOST_MACHINES  # noqa: PLC0415 - on demand
    from factoryledger.logged_keys import LoggedKeys  # noqa: PLC0415 - on demand

    operator, view = known.policy.operator, known.reader.view
    keys = LoggedKeys(None if operator is None else OperatorAuthority(operator))
    for index in sorted(known.scanned.keys.values()):
        keys.read(view.entry(index), index)
    enrolled = {key.name for key in keys.found if key.kind == "device"}
    for name in asked.machines:
        if name not in enrolled:
            raise WrongUsage(f"--device {name}: the anchor log enrols no machine of this name")
    if not enrolled:
        raise NotThere("the anchor log enrols no machine yet: nothing is signed by one")
    if len(asked.machines or enrolled) > MOST_MACHINES:
        raise WrongUsage(f"a package is of at most {MOST_MACHINES} machines: name some by --device")
    return tuple(sorted(set(asked.machines or enrolled)))


def verify_package(place: Installation, path: Path, *, ask: bool) -> "Sound":
    """Check a package as a whole, by the pinned policy.

    Untrue says what does not hold, Unreadable that it is no package, or one that is never read.
    """
    from dossier.check import Trusted, check  # noqa: PLC0415 - on demand
    from dossier.container import open_package  # noqa: PLC0415 - on demand
    from dossier.readme import readme  # noqa: PLC0415 - on demand
    from dossier.report.page import FORM, report  # noqa: PLC0415 - on demand
    from factoryledger.outside import vouchers  # noqa: PLC0415 - on demand
    from watch.verifier import page  # noqa: PLC0415 - on demand

    if place.policy.operator is None:
        raise WrongUsage("the policy names no operator: a line `# factoryledger-operator` is due")
    trusted = Trusted(
        policy=place.policy,
        vouchers=vouchers(place, ask=ask),
        readme=lambda manifest: readme(manifest) if manifest.about.report == FORM else None,
        report=lambda m, figures: report(m, figures) if m.about.report == FORM else None,
        verifier=page(),
    )
    with open_package(path) as package:
        return check(package, trusted)


def sentences(sound: "Sound") -> list[str]:
    """What a package that holds shows, and what of it was not compared."""
    about, said = sound.manifest.about, totals(sound.figures)
    start, stop = time_text(about.start), time_text(about.stop)
    found = [
        f"Package {sound.manifest.number}, made {time_text(about.made)} by {about.by}.",
        (
            f"{said['messages']} messages of {said['machines']} machines, made from {start} until "
            f"before {stop} by their clocks: each is what its machine signed with its enrolled key."
        ),
        (
            f"readings.csv holds their {said['readings']} readings and nothing else; figures.json "
            "and report.html say what they add up to."
        ),
    ]
    if said["missing"] or said["broken"]:
        lost, broken = said["missing"], said["broken"]
        found.append(f"Missing: {lost} messages; {broken} do not follow on: see report.html.")
    else:
        found.append("Nothing is missing between the first and the last message of a session.")
    found += sound.remarks
    if sound.has_paper:
        found.append(
            "Not proven: report.pdf. It is the file that SHA256SUMS names, and anybody could write "
            "both anew; what is proved stands in report.html."
        )
    return [*found, "Not proven: that a sensor told the truth; report.html says what else is not."]
