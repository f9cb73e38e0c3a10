"""docs/licences.md has every pinned package with its version; the rules of what is allowed."""

import re

import licences_page
import pytest
from licences import is_allowed, licence_of

ROW = re.compile(r"^\| ([a-z0-9-]+) \| (\S+) \| (.+) \|$", re.MULTILINE)


def test_the_page_has_what_is_pinned_and_nothing_else():
    rows = ROW.findall(licences_page.PAGE.read_text("utf-8"))
    wanted = [one for _, packages in licences_page.groups() for one in packages]
    listed = [(name, version) for name, version, _ in rows if name != "package"]
    assert listed == wanted, "run `make licences`"


def test_every_licence_of_the_page_is_allowed():
    rows = ROW.findall(licences_page.PAGE.read_text("utf-8"))
    wrong = [row for row in rows if row[0] != "package" and not is_allowed(row[2])]
    assert not wrong


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later", False),
        ("EPL-2.0 OR BSD-3-Clause", True),
        ("EPL-2.0 AND BSD-3-Clause", False),
        ("AGPL-3.0-only OR BUSL-1.1", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("None", False),
    ],
)
def test_what_is_allowed(said, allowed):
    assert is_allowed(said) is allowed


def test_what_a_package_says_counts_in_order():
    bsd = "Redistribution and use in source and binary forms, with or without modification"
    assert licence_of("a", "mit", "BSD", ["ISC License (ISCL)"], []) == "MIT"
    assert licence_of("a", None, "Apache-2.0", [], []) == "Apache-2.0"
    assert licence_of("a", None, "BSD", ["BSD License"], [bsd]) == "BSD-2-Clause"
    assert licence_of("a", None, None, [], [f"{bsd} ... Neither the name of X"]) == "BSD-3-Clause"
    assert licence_of("a", None, None, ["MIT License", "ISC License (ISCL)"], []) is None
    assert licence_of("a", None, "see LICENSE", [], ["All rights reserved."]) is None
