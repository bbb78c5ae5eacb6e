"""The real daemon on what lies outside the bars: metrics, funding and other exchanges, seen when they are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotrader.core.clock import DAY_MS
from autotrader.core.events import Series
from support.columns import batch
from support.folders import write
from support.harness import Harness
from support.metrics import HOUR_MS, T0, candles, metric, settled

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
PRICES = 100 + np.sin(np.arange(24 * 9))
EXCHANGE = (
    "kind: simulated\nmarket: {market}\nreplay: {{data: data, exchange: {name}, speed: {speed}, from: {start}}}\n"
)


@pytest.fixture
async def trading(tmp_path: Path):
    """Start a daemon on hourly candles of a spot market, a swap, and whatever the test wrote under data/."""
    made: list[Harness] = []
    data = tmp_path / "data"
    candles(data, "spot", PRICES)
    candles(data, "spot", PRICES[::-1], symbol="ETH-USDT")
    candles(data, "perp", PRICES + np.arange(len(PRICES)) / 8)

    async def start(speed: str = "1x", begin: str = "2024-01-02", perp: str = "2024-01-02", **rules: str) -> Harness:
        lines = {"kind": "rules", "exchange": "spot", "symbols": "[BTC/USDT]", "timeframe": "1h", "capital": "10%"}
        lines |= {"on_remove": "close", **({} if "exposure" in rules else {"exit_long": "close < 0"})} | rules
        files = {
            "autotrader.yaml": "dashboard: {port: 0}\n",
            "exchanges.d/spot.yaml": EXCHANGE.format(market="spot", name="spot", speed="1x", start=begin),
            "exchanges.d/perp.yaml": EXCHANGE.format(market="swap", name="perp", speed=speed, start=perp),
            "strategies.d/a.yaml": "".join(f"{key}: {text}\n" for key, text in lines.items()),
        }
        one = Harness(write(tmp_path, files))
        made.append(one)
        await one.start()
        return one

    yield start
    for one in made:
        assert one.daemon.failure is None
        await one.stop()


def part(one: Harness) -> Any:
    return one.daemon.loop.strategies["a"].parts[0]


def exposure(one: Harness) -> float:
    return part(one).live[0].values()[part(one).program.columns.index("exposure")]


def entered_ms(one: Harness) -> list[int]:
    return [row[0] for row in one.daemon.journal._db.execute("SELECT ts_ms FROM decisions WHERE kind = 'enter'")]


async def hours(one: Harness, count: int) -> None:
    """Let hours pass; a turn that reads a file in a thread is waited for."""
    for _ in range(count):
        await one.bars(1, seconds=3600)
        async with one.daemon.loop.turn:
            pass
        await one.clock.settle()


async def whole(one: Harness, until_ms: int) -> list[float]:
    """Return the newest row of the columns, computed from all the bars that had closed by a moment."""
    program, venues = part(one).program, one.daemon.loop.desk.venues
    arrays = {}
    for key in program.series:
        name = key.source or "spot"
        bars = await venues[name].bars(
            Series(name, key.symbol or "BTC/USDT", key.timeframe), end_ms=until_ms, limit=5_000
        )
        arrays[key] = np.array([list(bar) for bar in bars])
    return list(batch(program, arrays)[-1])


async def test_a_strategy_enters_at_the_close_at_which_the_day_of_the_metric_is_over(trading, tmp_path) -> None:
    metric(tmp_path / "data", "sentiment/fear_greed", DAYS, value=[60, 60, 20, 60])
    one = await trading(enter_long='sentiment("fear_greed") < 25')
    await hours(one, 24 * 3)
    assert entered_ms(one) == [T0 + 3 * DAY_MS]


async def test_a_row_that_is_written_while_the_daemon_runs_is_seen_at_the_next_close(trading, tmp_path) -> None:
    metric(tmp_path / "data", "onchain/btc", DAYS[:1], fees=[1.0])
    one = await trading(enter_long='onchain("btc", "fees") > 5')
    await hours(one, 28)
    assert entered_ms(one) == []
    metric(tmp_path / "data", "onchain/btc", DAYS[:3], fees=[1.0, 9.0, 9.0])
    await hours(one, 2)
    assert entered_ms(one) == [part(one).ts_ms] == [T0 + 2 * DAY_MS + 5 * HOUR_MS]


async def test_a_metric_that_breaks_while_the_daemon_runs_keeps_what_was_read(trading, tmp_path) -> None:
    path = metric(tmp_path / "data", "onchain/btc", DAYS[:2], fees=[1.0, 2.0])
    one = await trading(exposure='onchain("btc", "fees")')
    path.write_bytes(b"broken")
    await hours(one, 24)
    assert exposure(one) == 2.0


async def test_a_strategy_whose_metric_is_missing_does_not_start_and_says_which(trading, tmp_path) -> None:
    one = await trading(enter_long='onchain("btc", "fees") > 5')
    assert "onchain/btc.parquet" in one.daemon.loop.failed["a"]
    metric(tmp_path / "data", "onchain/btc", DAYS[:2], fees=[1.0, 2.0])
    outcome = await one.daemon.reloader.reload("test", "again")
    assert outcome.status in {"applied", "unchanged"}


async def test_another_exchange_is_read_as_of_the_own_close(trading) -> None:
    gap = "'basis(close, close(exchange=\"perp\"))'"
    one = await trading(enter_long="zscore(gap, 5) > 0", let="{gap: " + gap + "}")
    for _ in range(30):
        await hours(one, 1)
        now_ms = one.daemon.loop.accounts["spot"].market_ms
        live = list(part(one).live[0].values())
        assert live == await whole(one, now_ms)
    assert entered_ms(one)


@pytest.mark.parametrize(("speed", "perp"), [("60x", "2024-01-02"), ("1x", "2024-01-04")])
async def test_an_exchange_whose_clock_is_ahead_shows_nothing_of_the_future(trading, speed, perp) -> None:
    one = await trading(speed, perp=perp, exposure='close(exchange="perp")')
    await hours(one, 20)
    now_ms, there_ms = (one.daemon.loop.accounts[name].market_ms for name in ("spot", "perp"))
    assert there_ms > now_ms + 12 * HOUR_MS
    assert exposure(one) == (PRICES + np.arange(len(PRICES)) / 8)[(now_ms - T0) // HOUR_MS - 1]


async def test_an_exchange_whose_clock_is_behind_shows_its_last_bar(trading) -> None:
    one = await trading("1x", begin="2024-01-04", perp="2024-01-02", exposure='close(exchange="perp")')
    await hours(one, 20)
    there_ms = one.daemon.loop.accounts["perp"].market_ms
    assert exposure(one) == (PRICES + np.arange(len(PRICES)) / 8)[(there_ms - T0) // HOUR_MS - 1]


async def test_another_symbol_of_the_same_close_is_seen_by_what_is_made_of_it(trading) -> None:
    """ETH is told after BTC; what compares the two must see both."""
    one = await trading(exposure='sma(close / close(symbol="ETH/USDT"), 3)')
    for _ in range(10):
        await hours(one, 1)
        assert list(part(one).live[0].values()) == await whole(one, one.daemon.loop.accounts["spot"].market_ms)


async def test_a_rate_is_seen_from_its_settlement_on(trading, tmp_path) -> None:
    settled(tmp_path / "data", "perp", np.arange(27) / 1e4)
    one = await trading(exposure="if(rate > 0.00055, rate, -rate)", let="{rate: 'funding(exchange=\"perp\")'}")
    for _ in range(40):
        await hours(one, 1)
        now_ms = one.daemon.loop.accounts["spot"].market_ms
        assert abs(exposure(one)) == ((now_ms - T0) // (8 * HOUR_MS)) / 1e4
    assert entered_ms(one)[:1] == [T0 + 6 * 8 * HOUR_MS]


async def test_a_restart_sees_what_it_saw(trading, tmp_path) -> None:
    metric(tmp_path / "data", "sentiment/fear_greed", DAYS, value=[60, 50, 20, 60])
    lets = {"mood": 'sma(sentiment("fear_greed"), 2)', "gap": 'zscore(close(exchange="perp") - close, 9)'}
    one = await trading(enter_long="mood < gap - 1000", let=json.dumps(lets))
    await hours(one, 40)
    before = list(part(one).live[0].values())
    await one.stop()
    await one.start()
    assert list(part(one).live[0].values()) == before


async def test_funding_of_a_spot_market_is_refused_when_it_is_reached(trading) -> None:
    one = await trading(enter_long='funding(exchange="perp") > 0')
    leg, key = part(one).declared[0], part(one).asked[0]._replace(source="")
    with pytest.raises(Exception, match="funding is paid on swaps, and 'spot' is a spot market"):
        await one.daemon.loop.outside.check(leg, key)
    with pytest.raises(Exception, match="exchange 'nowhere' does not exist"):
        await one.daemon.loop.outside.check(leg, key._replace(source="nowhere"))
