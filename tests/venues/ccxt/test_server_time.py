from __future__ import annotations

import pytest

from autotrader.venues.ccxt.server_time import AGAIN_S, ServerTime

SERVER_MS = 1_700_000_000_000


class TwoClocks:
    """A machine whose time can be set, and which can sleep."""

    def __init__(self) -> None:
        self.wall_ms, self.mono_s = SERVER_MS + 250, 50.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.mono_s

    async def sleep(self, seconds: float) -> None:
        self.passes(seconds)

    def passes(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.mono_s += seconds


@pytest.fixture
def clock():
    return TwoClocks()


@pytest.fixture
def time(clock):
    made = ServerTime(clock, every_s=900.0)
    made.told(SERVER_MS, asked_s=clock.mono_s)
    return made


def test_before_the_exchange_said_anything_its_time_is_the_machines(clock):
    time = ServerTime(clock, every_s=900.0)
    assert time.now_ms() == clock.wall_ms
    assert time.doubted
    assert not time.due()


def test_what_an_exchange_says_was_so_half_of_the_way_there_and_back_ago(clock):
    time = ServerTime(clock, every_s=900.0)
    clock.passes(0.3)
    time.told(SERVER_MS, asked_s=clock.mono_s - 0.2)
    assert time.now_ms() == SERVER_MS + 100
    assert time.ahead_ms() == 450
    assert not time.due()


def test_setting_the_machines_time_moves_nothing_and_the_exchange_is_asked(clock, time):
    clock.passes(10)
    clock.wall_ms -= 3_600_000
    assert time.now_ms() == SERVER_MS + 10_000
    assert time.ahead_ms() == 250 - 3_600_000
    assert time.due()


def test_a_machine_that_slept_asks_the_exchange(clock, time):
    clock.wall_ms += 1_001  # its monotonic clock stood still meanwhile
    assert time.due()
    time.told(SERVER_MS + 1_001, asked_s=clock.mono_s)
    assert time.now_ms() == SERVER_MS + 1_001
    assert not time.due()


def test_a_correction_by_a_second_is_not_a_jump(clock, time):
    clock.wall_ms -= 1_000
    assert not time.due()


def test_a_measure_is_good_for_a_while(clock, time):
    clock.passes(899)
    assert not time.due()
    clock.passes(1)
    assert time.due()


def test_after_a_measure_that_failed_there_is_a_pause(clock, time):
    clock.passes(900)
    time.failed()
    assert not time.due()
    clock.passes(AGAIN_S)
    assert time.due()


def test_a_doubt_is_over_with_the_next_measure(clock, time):
    assert not time.doubted
    time.doubt()
    assert time.doubted
    time.told(SERVER_MS, asked_s=clock.mono_s)
    assert not time.doubted
