"""A witness over HTTP: C2SP tlog-witness v1, for any number of logs.

It cosigns a checkpoint only if it continues the one cosigned before, and keeps it before
it answers. State is keyed by the pinned origin, never by anything a request says.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from anchor.account import WitnessAccount
from anchor.checkpoint import Checkpoint
from anchor.cosignature import cosign
from anchor.errors import DiskFailed, Missing
from anchor.keeping.add_checkpoint import (
    MAX_BODY,
    SIZE_TYPE,
    AddCheckpoint,
    Answer,
    Conflict,
    Seen,
    TooMany,
    check_growth,
    origin_hash,
    read_request,
)
from anchor.keeping.witness_db import WitnessState
from anchor.keeping.witness_mark import WitnessMark
from anchor.note import Note, Signature, SignerKey, VerifierKey
from anchor.rate import Rate

_log = structlog.get_logger("witness")

T = TypeVar("T")
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a witness answers each log and each client address; None: as often as asked."""

    by_log: Rate | None = None
    by_address: Rate | None = None


class Witness:
    """Decides and cosigns; `logs` are the pinned keys of each origin, `clock` POSIX seconds.

    Several keys (Ed25519, ML-DSA-44) cosign together; in `mark` is how far. `rate` bounds what
    is answered for each log: only requests that its own key signed count, so that nobody else
    can use it up.
    """

    def __init__(  # noqa: PLR0913 - what it is and what it keeps
        self,
        *,
        keys: Sequence[SignerKey],
        logs: Mapping[str, Sequence[VerifierKey]],
        state: WitnessState,
        clock: Callable[[], int],
        rate: Rate | None = None,
        mark: WitnessMark | None = None,
    ) -> None:
        self._rate = rate
        self._mark = mark
        self._rate_lock = Lock()
        self._keys = keys
        self._logs = logs
        self._state = state
        self._clock = clock
        self._origins = {origin_hash(origin): origin for origin in logs}

    def add_checkpoint(self, body: bytes) -> bytes:
        """Answer one request with cosignature lines; Answer says with which status it refuses."""
        request, note, checkpoint = read_request(body, self._logs)
        if self._rate is not None:
            with self._rate_lock:
                wait = self._rate.wait(checkpoint.origin)
            if wait:
                raise TooMany(wait, "for this log")
        seen = self._state.advance(
            checkpoint.origin, lambda last: self._cosign(request, note, checkpoint, last)
        )
        self._reach(checkpoint.origin, seen)
        # Only now, after the commit and the mark, a cosignature may leave.
        ours = {(key.name, key.verifier.id) for key in self._keys}
        lines = [s for s in Note.from_bytes(seen.note).signatures if (s.name, s.id) in ours]
        return _lines(lines)

    def latest(self, hashed: str) -> bytes:
        """The checkpoint cosigned last for the origin of this hash; Answer 404 if none was."""
        origin = self._origins.get(hashed)
        seen = None if origin is None else self._state.latest(origin)
        if seen is None:
            raise Answer(404, "no checkpoint of this log was cosigned\n")
        # Its cosignature leaves here, too, and the mark may have failed when it was made.
        self._reach(self._origins[hashed], seen)
        return seen.note

    def _reach(self, origin: str, seen: Seen) -> None:
        if self._mark is not None:
            self._mark.reach([key.verifier for key in self._keys], origin, seen.size)

    def _cosign(
        self, request: AddCheckpoint, note: Note, checkpoint: Checkpoint, last: Seen
    ) -> Seen:
        check_growth(request, checkpoint, last)
        now = self._clock()
        pinned = {(key.name, key.id) for key in self._logs[checkpoint.origin]}
        # Lines by unknown keys were not checked: they are not handed on.
        kept = Note(note.text, tuple(s for s in note.signatures if (s.name, s.id) in pinned))
        cosigned = kept.with_signatures(*(cosign(key, note.text, now) for key in self._keys))
        return Seen(checkpoint.size, checkpoint.root, cosigned.to_bytes())


def create_app(  # noqa: PLR0913 - the service and who watches it
    *,
    keys: Sequence[SignerKey],
    logs: Mapping[str, Sequence[VerifierKey]],
    state: WitnessState,
    clock: Callable[[], int],
    lifespan: Lifespan | None = None,
    account: WitnessAccount | None = None,
    limits: Limits | None = None,
    on_failed: Callable[[DiskFailed], None] | None = None,
    mark: WitnessMark | None = None,
) -> Starlette:
    """The witness's web application; submission and monitoring prefix are both its root.

    `on_failed` is told of a disk that did not take the state: it should answer no more.
    """
    counted = WitnessAccount() if account is None else account
    within = Limits() if limits is None else limits
    witness = Witness(keys=keys, logs=logs, state=state, clock=clock, rate=within.by_log, mark=mark)

    async def add_checkpoint(request: Request) -> Response:
        address = request.client.host if request.client else ""
        wait = within.by_address.wait(address) if within.by_address else 0
        try:
            body = None if wait else await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody: who asked has gone
        if wait:
            answer: Response = _too_many(TooMany(wait, "from this address"))
        elif body is None:
            answer = PlainTextResponse(f"a request has at most {MAX_BODY} bytes\n", 413)
        else:
            try:
                answer = await _answer(witness.add_checkpoint, body)
            except DiskFailed as error:
                if on_failed is not None:
                    on_failed(error)
                answer = PlainTextResponse("the disk failed: this witness ends\n", 503)
        counted.answers[answer.status_code] += 1
        return answer

    async def latest(request: Request) -> Response:
        return await _answer(witness.latest, request.path_params["origin"])

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/{origin}/checkpoint", latest),
        ],
        lifespan=lifespan,
    )


async def _answer(decide: Callable[[T], bytes], value: T) -> Response:
    try:
        return PlainTextResponse(await run_in_threadpool(decide, value))
    except Conflict as conflict:
        headers = {"content-type": SIZE_TYPE}
        return Response(conflict.reason, conflict.status, headers=headers)
    except TooMany as refusal:
        return _too_many(refusal)
    except Answer as refusal:
        return PlainTextResponse(refusal.reason, refusal.status)
    except (DBAPIError, Missing, OSError) as error:
        # What it cannot keep it has not cosigned: the log asks again, and nothing is lost.
        _log.error("witness-cannot-keep", reason=str(getattr(error, "orig", error)))
        return PlainTextResponse("what was cosigned last cannot be kept; ask again later\n", 503)


def _too_many(refusal: TooMany) -> Response:
    headers = {"retry-after": str(refusal.seconds)}
    return PlainTextResponse(refusal.reason, refusal.status, headers)


async def _read_body(request: Request) -> bytes | None:
    """The body, or None as soon as it is larger than a request may be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _lines(signatures: Sequence[Signature]) -> bytes:
    """Signature lines as a note has them, without its text."""
    note = Note("\n", tuple(signatures)).to_bytes()
    return note.removeprefix(b"\n\n")
