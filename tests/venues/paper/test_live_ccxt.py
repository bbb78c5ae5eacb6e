"""A paper account on the emulated exchange's market, read through the real client without any credentials."""

from __future__ import annotations

from random import Random

import pytest

from autotrader.core.events import QuoteChanged, Series
from autotrader.execution.orders import Guard
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.make import make_exchange
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings
from autotrader.venues.live.market import LiveMarket
from autotrader.venues.paper.live import LivePaperVenue
from autotrader.venues.paper.state import LivePaperSettings
from autotrader.venues.protocol import FillHappened
from support.exchange import SERIES, FollowingClock, stage, write_history
from support.live_paper import BTC, D
from support.tapes import order


def paper(it, folder):
    """Return the account as a declaration makes it: one client, which market data is read through."""
    clock = FollowingClock(it.clock)
    settings = CcxtSettings(name="live", id="binance", url=f"http://127.0.0.1:{it.port}")
    client = CcxtClient(settings, clock, make_exchange, Random(1))

    def lent():
        return Connection(client.exchange, {symbol: client.instrument(symbol).tick for symbol in SERIES})

    data = LiveMarket(lent, LiveSettings("live"), ExchangeClock(clock, client.now_ms))
    declared = LivePaperSettings(name="live", market="spot", exchange="binance", balances={"USDT": D(100_000)})
    return LivePaperVenue(declared, folder / "paper-live.db", clock, client, data, data.heard_ms)


async def until_filled(reader):
    """Return the next fill and the quote that it met, which is told after it."""
    fill = None
    async for event in reader:
        if isinstance(event, FillHappened):
            fill = event.fill
        elif fill is not None and isinstance(event, QuoteChanged):
            return fill, event
    raise AssertionError("the events ended")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return write_history(tmp_path_factory.mktemp("history"), SERIES)


async def test_an_order_fills_at_the_exchange_s_ask_and_its_position_outlives_a_restart(recorded, tmp_path):
    quotes = [Series("live", BTC, "quotes")]

    async with stage(recorded) as it:

        def until(coming):
            return it.until(coming, seconds=0.1)  # slowly: what is bounded in the exchange's time takes real time here

        venue = paper(it, tmp_path)
        await until(venue.open())
        await venue.subscribe(quotes)
        entry = order("e", amount="0.5", resolution="1m", guard=Guard(stop_loss=D("0.5")), guard_id="x")
        assert (await until(venue.submit(entry))).status == "open"
        bought, met = await until(until_filled(venue.events()))
        assert (bought.amount, float(bought.price)) == (D("0.5"), met.ask)
        await venue.close()
        it.step(600)

        venue = paper(it, tmp_path)
        await until(venue.open())
        assert await venue.fills(0) == [bought]
        assert (await venue.balances())["BTC"].total == D("0.5")
        assert [one.client_id for one in await venue.open_orders()] == ["x"]
        await venue.subscribe(quotes)
        await until(venue.submit(order("out", -1, amount="0.5", reduce_only=True)))
        sold, met = await until(until_filled(venue.events()))
        assert (sold.client_id, float(sold.price)) == ("out", met.bid)
        assert "BTC" not in await venue.balances()
        await venue.close()
