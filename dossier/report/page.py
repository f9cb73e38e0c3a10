"""The report as one HTML file: nothing is loaded, nothing runs (docs/formats.md). Pure.

The same manifest and figures give the same bytes, which is how `verify` knows that a report says
what is proved. What it says in words changes with `FORM` alone.
"""

import json
from importlib.resources import files
from typing import Any, Final

from dossier.manifest import Manifest
from dossier.report.guide import glossary, guide
from dossier.report.machine_part import machine_part
from dossier.report.markup import raw, tag, text
from dossier.report.overview import overview
from dossier.report.trust import keys_part, log_part

FORM: Final = 1
"""The report's form. Another wording, another style or another order is another form."""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_GROUP: Final = 8


def report(manifest: Manifest, figures: bytes) -> bytes:
    """`report.html`, of a manifest and its `figures.json`."""
    said: dict[str, Any] = json.loads(figures)
    about = manifest.about
    head = tag(
        "head",
        raw('<meta charset="utf-8">\n'),
        raw(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'),
        raw('<meta name="viewport" content="width=device-width, initial-scale=1">\n'),
        raw(f'<meta name="generator" content="{text("factoryledger " + about.release)}">\n'),
        tag("title", text(f"{about.title}: evidence package {manifest.number[:16]}")),
        raw(f"\n<style>\n{_style(manifest)}</style>\n"),
    )
    body = tag(
        "body",
        raw("\n"),
        overview(manifest, said),
        [machine_part(one, said) for one in said["machines"]],
        keys_part(said),
        log_part(said),
        guide(manifest),
        glossary(),
    )
    html = tag("html", raw("\n"), head, raw("\n"), body, raw("\n"), lang="en")
    return f"<!doctype html>\n{html}\n".encode()


def _style(manifest: Manifest) -> str:
    """Our style sheet, and the running lines of a printed page, which hold digits alone."""
    number = manifest.number
    groups = " ".join(number[at : at + _GROUP] for at in range(0, len(number), _GROUP))
    quiet = 'font: 7pt "DejaVu Sans Mono", Consolas, monospace; color: #55616c;'
    page = (
        "@page {\n  size: A4; margin: 22mm 17mm 20mm;\n"
        f'  @top-left {{ content: "Package {groups}"; white-space: nowrap; {quiet} }}\n'
        f'  @bottom-right {{ content: counter(page) " of " counter(pages); {quiet} }}\n'
        '  @bottom-left { content: "Evidence package: compare this number with that of the '
        f'files, and with every other page"; white-space: nowrap; {quiet} }}\n'
        "}\n"
    )
    return files("dossier.report").joinpath("style.css").read_text("utf-8") + page
