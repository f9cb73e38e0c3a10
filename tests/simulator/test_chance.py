"""Our own generator: a published hash in counter mode, and draws that are spread as they say."""

from hashlib import blake2b
from itertools import islice, pairwise
from statistics import NormalDist, correlation, fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.chance import Chance

DRAWS = 40_000


def words(seed):
    """The 16-bit numbers in the order in which they are drawn, worked out the long way."""
    number = 0
    while True:
        block = blake2b(number.to_bytes(8, "little"), key=seed.to_bytes(8, "little")).digest()
        yield from (block[place] + 256 * block[place + 1] for place in range(62, -1, -2))
        number += 1


@given(st.integers(0, 2**64 - 1))
def test_bells_are_the_quantiles_of_the_hash(seed):
    rng, normal = Chance(seed), NormalDist()
    for word in islice(words(seed), 100):
        wanted = normal.inv_cdf((word // 16 + 0.5) / 4096)
        assert rng.bell() == pytest.approx(max(-3.5, min(3.5, wanted)), abs=1e-6)


@given(st.integers(0, 2**64 - 1))
def test_uniforms_are_three_numbers_of_one_block(seed):
    """Of 32 in a block ten draws take 30: the two that are left are not used."""
    rng = Chance(seed)
    numbers = list(islice(words(seed), 96))
    for block in range(3):
        for place in range(10):
            high, middle, low = numbers[32 * block + 3 * place :][:3]
            assert rng.random() == (high * 2**32 + middle * 2**16 + low) / 2**48


def test_draws_are_those_of_this_release():
    """Of any other, a scenario's seed would give other readings."""
    rng = Chance(2026)
    assert [rng.bell(), rng.bell(), rng.random(), rng.random()] == [
        0.247601, 0.103916, 0.7221288987056234, 0.10407885668550065,
    ]  # fmt: skip


def test_uniforms_are_uniform():
    rng = Chance(1)
    drawn = [rng.random() for _ in range(DRAWS)]
    assert all(0.0 <= one < 1.0 for one in drawn)
    for tenth in range(10):
        share = sum(tenth <= 10 * one < tenth + 1 for one in drawn) / DRAWS
        assert share == pytest.approx(0.1, abs=0.008)
    assert abs(correlation(drawn[:-1], drawn[1:])) < 0.02


def test_bells_are_bell_shaped():
    rng = Chance(2)
    drawn = [rng.bell() for _ in range(DRAWS)]
    assert max(map(abs, drawn)) <= 3.5
    assert fmean(drawn) == pytest.approx(0.0, abs=0.02)
    assert pstdev(drawn) == pytest.approx(1.0, rel=0.01)
    for within, share in ((1.0, 0.6827), (2.0, 0.9545)):
        assert sum(abs(one) <= within for one in drawn) / DRAWS == pytest.approx(share, abs=0.008)
    assert abs(correlation(drawn[:-1], drawn[1:])) < 0.02


def test_seeds_next_to_each_other_have_nothing_in_common():
    rows = [[rng.bell() for _ in range(5000)] for rng in map(Chance, range(20))]
    assert all(abs(correlation(one, other)) < 0.06 for one, other in pairwise(rows))


def test_no_seed_but_of_64_bits():
    for seed in (-1, 2**64):
        with pytest.raises(OverflowError):
            Chance(seed)
