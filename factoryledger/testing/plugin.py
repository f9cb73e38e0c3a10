"""The pytest plugin: `mosquitto`, `ledger`, `replay` and the marker `recorded`.

Loaded by pytest wherever factoryledger is installed, so nothing of the parts is imported
before a test asks for it. Fixtures are plain functions: they serve tests of any async plugin.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from factoryledger.broker import LocalBroker
    from factoryledger.testing.ledger import Ledger
    from factoryledger.testing.mosquitto import Mosquitto
    from factoryledger.testing.replays import Replays

MODES = ("none", "once", "new_episodes", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where recordings of the marker `recorded` come from, and when they are made."""
    group = parser.getgroup("factoryledger")
    group.addoption(
        "--recorded-mode",
        choices=MODES,
        help="Make the recordings of @pytest.mark.recorded: none (default), once (those that are "
        "not there), new_episodes (add topics that they lack), all (anew).",
    )
    group.addoption(
        "--recorded-broker",
        metavar="mqtt://HOST[:PORT]",
        help="The broker that they are made from.",
    )
    parser.addini("recorded_mode", "as --recorded-mode", default="none")
    parser.addini("recorded_broker", "as --recorded-broker", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "recorded(file, topics=['#'], mode=None, broker=None, count=None, duration=5): what "
        "`replay()` plays; made from a live broker where the mode says so",
    )


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain why what is stored is not what was expected."""
    if op != "==" or "Stored" not in (type(left).__name__, type(right).__name__):
        return None
    from factoryledger.testing.stored import Stored  # noqa: PLC0415 - on demand

    if isinstance(left, Stored):
        return left.explain(right)
    return right.explain(left) if isinstance(right, Stored) else None


@pytest.fixture(scope="session")
def mosquitto_broker(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LocalBroker]":
    """A real Mosquitto on a free port of 127.0.0.1, for the whole session of this process."""
    from factoryledger.broker import LocalBroker, find_mosquitto  # noqa: PLC0415 - on demand

    if find_mosquitto() is None:
        pytest.fail(
            "no mosquitto on PATH or in /usr/sbin: install it (Debian: apt-get install "
            "mosquitto, macOS: brew install mosquitto)",
            pytrace=False,
        )
    with LocalBroker(0, tmp_path_factory.mktemp("mosquitto"), embedded=False) as running:
        yield running


@pytest.fixture
def mosquitto(mosquitto_broker: "LocalBroker") -> "Mosquitto":
    """The broker, with a topic prefix that no other test has."""
    from factoryledger.testing.mosquitto import Mosquitto  # noqa: PLC0415 - on demand

    return Mosquitto(mosquitto_broker.address, f"test/{uuid.uuid4().hex[:12]}")


@pytest.fixture
def make_ledger(
    mosquitto: "Mosquitto", tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Callable[..., Ledger]]":
    """Start ledgers with arguments of one's own: `clock="recording"`, `topics=[…]`."""
    from factoryledger.testing.ledger import Ledger  # noqa: PLC0415 - on demand

    with ExitStack() as stack:

        def make(**how: object) -> "Ledger":
            folder = tmp_path_factory.mktemp("ledger")
            return stack.enter_context(Ledger(mosquitto, folder, **how))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def ledger(make_ledger: "Callable[..., Ledger]") -> "Ledger":
    """A collector in this process that stores what is published under the test's prefix."""
    return make_ledger()


@pytest.fixture
def replay(request: pytest.FixtureRequest, mosquitto: "Mosquitto") -> "Replays":
    """Play recordings into the broker, under the test's prefix."""
    from factoryledger.testing.cassette import cassette_of  # noqa: PLC0415 - on demand
    from factoryledger.testing.replays import Replays  # noqa: PLC0415 - on demand

    return Replays(mosquitto, request.path.parent, cassette_of(request))
