"""A recorded market from end to end: entries, exits and restarts leave the books exact."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from autotrader.core.clock import ManualClock
from autotrader.core.events import BarClosed, Series
from autotrader.execution.orders import Guard, OrderRequest
from autotrader.market.generate import Generated
from autotrader.market.history import History
from autotrader.venues.paper.state import PaperSettings
from autotrader.venues.paper.venue import PaperVenue

D = Decimal
DATA = Path(os.environ.get("AUTOTRADER_DATA") or Path(__file__).parents[3] / ".." / "shared" / "data")
SYMBOLS = ("BTC/USDT", "ETH/USDT")


def source():
    if all((DATA / "candles" / "binance" / s.replace("/", "-") / "5m.parquet").is_file() for s in SYMBOLS):
        return History(DATA, "binance")
    return Generated(7, SYMBOLS)


def entry(bar):
    name = f"{bar.symbol}-{bar.ts_ms}"
    return OrderRequest(
        client_id=name,
        symbol=bar.symbol,
        side=1,
        type="market",
        amount=D("0.02"),
        price=None,
        reduce_only=False,
        group=name,
        decided_ms=bar.ts_ms,
        resolution="5m",
        guard=Guard(D("0.004"), D("0.006"), D("0.003")),
        guard_id=f"{name}-x",
    )


async def trade(path, bars, lives):
    """Enter both symbols every sixth bar, over so many lives of the process; return balances and fills."""
    market = source()
    per_life = bars // lives
    for life in range(lives):
        declared = PaperSettings(
            name="paper",
            market="spot",
            source=market,
            balances={"USDT": D(100_000)},
            speed=float("inf"),
            maker_fee=D("0.001"),
            taker_fee=D("0.001"),
            slippage=D("0.0002"),
        )
        venue = PaperVenue(declared, path, ManualClock())
        await venue.open()
        await venue.subscribe([Series("paper", symbol, "5m") for symbol in SYMBOLS])
        reader = venue.events()
        count = 0
        # the last bar of a life is told but never asked past, so the next life begins with it
        while count < per_life + (0 if life == 0 else len(SYMBOLS)):
            event = await anext(reader)
            if isinstance(event, BarClosed):
                count += 1
                if event.ts_ms % 1_800_000 == 0 and await venue.order(f"{event.symbol}-{event.ts_ms}") is None:
                    await venue.submit(entry(event))
        if life < lives - 1:
            await reader.aclose()
    result = await venue.balances(), await venue.fills(0)
    await reader.aclose()
    await venue.close()
    return result


async def test_the_sum_of_fills_is_the_balance(tmp_path):
    balances, fills = await trade(tmp_path / "a.db", 1200, 1)
    assert len(fills) > 100
    money = D(100_000) - sum(fill.side * fill.cost + fill.fee for fill in fills)
    assert balances["USDT"].total == money
    for symbol in SYMBOLS:
        held = sum(fill.side * fill.amount for fill in fills if fill.symbol == symbol)
        assert (balances[symbol.split("/")[0]].total if held else D(0)) == held


async def test_restarts_change_nothing(tmp_path):
    assert await trade(tmp_path / "once.db", 1200, 1) == await trade(tmp_path / "often.db", 1200, 10)
