"""docs/errors.md has every error, finding, status and exit code, and no more."""

import errors_page
import errors_words

from anchor.audit.findings import KINDS
from factoryledger.exits import Exit
from telemetry.record import STATUSES


def test_the_page_is_the_programs_own():
    assert errors_page.PAGE.read_text("utf-8") == errors_page.render(), "run `make docs`"


def test_every_error_of_every_part_is_there_and_no_other():
    roots = {
        "FactoryledgerError",
        "TelemetryError",
        "AnchorError",
        "DossierError",
        "CollectorError",
        "SimulatorError",
    }
    names = [name for _, name in errors_page.classes() if name not in roots]
    assert len(names) == len(set(names))
    assert set(errors_words.ERRORS) == set(names)


def test_every_finding_status_and_exit_code_is_there_and_no_other():
    assert set(errors_words.FINDINGS) == set(KINDS)
    assert set(errors_words.STATUS) == set(STATUSES)
    assert set(errors_words.EXITS) == {code.name for code in Exit}


def test_no_error_of_a_part_is_a_fault_of_the_program():
    """Each has a place in the table of exit codes, by itself or by its root."""
    for part, name in errors_page.classes():
        code = errors_page.code_of(errors_page.class_of(part, name))
        assert code is not Exit.FAULT or name == "FactoryledgerError", name


def test_every_event_of_operations_is_there():
    section = (errors_page.ROOT / "docs" / "operations.md").read_text("utf-8").split("\n## Logs")[1]
    told = sum(" | warning | " in line or " | error | " in line for line in section.splitlines())
    assert told > 40
    assert len(errors_page.events_table().splitlines()) == told + 2
