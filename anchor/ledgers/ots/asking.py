"""Asks a source for the block headers that receipts name and a verifier has not pinned.

A header is worth its work whoever gives it; that it is of the chain of most work is the
source's word, so a verifier asks one that it trusts: its own node, or several.
"""

from collections.abc import Iterable

from anchor.errors import Malformed
from anchor.ledgers.ots.chain import HeaderSource
from anchor.ledgers.ots.file import OtsFile
from anchor.ledgers.ots.voucher import OtsVoucher

MOST = 16
"""So many headers are asked for at most: a receipt of one's own names a few."""


async def asked(voucher: OtsVoucher, source: HeaderSource, receipts: Iterable[bytes]) -> OtsVoucher:
    """The voucher, with the headers of these receipts' blocks as the source has them now.

    Missing, Unreachable, Malformed or Refused where it gives none that holds. What is no
    receipt is left to the voucher.
    """
    heights = set[int]()
    for receipt in receipts:
        try:
            paths = OtsFile.from_bytes(receipt).timestamp.bitcoin()
        except Malformed:
            continue
        heights.update(path.attestation.height for path in paths)
    unknown = sorted(heights - voucher.headers.keys())
    return voucher.asked(await source.headers(unknown[:MOST]))
