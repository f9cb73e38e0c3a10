"""Inputs for a target out of its valid examples: changed a little, and swollen a lot."""

from collections.abc import Iterator

from hypothesis import strategies as st

PIECES = (
    b"\0", b"\n", b" ", b"\t", b"\r", b"0", b"1", b"-", b"+", b"=", b"A", b"/", b'"', b"'", b",",
    b":", b";", b".", b"[", b"]", b"{", b"}", b"\\", b"%", b"&", b"*", b"#", b"null", b"true",
    b"1.0", b"1e999", b"9" * 19, b"9" * 40, b"\xff", b"\x80", b"\xc3", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\xc2\xa0", b"\xe2\x80\xa8", b"\xff\xff\xff\xff", b"\x7f", b"\x30\x80",
)  # fmt: skip
DEEP = (b"[", b"{", b'{"a":', b"(", b"- ", b"{a: ", b"\xf8\xff", b"\x30\x80", b"\x91", b"<")


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...], tokens: tuple[bytes, ...]) -> bytes:
    """A valid example after one to four changes; now and then bytes out of nothing."""
    data = draw(st.sampled_from(seeds))
    words = st.sampled_from([*PIECES, *tokens]) | st.binary(max_size=4)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 4, 16, 64])))
        how = draw(st.sampled_from(["put", "drop", "again", "other", "flip", "cut"]))
        if how == "put":
            data = data[:start] + draw(words) + data[stop:]
        elif how == "drop":
            data = data[:start] + data[stop:]
        elif how == "again":
            data = data[:stop] + data[start:stop] * draw(st.integers(1, 3)) + data[stop:]
        elif how == "other":
            other = draw(st.sampled_from(seeds))
            data = data[:start] + other[start : start + 64] + data[stop:]
        elif how == "flip" and start < len(data):
            bit = 1 << draw(st.integers(0, 7))
            data = data[:start] + bytes([data[start] ^ bit]) + data[start + 1 :]
        elif how == "cut":
            data = data[:start]
    return data


def swollen(seeds: tuple[bytes, ...], tokens: tuple[bytes, ...], size: int) -> Iterator[bytes]:
    """Long inputs: parts of an example many times over, runs of one character, deep nesting."""
    for opening in (*DEEP, *tokens):
        yield opening * max(1, size // len(opening))
    for seed in seeds[:1]:
        places = sorted({0, len(seed) // 2, len(seed)})
        for at in places:
            for run in (b"9", b"[", b" ", b"\n", b"\x80"):
                yield seed[:at] + run * size + seed[at:]
        for part in (
            seed[: len(seed) // 2],
            seed[len(seed) // 2 :],
            *seed.splitlines(keepends=True)[:6],
        ):
            yield seed.replace(part, part * (size // max(1, len(part))), 1)
