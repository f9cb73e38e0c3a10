"""Every durable step failed in turn; here some of them, `make steps` tries them all."""

import pytest
from every_step import PARTS, drive, sentence_of

# So many steps of each part; half of them are those right after a promise.
SOME = {"outbox": 10, "collector": 6, "anchor": 6, "witness": 6}
KINDS = {"kill-before", "kill-after", "torn", "EIO", "ENOSPC"}


@pytest.mark.parametrize("part", PARTS)
def test_whatever_fails_what_was_promised_is_kept(part, library, memory_path, capsys):
    found = drive(part, library, memory_path, SOME[part])
    with capsys.disabled():
        print(f"\n{sentence_of(found)}")  # noqa: T201 - for whoever reads the test log
    assert [wrong for one in found["tries"] for wrong in one["wrong"]] == []
    assert KINDS - {one["fault"] for one in found["tries"]} <= {"torn"}
    assert found["steps"] > 40
    assert all(one["said"] for one in found["tries"] if one["outcome"] == "exit 3")
