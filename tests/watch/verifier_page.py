"""Put the verifier page's sources into one HTML file, on standard output: `make verifier`.

The modules are joined, each after those that it imports, into one script; there `import` and
`export` mean nothing and go. The page's Content-Security-Policy names the hashes of its own
script and style and allows nothing else, so no byte of it can come from anywhere.
"""

import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "watch" / "verifier"
FIRST = "page"

_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_COMMENT = re.compile(r"^//[^\n]*\n|/\*\*.*?\*/", re.MULTILINE | re.DOTALL)


def render() -> str:
    """The whole page."""
    script = _script()
    style = re.sub(r"\s*\n\s*", "\n", _source("page.css"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _source("page.html")
    for name, text in (("policy", policy), ("style", style), ("script", script)):
        page = page.replace(f"{{{{{name}}}}}", text)
    return page


def modules() -> dict[str, str]:
    """Every module that the page needs by its name, each after those that it imports."""
    found: dict[str, str] = {}

    def take(name: str) -> None:
        if name not in found:
            text = _source(f"{name}.js")
            for _, needed in _IMPORT.findall(text):
                take(needed)
            found[name] = text

    take(FIRST)
    return found


def astray() -> Iterator[str]:
    """What a module uses of another and does not import, or imports and does not use."""
    texts = modules()
    homes = {name: home for home, text in texts.items() for name in _EXPORT.findall(text)}
    for module, text in texts.items():
        imported = {
            (name, home) for names, home in _IMPORT.findall(text) for name in names.split(", ")
        }
        code = _COMMENT.sub("", _IMPORT.sub("", text))
        words = set(re.findall(r'(?<![\w.$"])[A-Za-z]\w*(?!\w|:)', code))
        used = {(name, homes[name]) for name in words & homes.keys() if homes[name] != module}
        yield from (f"{module}: {name} of {home}" for name, home in sorted(imported ^ used))


def _source(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


def _script() -> str:
    joined = "".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in modules().values())
    return f'"use strict";\n{{\n{joined}}}\n'


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


if __name__ == "__main__":
    sys.stdout.write(render())
