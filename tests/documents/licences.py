"""A package's licence as an SPDX expression, and whether it may be used here. Pure rules.

What a package says of itself counts in this order: its License-Expression (PEP 639), an SPDX
name in License, a classifier that means one licence, the text of its licence file. Whoever
says nothing of these is unknown, and is to be read by somebody and named in READ.
"""

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

# Each may be used beside a program under Apache-2.0; those of the LGPL and MPL unchanged.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC",
    "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-1.1", "MPL-2.0",
    "PSF-2.0", "Unlicense",
    "Zlib",
}  # fmt: skip
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
TEXTS = (
    (r"Apache License\s+Version 2\.0", "Apache-2.0"),
    (r"Permission is hereby granted, free of charge", "MIT"),
    (r"Redistribution and use in source and binary forms[\s\S]*(?:name|names) of", "BSD-3-Clause"),
    (r"Redistribution and use in source and binary forms", "BSD-2-Clause"),
)
# Read by a person, since metadata and files say more than one thing.
READ = {
    "brotlicffi": "MIT",  # for other Pythons than CPython: never installed here
    "pyphen": "GPL-2.0-or-later OR LGPL-2.0-or-later OR MPL-1.1",  # three files, for choice
    "pycryptodome": "BSD-2-Clause AND Unlicense",  # "partially in the public domain"
    "pywin32": "PSF-2.0",  # Windows alone: not installed where this is rendered
    "uvloop": "MIT OR Apache-2.0",
}


def licence_of(name, expression, said, classifiers, texts):
    """The SPDX expression, or None where nothing says which."""
    for one in (READ.get(name), expression, said):
        if one and (spdx := canonical(one)):
            return spdx
    meant = {CLASSIFIERS[one] for one in classifiers if one in CLASSIFIERS}
    if len(meant) == 1:
        return meant.pop()
    for pattern, spdx in TEXTS:
        if any(re.search(pattern, text) for text in texts):
            return spdx
    return None


def canonical(expression):
    """The expression as SPDX spells it, or None where it is none."""
    try:
        return str(canonicalize_license_expression(expression))
    except (InvalidLicenseExpression, ValueError):
        return None


def is_allowed(expression):
    """Whether one side of each OR is made of licences that are allowed; no parentheses."""
    if re.search(r"[()]| WITH ", expression):
        return False
    sides = [set(side.split(" AND ")) for side in expression.split(" OR ")]
    return any(side <= ALLOWED for side in sides)
