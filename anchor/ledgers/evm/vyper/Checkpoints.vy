# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title Checkpoints
@license Apache-2.0
@notice Keeps the newest checkpoint of append-only logs, each under who sends it. A log only
        grows: a smaller size, or any root at a size that is there already, is refused. So
        each size of a log has one root here for ever, and one event.
@dev    Nobody owns the contract, nothing in it can be changed, it takes no money. `origin` is the
        SHA-256 of the log's origin; under another sender the same log is another one, so
        nobody can write to, or block, a log of somebody else.
"""

event Anchored:
    owner: indexed(address)
    origin: indexed(bytes32)
    size: indexed(uint64)
    root: bytes32
    note: bytes32  # SHA-256 of the exact cosigned checkpoint

struct Head:
    size: uint64
    time: uint64  # of its block, POSIX seconds
    block: uint64  # where its event is
    root: bytes32

# Size, time and block in one word, so that a later checkpoint writes two words, not four.
packed: HashMap[address, HashMap[bytes32, uint256]]
roots: HashMap[address, HashMap[bytes32, bytes32]]


@external
def anchor(origin: bytes32, size: uint64, root: bytes32, note: bytes32):
    """
    @notice Take the sender's checkpoint of a log; its size must be above the last one's.
    """
    last: uint64 = convert(self.packed[msg.sender][origin] >> 128, uint64)
    assert size != last, "this size is anchored already"
    assert size > last, "a larger size is anchored already"
    self.packed[msg.sender][origin] = (
        (convert(size, uint256) << 128)
        | (convert(convert(block.timestamp, uint64), uint256) << 64)
        | convert(convert(block.number, uint64), uint256)
    )
    self.roots[msg.sender][origin] = root
    log Anchored(owner=msg.sender, origin=origin, size=size, root=root, note=note)


@external
@view
def head(owner: address, origin: bytes32) -> Head:
    """
    @notice The newest checkpoint of a sender's log; size 0 where there is none.
    """
    word: uint256 = self.packed[owner][origin]
    return Head(
        size=convert(word >> 128, uint64),
        time=convert((word >> 64) & convert(max_value(uint64), uint256), uint64),
        block=convert(word & convert(max_value(uint64), uint256), uint64),
        root=self.roots[owner][origin],
    )
