"""A payload as text for a clipboard: whoever pastes it into a shell runs no second line. Pure."""

from typing import Final

import msgspec

from watch.line import visible
from watch.topics.node import Kept

LONGEST: Final = 64 * 1024


def copied(kept: Kept) -> str:
    """Give a payload as one line: JSON without its line breaks, else with all controls written out.

    What is not UTF-8 is written out byte by byte.
    """
    payload = kept.payload[:LONGEST]
    try:
        text = payload.decode()
        text = msgspec.json.format(payload, indent=-1).decode()
    except (msgspec.MsgspecError, RecursionError):
        pass
    except UnicodeDecodeError:
        text = payload.decode("utf-8", "backslashreplace")
    return visible(text)
