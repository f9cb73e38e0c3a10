"""What a key sets off beside drawing: copying, recording, proving. Each says what came of it."""

import asyncio
from pathlib import Path
from typing import Any

from textual.app import App

from telemetry.canonical import time_text
from watch.line import visible
from watch.terminal.model import Model
from watch.topics.copied import copied
from watch.topics.node import Kept, Node
from watch.topics.trust import Number, Prover, Refusal, number_of

_SECONDS = 8.0  # that a notice stays


def new_name(model: Model) -> str:
    """Give a recording's file a name by the time."""
    moment = time_text(model.clock())[:19].replace("-", "").replace(":", "").replace("T", "-")
    return f"watch-{moment}.jsonl"


class Errands:
    """Done for one application."""

    def __init__(self, app: App[Any], model: Model, prover: Prover | None) -> None:
        self._app = app
        self._model = model
        self._prover = prover
        self._proving: asyncio.Task[None] | None = None

    def say(self, sentence: str, *, bad: bool = False) -> None:
        """Show a notice; never as markup."""
        severity = "error" if bad else "information"
        self._app.notify(visible(sentence), severity=severity, timeout=_SECONDS, markup=False)  # type: ignore[arg-type]  # a literal

    def copy(self, kept: Kept | None) -> None:
        """Put a payload onto the clipboard, by the terminal."""
        if kept is None:
            self.say("Nothing to copy: choose a topic that has a message", bad=True)
            return
        self._app.copy_to_clipboard(copied(kept))
        part = "" if kept.whole else f", its first {len(kept.payload)} bytes"
        self.say(f"Copied the payload{part}, if the terminal allows it")

    def copy_topic(self, node: Node | None) -> None:
        """Put a topic onto the clipboard."""
        if node is not None:
            self._app.copy_to_clipboard(visible(node.topic))
            self.say("Copied the topic, if the terminal allows it")

    def record(self, path: Path) -> None:
        """Begin a recording."""
        try:
            self._model.record(path)
        except FileExistsError:
            self.say(f"{path} is there already: choose another name", bad=True)
        except OSError as error:
            self.say(f"{path}: {error.strerror or error}; choose another place", bad=True)
        else:
            self.say(f"Recording to {path}; r ends it")

    def end_recording(self) -> None:
        """End the recording and say what it holds."""
        try:
            ended = self._model.end_recording()
        except OSError as error:
            self.say(f"The recording has no end mark: {error.strerror or error}", bad=True)
            return
        if ended is not None:
            self.say(f"{ended[1]} messages in {ended[0]}")

    def prove(self, node: Node | None, kept: Kept | None) -> None:
        """Prove a message, in a thread: the store and the log are read for it."""
        if self._proving is not None:
            return
        why, number = self._asked(node, kept)
        if number is None or kept is None or self._prover is None:
            self.say(why, bad=True)
            return
        self.say(f"Proving message {number.seq} of {number.device} …")
        self._proving = asyncio.create_task(self._prove(self._prover, number, kept))

    def _asked(self, node: Node | None, kept: Kept | None) -> tuple[str, Number | None]:
        if node is None or kept is None:
            return "Nothing to prove: choose a topic that has a message", None
        if self._prover is None:
            return "No ledger at hand: name its folder with --data, its policy with --policy", None
        if not kept.whole:
            return "Too long a message: it is not kept whole, so it cannot be compared", None
        number = number_of(node.topic, kept)
        if number is None:
            return "Not signed by a machine: such messages are proved by prove --message", None
        return "", number

    async def _prove(self, prover: Prover, number: Number, kept: Kept) -> None:
        try:
            path = await asyncio.to_thread(prover.prove, number, kept.payload)
        except Refusal as refusal:
            self.say(f"No proof: {refusal}", bad=True)
        else:
            self.say(f"Proved: {path}")
        finally:
            self._proving = None
