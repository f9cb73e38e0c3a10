"""Asks witnesses for cosignatures: C2SP tlog-witness v1, the log's side.

Nothing that a witness says is believed: its cosignature is checked against the policy's
key, a proof is made from our own tree, and only a head that our own key signed stops us.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import httpx
import structlog

from anchor.checkpoint import Checkpoint, open_checkpoint
from anchor.cosignature import check_cosignature
from anchor.errors import AnchorError, Diverged, Malformed, Missing, Refused
from anchor.keeping.add_checkpoint import AddCheckpoint, origin_hash
from anchor.note import Note, Signature, VerifierKey
from anchor.policy import FormerLog, Witness
from anchor.policy_text import open_by_log
from anchor.spelling import number

_MAX_ANSWER = 1 << 20
_log = structlog.get_logger("anchor")
_OK, _NOT_FOUND, _CONFLICT, _UNPROCESSABLE = 200, 404, 409, 422


class Tree(Protocol):
    """Our own log, for proofs and comparison."""

    @property
    def size(self) -> int:
        """Entries committed."""

    def root_at(self, size: int) -> bytes:
        """The root of the first `size` entries."""

    def consistency(self, old: int, size: int) -> Sequence[bytes]:
        """The checked path between two sizes of this tree."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the witnesses gave, by their names in the policy: cosignatures, or why none."""

    signatures: dict[str, Signature] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


class WitnessClient:
    """One witness as one log sees it; `log` is the log's key, whose name is its origin.

    `heard` once it has told what it cosigned last and that fits our tree. One that tells less
    than it is known to have cosigned is reported: nothing that it signs harms this log.
    """

    def __init__(
        self,
        *,
        witness: Witness,
        log: VerifierKey,
        tree: Tree,
        http: httpx.AsyncClient,
        former: Sequence[FormerLog] = (),
    ) -> None:
        if witness.url is None:
            raise ValueError(f"the policy gives no URL for witness {witness.name}")
        self.witness = witness
        self.heard = False
        self._url = witness.url.rstrip("/")
        self._log = log
        self._former = former
        self._tree = tree
        self._http = http
        self._size = 0
        self._most = 0

    @property
    def name(self) -> str:
        """The witness's name in the policy."""
        return self.witness.name

    async def compare(self) -> None:
        """Ask for the checkpoint it cosigned last and compare it with our tree.

        Diverged if our own key signed a head there that is ahead of our tree or differs
        from it: then this is an old copy of the log, or a second one. Missing if the
        witness does not answer, Refused if it answers with what our key did not sign.
        """
        status, body = await self._ask("GET", f"/{origin_hash(self._log.name)}/checkpoint")
        if status == _NOT_FOUND:
            self._size = 0
            self._told(0)
        elif status != _OK:
            raise Missing(f"witness {self.name} at {self._url} answers with status {status}")
        else:
            head = open_by_log(body, self._log, self._former)
            self._check_head(head)
            self._size = head.size
            self._told(head.size)
        self.heard = True

    def _check_head(self, head: Checkpoint) -> None:
        if head.size > self._tree.size:
            raise Diverged(
                f"witness {self.name} has cosigned {head.size} entries of {self._log.name}, this "
                f"copy of the log has {self._tree.size}: it is an old copy. Put back the newest "
                "log folder and anchor.db; this copy signs nothing, so that the log never forks"
            )
        if self._tree.root_at(head.size) != head.root:
            raise Diverged(
                f"witness {self.name} has cosigned another tree of {head.size} entries of "
                f"{self._log.name} than this copy holds: two copies of the log have run. Keep "
                "the one that the witness knows; this copy signs nothing"
            )

    async def cosign(self, note: bytes) -> Signature:
        """Its cosignature on our signed checkpoint, checked.

        Missing if it does not answer or does not cosign, Refused or Malformed if what it
        gives does not hold, Diverged as for `compare`.
        """
        if not self.heard:
            await self.compare()
        checkpoint = open_checkpoint(note, self._log)
        status, body = await self._add(note, checkpoint)
        if status == _CONFLICT:
            await self._follow(body)
            status, body = await self._add(note, checkpoint)
        if status in (_CONFLICT, _UNPROCESSABLE):
            # It holds another tree than ours: its head, signed by our key, decides.
            await self.compare()
        if status != _OK:
            reason = body[:200].decode(errors="replace").strip()
            raise Missing(
                f"witness {self.name} at {self._url} refuses with status {status}: {reason}"
            )
        signature = self._check(note, body)
        self._size = checkpoint.size
        self._most = max(self._most, checkpoint.size)
        return signature

    async def _add(self, note: bytes, checkpoint: Checkpoint) -> tuple[int, bytes]:
        if self._size > checkpoint.size:
            raise Missing(
                f"witness {self.name} has cosigned {self._size} entries already, more than the "
                f"{checkpoint.size} of this checkpoint"
            )
        path: Sequence[bytes] = ()
        if 0 < self._size < checkpoint.size:
            path = self._tree.consistency(self._size, checkpoint.size)
        request = AddCheckpoint(self._size, tuple(path), note)
        return await self._ask("POST", "/add-checkpoint", request.to_bytes())

    async def _follow(self, body: bytes) -> None:
        """Take the size that the witness names; one beyond our tree must be shown to count."""
        try:
            size = number(body.decode("ascii").removesuffix("\n"), "size")
        except UnicodeDecodeError as error:
            raise Malformed(f"witness {self.name} names no size in its conflict") from error
        if size > self._tree.size:
            await self.compare()
        self._size = size
        self._told(size)

    def remember(self, cosigned: Note, size: int) -> None:
        """Take a published checkpoint of this size: what it cosigned once it may never forget."""
        if cosigned.line_of(self.witness.key) is not None:
            self._most = max(self._most, size)

    def _told(self, size: int) -> None:
        """Say so where it names less than it cosigned: it could cosign a second history."""
        if size < self._most:
            _log.error("witness-went-back", witness=self.name, cosigned=self._most, says=size)

    def _check(self, note: bytes, lines: bytes) -> Signature:
        ours = Note.from_bytes(note)
        # Lines by other keys are ignored: only this witness's is looked for.
        theirs = Note.from_bytes(ours.text.encode() + b"\n" + lines)
        time = check_cosignature(theirs, self.witness.key)
        signature = theirs.line_of(self.witness.key)
        if time is None or signature is None:
            raise Refused(f"witness {self.name} answers without a cosignature by its key")
        if time == 0:
            raise Refused(f"witness {self.name} cosigns without saying when")
        return signature

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        url = self._url + path
        try:
            async with self._http.stream(method, url, content=body) as answer:
                read = bytearray()
                async for chunk in answer.aiter_bytes():
                    read += chunk
                    if len(read) > _MAX_ANSWER:
                        raise Refused(f"witness {self.name} answers with more than 1 MiB")
                return answer.status_code, bytes(read)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            detail = str(error) or type(error).__name__
            raise Missing(f"witness {self.name} does not answer at {url}: {detail}") from error


async def gather(
    clients: Iterable[WitnessClient],
    note: bytes,
    *,
    enough: Callable[[Iterable[str]], bool],
    timeout: float,  # noqa: ASYNC109 - one limit over all witnesses, not one for each
    grace: float = 1.0,
) -> Gathered:
    """Ask all witnesses at once for cosignatures on a signed checkpoint.

    Ends when all have answered, `timeout` seconds have passed, or `grace` seconds after
    what came is `enough` (given the names of those that cosigned). Diverged from any of
    them ends it at once and is raised.
    """
    tasks = {asyncio.create_task(client.cosign(note)): client.name for client in clients}
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    gathered = Gathered()
    pending = set(tasks)
    try:
        while pending:
            if enough(gathered.signatures):
                deadline, grace = min(deadline, clock() + grace), timeout
            done, pending = await asyncio.wait(
                pending,
                timeout=max(0, deadline - clock()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                break
            for task in done:
                _collect(task, tasks[task], gathered)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in pending:
        gathered.failures[tasks[task]] = "it did not answer in time"
    return gathered


def _collect(task: asyncio.Task[Signature], name: str, gathered: Gathered) -> None:
    try:
        gathered.signatures[name] = task.result()
    except Diverged:
        raise
    except AnchorError as error:
        gathered.failures[name] = str(error)
