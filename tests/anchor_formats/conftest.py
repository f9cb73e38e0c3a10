"""Fixtures for the formats: keys that never change, modules beside the tests."""

import sys
from pathlib import Path

import pytest

from anchor.note import COSIGNATURE, ML_DSA_44, SignerKey

# Tests are imported by path; the modules that they share are not, so their folder is named.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def log_key():
    return SignerKey.from_seed("example.org/log", bytes([1]) * 32)


@pytest.fixture(scope="session")
def operator():
    return SignerKey.from_seed("example.org/log/operator", bytes([2]) * 32)


@pytest.fixture(scope="session")
def witness_keys():
    """Three cosigners, the last one with ML-DSA-44."""
    return (
        SignerKey.from_seed("witness.example/a", bytes([3]) * 32, COSIGNATURE),
        SignerKey.from_seed("witness.example/b", bytes([4]) * 32, COSIGNATURE),
        SignerKey.from_seed("witness.example/pq", bytes([5]) * 32, ML_DSA_44),
    )
