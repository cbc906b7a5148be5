"""Keys by the hundred thousand are version 7 UUIDs, as PostgreSQL makes them."""

import os
import time
from uuid import RFC_4122, UUID

import pytest

from carlib.loading.staging import UUID7Generator


def keys(array):
    return [UUID(digits) for digits in array.to_pylist()]


def milliseconds(key):
    return key.int >> 80


def step(key):
    """The time in steps of 1/4096 ms: 48 bits of milliseconds, and the 12 bits of rand_a."""
    return milliseconds(key) << 12 | key.int >> 64 & 0xFFF


def test_layout():
    before = time.time_ns() // 1_000_000
    made = keys(UUID7Generator().batch(10_000))
    after = time.time_ns() // 1_000_000
    assert {key.version for key in made} == {7}
    assert {key.variant for key in made} == {RFC_4122}
    assert before <= milliseconds(made[0]) <= after
    assert [step(key) - step(made[0]) for key in made] == list(range(10_000))


def test_keys_ascend_and_differ_over_many_takes():
    maker = UUID7Generator()
    made = [key for count in (1, 5000, 0, 3, 5000, 1) for key in keys(maker.batch(count))]
    assert made == sorted(set(made))
    assert len(made) == 10_005


def test_keys_ascend_when_the_clock_is_set_back(monkeypatch):
    maker = UUID7Generator()
    first = keys(maker.batch(3))
    monkeypatch.setattr(time, "time_ns", lambda: 1_600_000_000_000_000_000)
    assert first[-1] < keys(maker.batch(1))[0]


def test_a_hundred_thousand_keys_keep_within_a_second_of_the_clock(monkeypatch):
    clock = 1_700_000_000_000_000_000  # stands still, so that only the keys' own steps count
    monkeypatch.setattr(time, "time_ns", lambda: clock)
    maker = UUID7Generator()
    for _ in range(3):
        last = keys(maker.batch(100_000))[-1]
    assert 0 <= milliseconds(last) / 1000 - clock / 10**9 < 1


@pytest.mark.parametrize(("byte", "tail"), [(b"\0", "8" + 15 * "0"), (b"\xff", "b" + 15 * "f")])
def test_all_62_bits_after_the_variant_are_random(monkeypatch, byte, tail):
    monkeypatch.setattr(os, "urandom", lambda count: byte * count)
    assert UUID7Generator().batch(1).to_pylist()[0][16:] == tail
