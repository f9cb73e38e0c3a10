"""What an operator's command says, once its signature has been checked. Plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A fault for one device, as `simulate --fault` writes it; `hash` names the signed note.

    `time`, µs since the epoch, is when it was signed: it holds for a short while, and once.
    """

    device: str
    fault: str
    time: int
    hash: bytes
