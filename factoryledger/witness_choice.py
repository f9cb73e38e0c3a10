"""A witness as the policy's `witness` line spells it, for `init` and the demo."""

from dataclasses import dataclass
from pathlib import Path

from anchor.errors import Malformed
from anchor.note import VerifierKey
from factoryledger.errors import WrongUsage
from factoryledger.files import first_line
from telemetry.canonical import is_segment


@dataclass(frozen=True, slots=True)
class WitnessChoice:
    """A witness that the policy is to name; its key is made here where `vkey` is None."""

    name: str
    url: str | None = None
    vkey: VerifierKey | None = None


def parse_witness(text: str) -> WitnessChoice:
    """Read `NAME [VKEY] [URL]`; WrongUsage says which of the three is wrong."""
    name, *rest = text.split() or [""]
    if not is_segment(name):
        raise WrongUsage(f"--witness {text!r}: a name of a-z, 0-9, _ and - comes first")
    urls = [part for part in rest if "://" in part]
    keys = [part for part in rest if "://" not in part]
    if len(urls) > 1 or len(keys) > 1 or rest != [*keys, *urls]:
        raise WrongUsage(f"--witness {text!r}: write NAME, NAME URL, NAME VKEY or NAME VKEY URL")
    try:
        vkey = VerifierKey.from_text(keys[0]) if keys else None
    except Malformed as error:
        raise WrongUsage(f"--witness {text!r}: {error}") from error
    return WitnessChoice(name, urls[0] if urls else None, vkey)


def with_file(text: str) -> str:
    """Put a vkey that stands in a file, named as `@FILE`, in that word's place."""
    words = text.split()
    return " ".join(
        first_line(Path(word[1:]), "vkey") if word.startswith("@") else word for word in words
    )
