"""Commands: the operator's signed word to a simulated machine (docs/formats.md, Command).

One spelling: a command is read by writing it again. Whether it is fresh, and new, is for who
takes it to say: a note alone can be sent again.
"""

from hashlib import sha256

from anchor.errors import Malformed
from anchor.note import ED25519, Note, SignerKey, VerifierKey, sign_note
from telemetry.canonical import is_segment, time_text, time_us
from telemetry.command import Command
from telemetry.errors import NotCanonical

FIRST_LINE = "factoryledger command v1"
MAX_COMMAND = 4096


def sign_command(*, operator: SignerKey, device: str, fault: str, time: int) -> bytes:
    """The signed note that lets `fault` befall `device`; `time` in µs. Malformed for no such."""
    text = _text(device, fault, time)
    _read(text, b"")
    return sign_note(text, operator)


class CommandVerifier:
    """Reads commands that the pinned operator signed."""

    def __init__(self, operator: VerifierKey) -> None:
        if operator.algorithm != ED25519:
            raise Malformed(f"operator key {operator.name} is not an Ed25519 note key")
        self._operator = operator

    def check(self, payload: bytes) -> Command:
        """What it says; Malformed for another spelling, Refused for another's signature."""
        if len(payload) > MAX_COMMAND:
            raise Malformed(f"a command of {len(payload)} bytes; at most {MAX_COMMAND} are read")
        note = Note.from_bytes(payload)
        if len(note.signatures) != 1:
            raise Malformed(f"a command with {len(note.signatures)} signatures instead of one")
        note.signed_by(self._operator)
        # What was signed, not the note: of one text there is one signature that counts.
        return _read(note.text, sha256(note.text.encode()).digest())


def _text(device: str, fault: str, time: int) -> str:
    try:
        return f"{FIRST_LINE}\ndevice {device}\nfault {fault}\ntime {time_text(time)}\n"
    except NotCanonical as error:
        raise Malformed(f"a command's time: {error}") from error


def _read(text: str, digest: bytes) -> Command:
    lines = text.split("\n")[:-1]
    words = [line.partition(" ") for line in lines[1:]]
    if lines[0] != FIRST_LINE or [word[0] for word in words] != ["device", "fault", "time"]:
        raise Malformed(f"not a command: it starts with {lines[0][:100]!r}")
    device, fault, stamp = (value for _, _, value in words)
    if not is_segment(device) or not fault.isascii() or not fault:
        raise Malformed("a command names a device and, in ASCII, a fault")
    try:
        command = Command(device, fault, time_us(stamp), digest)
    except NotCanonical as error:
        raise Malformed(f"a command's time: {error}") from error
    if _text(device, fault, command.time) != text:
        raise Malformed("the command is not in its canonical spelling")
    return command
