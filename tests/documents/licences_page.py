"""docs/licences.md: what each locked package is licensed under; `make licences` writes it.

Reads the metadata of what is installed in .venv and .venv-site. Ends with 1, and names them,
where a licence is unknown or not allowed.
"""

import importlib.metadata
import re
import sys
from pathlib import Path

from licences import is_allowed, licence_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
LOCKS = {
    "default": "What the program needs",
    "image": "What the container image has beyond that (extras `evm` and `tsa`)",
    "dev": "What other extras, and the tests, have beyond that",
    "build": "What builds the wheel",
    "site": "What makes the site",
}
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
TOP = """# Dependencies' licences

What is pinned in `requirements/`, each package once, under the first heading that has it. `make licences` reads the installed packages' own metadata, or their licence file where that says too little, and fails on a licence that is unknown or not among those allowed; a test compares this page with the locks. factoryledger itself is Apache-2.0. The wheel and the source contain none of these packages; the container image contains the first two groups.

`LGPL-3.0-only` (psycopg) and `MPL-2.0` (certifi, and in tests and the site others) are used as they are published, unchanged. Not listed are environments of tests and benchmarks alone, which nothing of ours is given out with: `oracles`, `peers`, `rivals`, `witness`, `browser`, `examples`, `contract`, `supply`, `fuzz`, `npm`."""  # noqa: E501 - prose


def plain(name):
    """A package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock):
    """Names and versions of a lock file."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    return [(plain(name), version) for name, version in PINNED.findall(text)]


def groups():
    """By lock: the packages that no lock before it has."""
    seen = set()
    for lock in LOCKS:
        new = sorted({one for one in pinned(lock) if one not in seen})
        seen.update(new)
        yield lock, new


def installed():
    """What is installed, by name: another version of a package has its licence, too."""
    found = {}
    for folder in ROOT.glob(".venv*/lib/python3*/site-packages"):
        if folder.parents[2].name in {".venv", ".venv-site"}:
            for one in importlib.metadata.distributions(path=[str(folder)]):
                found[plain(one.metadata["Name"])] = one
    return found


def licence(name, found):
    """A package's licence by what is installed of it."""
    one = found.get(name)
    if one is None:
        return licence_of(name, None, None, (), ())
    files = [
        file for file in one.files or () if re.search(r"licen|copying", file.name, re.IGNORECASE)
    ]
    texts = [
        file.locate().read_text("utf-8", "replace") for file in files if file.locate().is_file()
    ]
    classifiers = [said.rpartition(" :: ")[2] for said in one.metadata.get_all("Classifier") or ()]
    meta = one.metadata
    return licence_of(name, meta["License-Expression"], meta["License"], classifiers, texts)


def render():
    """The whole page, and what is wrong."""
    found, parts, wrong = installed(), [TOP], []
    for lock, packages in groups():
        rows = ["| package | version | licence |", "|---|---|---|"]
        for name, version in packages:
            said = licence(name, found)
            if said is None or not is_allowed(said):
                wrong.append(f"{name} {version}: {said or 'unknown'}")
            rows.append(f"| {name} | {version} | {said} |")
        parts += [f"## {LOCKS[lock]}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n", wrong


if __name__ == "__main__":
    text, trouble = render()
    for line in trouble:
        sys.stderr.write(f"licence not allowed, or not known: {line}\n")
    if trouble:
        sys.exit(1)
    PAGE.write_text(text, "utf-8")
