"""What a case expects, as text: compared line by line, with room for what may differ.

In an expected text `[..]` stands for anything within a line, and a line that is `...` for any
lines, or none. All else is compared to the letter.
"""

import difflib
import re

ANYTHING, ANY_LINES = "[..]", "..."


def agrees(expected: str, actual: str) -> bool:
    """Whether the actual text is one that the expected text stands for."""
    lines = (
        "(?:[^\n]*\n)*" if line == ANY_LINES else _pattern(line) + "\n"
        for line in expected.splitlines()
    )
    return re.fullmatch("".join(lines), _ended(actual)) is not None


def difference(expected: str, actual: str) -> str:
    """A diff in which lines that agree are the same, `-` expected, `+` what came."""
    return "\n".join(
        difflib.unified_diff(
            expected.splitlines(),
            kept(expected, actual).splitlines(),
            "expected",
            "what came",
            lineterm="",
        )
    )


def kept(expected: str, actual: str) -> str:
    """The actual text, with the expected's spelling of each line that agrees with one."""
    spelled = [line for line in expected.splitlines() if ANYTHING in line]

    def line_of(line: str) -> str:
        return next((one for one in spelled if re.fullmatch(_pattern(one), line)), line)

    return _ended("\n".join(map(line_of, actual.splitlines())))


def _pattern(line: str) -> str:
    return "[^\n]*".join(map(re.escape, line.split(ANYTHING)))


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
