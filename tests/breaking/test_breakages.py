"""That the list of breakages is up to date; `make breakages` carries them out."""

import ast

import pytest
from breakages import BREAKAGES, ROOT


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: one.name)
def test_the_rule_stands_in_its_file_and_its_absence_is_a_program(breakage):
    source = (ROOT / breakage.file).read_text("utf-8")
    broken = breakage.of(source)
    assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(source))
    for arguments in breakage.seen_by:
        assert (ROOT / arguments.split()[0].partition("::")[0]).exists(), arguments
