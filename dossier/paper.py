"""The report on paper: HTML to PDF by WeasyPrint, an extra (docs/decisions/report-on-paper.md).

Edge: a library that reads fonts of this machine. Nothing is fetched. The same report gives the
same bytes on one machine; other fonts or another release give others.
"""

import logging
import os
from typing import Any, Final, NoReturn

_HOW: Final = (
    "no report.pdf was made: {why}. Install the extra `pdf` (and Debian's libpangoft2-1.0-0), or "
    "print report.html from any browser"
)


def printed(html: bytes, made: int) -> tuple[bytes | None, str | None]:
    """The PDF, or None and why there is none; `made` (microseconds) is the date it bears."""
    try:
        from weasyprint import HTML  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        return None, _HOW.format(why="WeasyPrint is not installed")
    except OSError as error:  # its native libraries
        return None, _HOW.format(why=f"a library is missing ({str(error).splitlines()[0]})")
    # What it does not understand of a style sheet is for browsers.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(made // 1_000_000)
    try:
        document: Any = HTML(string=html.decode(), url_fetcher=_nothing)
        return document.write_pdf(pdf_tags=True), None
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before


def _nothing(url: str, *_: object, **__: object) -> NoReturn:
    raise ValueError(f"a report loads nothing, and not {url[:100]}")
