"""The page's files: an allow-list made once of what the package holds, and nothing beyond it."""

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "png": "image/png",
    "ico": "image/x-icon",
    "webmanifest": "application/manifest+json",
}
INDEX: Final = "index.html"
# Modules of the verifier page that the page uses too.
_SHARED: Final = ("words.js",)
_INLINE: Final = re.compile(rb"<(script|style)\b[^>]*>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: its bytes, its type, and the tag that says whether a browser has it already."""

    data: bytes
    type: str
    tag: str


def page_assets() -> dict[str, Asset]:
    """Give the page's files by their path below the package `watch.page`."""
    found = dict[str, Asset]()
    _gather(files("watch.page"), "", found)
    for name in _SHARED:
        found[name] = _asset((files("watch.verifier") / name).read_bytes(), "js")
    return found


def verifier() -> tuple[Asset, str]:
    """Give the verifier page, and a policy that lets run what it holds and nothing else."""
    data = (files("watch.verifier") / "verifier.html").read_bytes()
    hashes = {"script": list[str](), "style": list[str]()}
    for kind, content in _INLINE.findall(data):
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        hashes[kind.decode()].append(f"'sha256-{digest}'")
    policy = (
        f"default-src 'none'; script-src {' '.join(hashes['script']) or chr(39) + 'none' + chr(39)}"
        f"; style-src {' '.join(hashes['style']) or chr(39) + 'none' + chr(39)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return _asset(data, "html"), policy


def _gather(folder: Traversable, prefix: str, found: dict[str, Asset]) -> None:
    for one in folder.iterdir():
        if one.is_dir():
            _gather(one, f"{prefix}{one.name}/", found)
        elif (ending := one.name.rpartition(".")[2]) in _TYPES:
            found[prefix + one.name] = _asset(one.read_bytes(), ending)


def _asset(data: bytes, ending: str) -> Asset:
    return Asset(data, _TYPES[ending], f'"{hashlib.sha256(data).hexdigest()[:32]}"')
