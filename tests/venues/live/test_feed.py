"""The seam to an exchange's client: a ccxt.pro exchange fits it, and a request has a bound."""

import asyncio
import inspect

import pytest

from autotrader.core.errors import VenueUnavailable
from autotrader.venues.live.feed import Feed, LiveSettings, ask
from support.clock import VirtualClock

CALLS = {
    "watch_ohlcv": ("A/B", "1m"),
    "watch_trades": ("A/B",),
    "watch_bids_asks": (["A/B"],),
    "watch_order_book": ("A/B", 20),
    "un_watch_ohlcv": ("A/B", "1m"),
    "un_watch_trades": ("A/B",),
    "un_watch_bids_asks": (["A/B"],),
    "un_watch_order_book": ("A/B",),
    "fetch_ohlcv": ("A/B", "1m", 0, 1_000),
    "fetch_trades": ("A/B", 0, 1_000, {}),
    "fetch_funding_rate_history": ("A/B", 0, 100, {}),
    "fetch_order_book": ("A/B", 20),
}


@pytest.mark.parametrize("exchange", ["binance", "kraken", "okx", "bybit", "coinbase"])
def test_a_ccxt_exchange_takes_the_calls_that_are_made(exchange):
    import ccxt.pro

    client = getattr(ccxt.pro, exchange)
    for name, arguments in CALLS.items():
        method = getattr(client, name)
        assert inspect.iscoroutinefunction(method)
        inspect.signature(method).bind(client, *arguments)


def test_the_calls_are_all_there_are():
    assert {name for name in vars(Feed) if name.startswith(("watch", "un_watch", "fetch"))} == set(CALLS)


async def test_a_request_without_an_answer_is_given_up_after_its_bound():
    clock, ended = VirtualClock(), []

    async def never():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(clock.now_ms())

    begin_ms = clock.now_ms()
    asked = asyncio.ensure_future(ask(clock, LiveSettings("live", request_s=2.0), never(), "live A/B: candles"))
    await clock.advance(1.9)
    assert not asked.done()
    await clock.advance(0.2)
    with pytest.raises(VenueUnavailable, match="live A/B: candles: no answer within 2 s"):
        await asked
    assert ended == [begin_ms + 2_000]


async def test_what_a_client_raises_becomes_an_error_of_ours():
    async def fails():
        raise OSError("connection refused")

    with pytest.raises(VenueUnavailable, match="the book: OSError: connection refused"):
        await ask(VirtualClock(), LiveSettings("live"), fails(), "the book")
