"""The same quotes, replayed and live, give the same fills and the same money for the same orders."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.core.errors import OrderRejected
from autotrader.core.events import QuoteChanged, Series
from autotrader.execution.orders import Guard
from autotrader.venues.protocol import Idle
from support.clock import VirtualClock
from support.feeds import START_MS
from support.live_paper import BTC, ETH, D, Live
from support.tapes import Tape, order

ACCOUNT = {
    "balances": {"USDT": D(1_000)},
    "maker_fee": D("0.0002"),
    "taker_fee": D("0.001"),
    "slippage": D("0.0005"),
    "min_notional": D(5),
}

steps = st.lists(
    st.tuples(st.sampled_from((0, 1, 3, 20)), st.integers(9_500, 10_500), st.integers(1, 30)), min_size=20, max_size=40
)
fractions = st.none() | st.sampled_from((D("0.01"), D("0.03")))
requests = st.fixed_dictionaries(
    {
        "side": st.sampled_from((1, 1, -1)),
        "amount": st.sampled_from(("1", "2.5", "9")),
        "price": st.none() | st.integers(9_600, 10_400).map(lambda cents: str(D(cents) / 100)),
        "symbol": st.sampled_from((BTC, ETH)),
        "guard": st.none() | st.builds(Guard, fractions, fractions, fractions),
        "reduce_only": st.booleans(),
        "post_only": st.booleans(),
    }
)
plans = st.lists(st.tuples(st.integers(len((BTC, ETH)), 40), requests), min_size=3, max_size=12)


def rows(drawn):
    """Return quotes of (ms, bid, bid size, ask, ask size); the first is alone in its millisecond."""
    ms, made = START_MS, []
    for gap, cents, wide in drawn:
        made.append((ms, cents / 100, 1.0, (cents + wide) / 100, 1.0))
        ms += gap or len(made) == 1
    return made


async def place(venue, count, plan):
    """Place what is planned after so many quotes; return what was refused, and why."""
    refused = []
    for number, fields in enumerate(fields for at, fields in plan if at == count):
        name = f"o{count}-{number}"
        guard = fields["guard"] if not fields["reduce_only"] else None
        group = f"{fields['symbol']}-{count % 2}"
        more = {**fields, "guard": guard, "guard_id": f"{name}-x" if guard else "", "group": group}
        try:
            await venue.submit(order(name, more.pop("side"), resolution="quotes", **more))
        except OrderRejected as error:
            refused.append((name, str(error)))
    return refused


async def outcome(venue):
    return await venue.fills(0), await venue.balances(), await venue.positions(), await venue.open_orders()


async def replayed(root, feeds, plan, account):
    one = await Tape(root, {symbol: {"quotes": rows} for symbol, rows in feeds.items()}, **account).open()
    count, refused = 0, []
    while not isinstance(event := await one.next(), Idle):
        if isinstance(event, QuoteChanged):
            count += 1
            refused += await place(one.venue, count, plan)
    told = await outcome(one.venue)
    await one.venue.close()
    return told, refused


def quotes_of(feeds):
    """Return all quotes in the order in which they are told."""
    told = [(one[0], symbol, one[1:]) for symbol, rows in feeds.items() for one in rows]
    made, last, row = [], (0, ""), 0
    for ms, symbol, quote in sorted(told, key=lambda one: one[:2]):
        row = row + 1 if last == (ms, symbol) else 1
        last = (ms, symbol)
        made.append(QuoteChanged(ms, "live", symbol, *quote, row))
    return made


async def lived(root, quotes, plan, account, cuts=()):
    """Live through quotes; at each cut (after so many) the process ends, and so many are told again to the next."""
    clock, cuts = VirtualClock(START_MS), dict(cuts)
    wanted = [Series("live", symbol, "quotes") for symbol in sorted({quote.symbol for quote in quotes})]
    one = await Live(root, clock=clock, **account).open(*wanted, listen=False)
    reader, refused = one.venue.events(), []

    async def hear(quote):
        one.data.say(quote)
        await clock.advance(max(quote.ts_ms - clock.now_ms(), 0) / 1000)
        while await anext(reader) != quote:
            pass

    for count, quote in enumerate(quotes, 1):
        await hear(quote)
        refused += await place(one.venue, count, plan)
        if count in cuts:
            await reader.aclose()
            await one.close()
            one = await Live(root, clock=clock, **account).open(*wanted, listen=False)
            reader = one.venue.events()
            for again in quotes[max(count - cuts[count], 0) : count]:
                await hear(again)
    told = await outcome(one.venue)
    await reader.aclose()
    await one.close()
    return told, refused


def plain(told):
    """Return an outcome without the name of the venue, which is another one."""
    fills, *rest = told
    return [fill._replace(exchange="") for fill in fills], *rest


@given(steps, steps, plans, st.sampled_from((0, 2, 15)), st.sampled_from(("spot", "swap")))
@settings(max_examples=60)
def test_live_quotes_fill_as_replayed_ones(tmp_path_factory, btc, eth, plan, latency_ms, market):
    root = tmp_path_factory.mktemp("quotes")
    feeds = {BTC: rows(btc), ETH: rows(eth)}
    account = {**ACCOUNT, "latency_ms": latency_ms, "market": market, "leverage": 2 if market == "swap" else 1}
    replay, refused = asyncio.run(replayed(root, feeds, plan, account))
    live, live_refused = asyncio.run(lived(root, quotes_of(feeds), plan, account))
    assert plain(live) == plain(replay)
    assert live_refused == refused


cuts = st.dictionaries(st.integers(2, 38), st.integers(0, 3), min_size=1, max_size=4)


@given(steps, plans, cuts, st.sampled_from((0, 2, 15)))
@settings(max_examples=30)
def test_restarts_change_nothing_though_quotes_are_told_again(tmp_path_factory, btc, plan, cuts, latency_ms):
    root, other = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    quotes = quotes_of({BTC: [(one[0] + number, *one[1:]) for number, one in enumerate(rows(btc))]})
    plan = [(count, fields | {"symbol": BTC}) for count, fields in plan]
    account = {**ACCOUNT, "latency_ms": latency_ms}
    whole = asyncio.run(lived(root, quotes, plan, account))
    assert asyncio.run(lived(other, quotes, plan, account, cuts)) == whole
