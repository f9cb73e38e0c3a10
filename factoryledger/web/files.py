"""The anchor log's files and the policy as the web server gives them away."""

import re
from typing import Final

from anchor.errors import AnchorError, Malformed
from anchor.reading.log_reader import FolderSource
from anchor.tile import Tile, entries_from_path
from factoryledger.installation import Installation
from watch.web.ports import Away

_KEPT: Final = re.compile(r"checkpoints/[0-9a-f]{64}", re.ASCII)


class LogFolder:
    """The folder as it is; only paths that a log has are looked for."""

    def __init__(self, place: Installation) -> None:
        self._source = FolderSource(place.log)
        self._policy = place.settings.policy or place.data.policy_file

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none of this path."""
        if not _is_ours(path):
            return None
        try:
            return self._source.read(path)
        except AnchorError:
            return None

    def policy(self) -> bytes:
        """The policy's text; Away where it cannot be read."""
        try:
            return self._policy.read_bytes()
        except OSError as error:
            raise Away(f"{self._policy}: {error.strerror}") from error


def _is_ours(path: str) -> bool:
    if path == "checkpoint" or _KEPT.fullmatch(path):
        return True
    for read in (Tile.from_path, entries_from_path):
        try:
            read(path)
        except Malformed:
            continue
        return True
    return False
