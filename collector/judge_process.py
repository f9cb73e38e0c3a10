"""A judge: a process that judges what comes on its standard input, until that ends.

Edge. It holds a keyring of its own, fed in order with the statements that the collector has
applied, and nothing else: it may be killed at any moment, and another takes its place.
"""

import gc
import os
import signal
import sys
from io import BufferedReader
from typing import BinaryIO, Final

from collector.judge_frames import HEAD, Words, frame, length, messages, statements
from collector.verdict import Verdict, decide
from telemetry.keyring import Keyring

# Messages are many and hold no cycles; what does is rare.
_COLLECT_AFTER: Final = 100_000


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer every question, in order."""
    keyring = Keyring()
    while (said := _read(questions)) is not None:
        for statement in statements(said):
            keyring.apply(statement)
        asked = messages(_read(questions) or b"")
        answers.write(frame([_verdict(words, keyring) for words in asked]))
        answers.flush()


def _read(questions: BinaryIO) -> bytes | None:
    head = questions.read(HEAD)
    return questions.read(length(head)) if head else None


def _verdict(words: Words, keyring: Keyring) -> Verdict | None:
    """Judge one; a failure is for the collector to meet again, which keeps such messages."""
    try:
        return decide(*words, keyring)
    except Exception:  # noqa: BLE001 - one message must not hold up the others
        return None


def main() -> None:
    """Judge until the collector closes the pipe or is gone."""
    # Ctrl-C and a stop of the whole group reach us too, and the collector still drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    # Nothing else may write between the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions = sys.stdin.buffer
    assert isinstance(questions, BufferedReader)
    try:
        serve(questions, answers)
    except BrokenPipeError:
        os._exit(0)  # the collector is gone, and nobody waits for what is buffered


if __name__ == "__main__":
    main()
