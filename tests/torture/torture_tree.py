"""RFC 9162's tree over leaf hashes, written once more for the checker: it trusts no code of ours.

Each power of two that a size is made of has one hash; the root joins them from the right.
"""

from hashlib import sha256

EMPTY = sha256(b"").digest()


def roots_at(leaves, sizes):
    """The root at each of these sizes, of those that there are enough leaves for."""
    wanted, found, stack = set(sizes), {}, []
    if 0 in wanted:
        found[0] = EMPTY
    for size, leaf in enumerate(leaves, 1):
        stack.append(leaf)
        # As often as the size can be halved, two neighbours of one height become one.
        half = size
        while half % 2 == 0:
            right = stack.pop()
            stack.append(_node(stack.pop(), right))
            half //= 2
        if size in wanted:
            found[size] = _joined(stack)
    return found


def _joined(stack):
    root = stack[-1]
    for left in reversed(stack[:-1]):
        root = _node(left, root)
    return root


def _node(left, right):
    return sha256(b"\1" + left + right).digest()
