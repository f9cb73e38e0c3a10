"""All that `doctor` looks at, in order; what cannot be looked at is a line, too."""

from collections.abc import Callable, Iterator
from typing import Final

from factoryledger.doctor.broker import check_broker
from factoryledger.doctor.clock import check_clock
from factoryledger.doctor.line import Line, bad
from factoryledger.doctor.log import check_log
from factoryledger.doctor.places import (
    check_certificates,
    check_folder,
    check_keys,
    check_passwords,
)
from factoryledger.doctor.store import check_stores
from factoryledger.doctor.versions import check_versions
from factoryledger.exits import exit_for
from factoryledger.installation import Installation

_OF_THE_FOLDER: Final = {"keys", "certificates", "store", "log"}


def examine(place: Installation, *, probe: bool) -> Iterator[Line]:
    """Every line, as soon as it is known."""
    whole = place.data.path.is_dir()
    checks: list[tuple[str, Callable[[], Iterator[Line]]]] = [
        ("versions", check_versions),
        ("clock", check_clock),
        ("data folder", lambda: check_folder(place)),
        ("keys", lambda: check_keys(place)),
        ("passwords", lambda: check_passwords(place)),
        ("certificates", lambda: check_certificates(place)),
        ("store", lambda: check_stores(place)),
        ("broker", lambda: check_broker(place, probe=probe)),
        ("log", lambda: check_log(place)),
    ]
    for about, check in checks:
        if not whole and about in _OF_THE_FOLDER and place.settings.policy is None:
            continue  # said once
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - one check that fails must not hide the others
            code, sentence = exit_for(error)
            yield bad(about, sentence, "mend that, and run it again", false=code == 1)
