"""What a contract holds of a sender's log, from its first checkpoint on, by a node's word.

Nobody who holds the log's keys can change it, so it is what a log that was written anew is
held against. Nodes bound how much they give at once: a range that is refused is asked in two.
"""

from dataclasses import dataclass

from web3.types import LogReceipt

from anchor.errors import AnchorError, Missing
from anchor.ledgers.evm.event import EVENT, Anchored, event_of
from anchor.ledgers.evm.node import Node

_LEAST_RANGE = 500


@dataclass(frozen=True, slots=True)
class Found:
    """An event of the contract, its transaction's hash and its block's height."""

    event: Anchored
    transaction: bytes
    block: int


@dataclass(frozen=True, slots=True)
class Named:
    """A log as a contract knows it: the contract, who sends, SHA-256 of the log's origin."""

    contract: bytes
    owner: bytes
    origin: bytes


async def history(
    node: Node, named: Named, start: int, end: int | None = None, *, size: int | None = None
) -> list[Found]:
    """All events of that log, or of one size, between two heights (`end` is now where None).

    In the chain's order. Missing if the node gives none of it, or what no contract writes.
    """
    topics = [EVENT, named.owner.rjust(32, b"\0"), named.origin]
    if size is not None:
        topics.append(size.to_bytes(32, "big"))
    last = await node.height() if end is None else end
    found, ranges = list[Found](), [(start, last)]
    while ranges:
        first, last = ranges.pop()
        try:
            logs = await node.logs(named.contract, topics, first, last)
        except Missing:
            if last - first < _LEAST_RANGE:
                raise
            middle = (first + last) // 2
            ranges += [(middle + 1, last), (first, middle)]
            continue
        found += [_found(node, named, log) for log in logs]
    return found


def _found(node: Node, named: Named, log: LogReceipt) -> Found:
    try:
        event = event_of(named.contract, [bytes(t) for t in log["topics"]], bytes(log["data"]))
        if (event.owner, event.origin) == (named.owner, named.origin):
            return Found(event, bytes(log["transactionHash"]), log["blockNumber"])
    except AnchorError as error:
        raise Missing(f"{node.place} gives an event that is none: {error}") from error
    raise Missing(f"{node.place} gives an event of another log than was asked for")
