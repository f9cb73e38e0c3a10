"""All shared vectors of the anchor's formats in one table: accepted of all to accept, refused.

`make vectors` prints it.
"""

import pytest
from vector_sources import NOT_ASKED, sources

DUE = {
    "rfc6962-merkle/inclusion.json": (6, 92),
    "rfc6962-merkle/consistency.json": (6, 92),
    "c2sp/examples.json, notes": (5, 4),
    "vkeys: examples, logs.yaml": (17, 4),
    "c2sp/tile_paths.json": (11, 10),
    "c2sp/tlog_proof_parse.json": (1, 8),
    "tessera-log": (31, 30),
    "sumdb": (47, 46),
    "witness/add_checkpoint_sequences.json": (4, 6),
    "attacks/known.json, forged tile": (1, 1),
    "ots": (14, 3),
    "rfc3161": (5, 9),
}


@pytest.mark.vectors
def test_every_shared_vector_is_answered_as_it_says(vectors, capsys):
    rows = {source.name: source.judged() for source in sources(vectors)}
    lines = [
        f"{name:40} accepted {accepted:4}/{good:<4} refused {refused:4}/{bad}"
        for name, (accepted, good, refused, bad) in rows.items()
    ]
    lines += [f"{name:40} not asked: {why}" for name, why in NOT_ASKED.items()]
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - the table is for people to see
    assert {name: (row[1], row[3]) for name, row in rows.items()} == DUE
    assert {name: (row[0], row[2]) for name, row in rows.items()} == DUE
