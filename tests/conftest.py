"""Fixtures for every part: a real broker, and topics of one's own on it."""

import uuid

import pytest


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A real Mosquitto on a free port of 127.0.0.1, with the shipped limits.

    Shared by all tests: keep to `topic_prefix`, and start a LocalBroker of your own to kill.
    """
    from factoryledger.broker import LocalBroker, find_mosquitto

    if find_mosquitto() is None:
        pytest.fail(
            "this test needs a real broker: install mosquitto 2.0 or later "
            "(Debian: apt-get install mosquitto, macOS: brew install mosquitto)"
        )
    with LocalBroker(0, tmp_path_factory.mktemp("broker"), embedded=False) as running:
        yield running


@pytest.fixture
def topic_prefix():
    """A prefix that no other test uses, so that tests share a broker and nothing else."""
    return f"test/{uuid.uuid4().hex[:12]}"
