"""What bars do to orders on the paper venue: tables of bars, an order, the fills that are expected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autotrader.execution.orders import Guard

D = Decimal
SLIP = {"slippage": D("0.001")}


async def play(table, rows, *requests, after=1, bars=10_000, **settings):
    """Submit on the bar number `after` and read on to the end; return the trader."""
    trader = await table.make(rows, **settings)
    for _ in range(after):
        await trader.bar()
    for one in requests:
        await trader.venue.submit(one)
    await trader.run(bars)
    return trader


def guarded(market, client_id="e", stop=None, take=None, trail=None, **more):
    percent = [None if value is None else D(value) / 100 for value in (stop, take, trail)]
    return market.request(client_id, guard=Guard(*percent), guard_id=f"{client_id}-x", **more)


async def test_a_market_order_fills_at_the_open_that_follows_its_decision(market):
    rows = [(0, 100, 101, 99, 100), (1, 102, 103, 101, 102), (2, 104, 105, 103, 104)]
    trader = await play(market, rows, market.request("e"))
    assert await trader.fills() == [("e", 1, "102.00", "1", "")]


async def test_a_market_order_pays_slippage_to_the_nearest_tick(market):
    trader = await play(market, market.flat(3), market.request("e"), **SLIP)
    assert (await trader.fills())[0][2] == "100.10"


async def test_a_market_order_waits_over_missing_bars(market):
    rows = [(0, 100, 100, 100, 100), (7, 110, 110, 110, 110), (8, 111, 111, 111, 111)]
    trader = await play(market, rows, market.request("e"))
    assert await trader.fills() == [("e", 7, "110.00", "1", "")]


async def test_an_order_of_longer_bars_fills_at_their_open(market):
    rows = [(minute, 100 + minute, 100 + minute, 100 + minute, 100 + minute) for minute in range(20)]
    trader = await play(market, rows, market.request("e", resolution="5m"), after=7)
    assert await trader.fills() == [("e", 10, "110.00", "1", "")]


async def test_an_order_that_comes_inside_a_bar_waits_for_the_next_open(market):
    rows = [(0, 100, 100, 100, 100), (1, 101, 101, 101, 101), (2, 102, 102, 102, 102), (3, 103, 103, 103, 103)]
    trader = await market.make(rows)
    await trader.bar()
    await trader.venue.submit(market.request("e"))
    assert isinstance(await trader.event(), market.fill)  # minute 1 has opened now
    await trader.venue.submit(market.request("mid", group="h"))
    await trader.run()
    assert await trader.fills() == [("e", 1, "101.00", "1", ""), ("mid", 2, "102.00", "1", "")]


async def test_a_latency_longer_than_a_bar_moves_an_order_on(market):
    rows = [(minute, 100 + minute, 100 + minute, 100 + minute, 100 + minute) for minute in range(6)]
    trader = await play(market, rows, market.request("e"), latency_ms=90_000)
    assert (await trader.fills())[0][1] == 3


async def test_a_latency_within_a_bar_changes_nothing(market):
    trader = await play(market, market.flat(4), market.request("e"), latency_ms=50)
    assert (await trader.fills())[0][1] == 1


LIMITS = [
    ("a buy takes a better open", 1, "100", [(1, 99, 101, 98, 100)], [("e", 1, "99.00", False)]),
    ("a buy is made when the price trades through", 1, "100", [(1, 101, 102, 99, 100)], [("e", 2, "100.00", True)]),
    ("a buy that is only touched waits", 1, "100", [(1, 101, 102, 100, 101)], []),
    ("a sale takes a better open", -1, "100", [(1, 101, 102, 98, 100)], [("e", 1, "101.00", False)]),
    ("a sale is made when the price trades through", -1, "100", [(1, 99, 101, 98, 99)], [("e", 2, "100.00", True)]),
    ("a sale that is only touched waits", -1, "100", [(1, 99, 100, 98, 99)], []),
    ("a resting buy takes a gap", 1, "95", [(1, 99, 99, 99, 99), (2, 90, 91, 89, 90)], [("e", 2, "90.00", False)]),
]


@pytest.mark.parametrize(
    ("side", "price", "rows", "expected"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS]
)
async def test_limit_orders_fill_as_the_table_says(market, side, price, rows, expected):
    rows = [(0, 100, 100, 100, 100), *rows, (3, 100, 100, 100, 100)]
    balances = {"USDT": D(10000), "BTC": D(5)}
    trader = await play(market, rows, market.request("e", side, price=price), bars=len(rows) - 2, balances=balances)
    got = [
        (f.client_id, (f.ts_ms - market.T0) // market.MINUTE, str(f.price), f.maker)
        for f in await trader.venue.fills(0)
    ]
    assert got == expected


async def test_makers_and_takers_pay_their_own_fee(market):
    rows = [(0, 100, 100, 100, 100), (1, 100, 101, 98, 100), (2, 100, 100, 100, 100)]
    fees = {"maker_fee": D("0.001"), "taker_fee": D("0.002")}
    trader = await play(market, rows, market.request("m", price="99"), market.request("t", group="h"), **fees)
    assert {fill.client_id: fill.fee for fill in await trader.venue.fills(0)} == {"m": D("0.099"), "t": D("0.2")}


GUARDS = [
    # entry at minute 1, open 100, then bars; stop, take, trail in percent; expected exit: minute, price, reason
    ("the entry bar guards already", (2, None, None), [(1, 100, 101, 97, 99)], (2, "98.00", "stop_loss")),
    ("a stop triggers at touch", (2, None, None), [(1, 100, 100, 98, 99)], (2, "98.00", "stop_loss")),
    (
        "a gapped stop fills at the open",
        (2, None, None),
        [(1, 100, 100, 99, 99), (2, 95, 96, 94, 95)],
        (2, "95.00", "stop_loss"),
    ),
    ("a take-profit triggers at touch", (None, 3, None), [(1, 100, 103, 99, 99)], (2, "103.00", "take_profit")),
    (
        "a gapped take-profit fills at the open",
        (None, 3, None),
        [(1, 100, 100, 99, 99), (2, 105, 106, 104, 105)],
        (2, "105.00", "take_profit"),
    ),
    ("the stop comes before the take-profit", (2, 3, None), [(1, 100, 110, 90, 99)], (2, "98.00", "stop_loss")),
    (
        "a trailing stop ignores its bar's own high",
        (None, None, 5),
        [(1, 100, 120, 96, 118), (2, 118, 119, 114, 115)],
        (3, "114.00", "trailing_stop"),
    ),
    (
        "levels are measured from the fill and rounded only when filled",
        (1.5, None, None),
        [(1, 100, 100, 98.5, 99)],
        (2, "98.50", "stop_loss"),
    ),
]


@pytest.mark.parametrize(("guard", "rows", "expected"), [row[1:] for row in GUARDS], ids=[row[0] for row in GUARDS])
async def test_exits_guard_a_long_as_the_table_says(market, guard, rows, expected):
    rows = [(0, 100, 100, 100, 100), *rows, (4, 100, 100, 100, 100), (5, 100, 100, 100, 100)]
    trader = await play(market, rows, guarded(market, "e", *guard))
    minute, price, reason = expected
    assert (await trader.fills())[1:] == [("e-x", minute, price, "1", reason)]


@pytest.mark.parametrize(("guard", "rows", "expected"), [row[1:] for row in GUARDS], ids=[row[0] for row in GUARDS])
async def test_exits_guard_a_short_as_the_mirrored_table_says(market, guard, rows, expected):
    def mirrored(price):
        return round(200 - price, 2)

    rows = [(m, mirrored(o), mirrored(low), mirrored(high), mirrored(c)) for m, o, high, low, c in rows]
    if guard[2]:  # a trailing stop is a share of the best price, so its mirror is not symmetric
        rows, expected = [(1, 100, 104, 80, 82), (2, 82, 84, 81, 83)], (3, "84.00", "trailing_stop")
    else:
        expected = (expected[0], f"{mirrored(float(expected[1])):.2f}", expected[2])
    rows = [(0, 100, 100, 100, 100), *rows, (4, 100, 100, 100, 100), (5, 100, 100, 100, 100)]
    trader = await play(market, rows, guarded(market, "e", *guard, side=-1), market="swap")
    minute, price, reason = expected
    assert (await trader.fills())[1:] == [("e-x", minute, price, "1", reason)]


async def test_stops_pay_slippage_and_take_profits_do_not(market):
    rows = [(0, 100, 100, 100, 100), (1, 100, 100, 97, 100), (2, 100, 104, 99, 100), (3, 100, 100, 100, 100)]
    requests = guarded(market, "s", stop=2, group="s"), guarded(market, "t", take=2, group="t")
    trader = await play(market, rows, *requests, **SLIP)
    exits = {row[0]: row[2] for row in await trader.fills() if row[4]}
    assert exits == {"s-x": "98.00", "t-x": "102.10"}  # stop 98.098 slips 0.098; take 102.102


async def test_a_limit_entry_is_guarded_by_what_surely_follows_it(market):
    # the high of 120 may have come before the fill: no profit is taken from it; the low of 80 came after it
    rows = [(0, 100, 100, 100, 100), (1, 100, 120, 89, 95), (2, 95, 95, 95, 95)]
    trader = await play(market, rows, guarded(market, "e", take=5, price="90"))
    assert [row[0] for row in await trader.fills()] == ["e", "e-x"]
    assert (await trader.fills())[1][1:3] == (2, "94.50")
    rows = [(0, 100, 100, 100, 100), (1, 100, 120, 80, 90), (2, 95, 95, 95, 95)]
    trader = await play(market, rows, guarded(market, "e", stop=5, take=5, price="90"), name="b")
    assert (await trader.fills())[1][2:] == ("85.50", "1", "stop_loss")


async def test_shorter_bars_decide_what_happened_inside_longer_ones(market):
    # inside five minutes both levels are passed, the take-profit first
    rows = [(m, 100, 100, 100, 100) for m in range(5)]
    rows += [(5, 100, 104, 100, 103), (6, 103, 103, 95, 96), *[(m, 96, 96, 96, 96) for m in range(7, 12)]]
    fine = await play(market, rows, guarded(market, "e", 2, 3, resolution="1m"), series=("5m",))
    assert [row[4] for row in await fine.fills()] == ["", "take_profit"]
    coarse = await play(market, rows, guarded(market, "e", 2, 3, resolution="5m"), series=("5m",), name="b")
    assert [row[4] for row in await coarse.fills()] == ["", "stop_loss"]


async def test_an_exit_ends_its_guard_and_what_would_reduce_the_position(market):
    trader = await market.make(market.flat(8))
    await trader.bar()
    await trader.venue.submit(guarded(market, "e", stop=2))
    await trader.bar()
    await trader.venue.submit(market.request("take", -1, price="120", reduce_only=True))
    await trader.venue.submit(market.request("out", -1, reduce_only=True))
    await trader.run()
    orders = {name: await trader.venue.order(name) for name in ("e-x", "take", "out")}
    assert {name: (order.status, order.reason) for name, order in orders.items()} == {
        "e-x": ("canceled", "position closed"),
        "take": ("expired", "position closed"),
        "out": ("filled", ""),
    }


async def test_a_reducing_order_is_capped_at_what_is_open(market):
    trader = await market.make(market.flat(8))
    await trader.bar()
    await trader.venue.submit(market.request("e"))
    await trader.bar()
    await trader.venue.submit(market.request("out", -1, amount="3", reduce_only=True))
    await trader.run()
    assert (await trader.fills())[1] == ("out", 2, "100.00", "1", "")
    assert (await trader.venue.order("out")).status == "expired"


async def test_a_guard_follows_the_average_entry_and_shrinks_with_its_position(market):
    rows = [(0, 100, 100, 100, 100), (1, 100, 100, 100, 100), (2, 110, 110, 110, 110), (3, 110, 110, 103, 103)]
    rows += [(4, 103, 103, 99.75, 100), (5, 100, 100, 100, 100)]
    trader = await market.make(rows)
    await trader.bar()
    await trader.venue.submit(guarded(market, "e", stop=5))
    await trader.bar()
    await trader.venue.submit(guarded(market, "f", stop=5)._replace(guard_id="e-x"))
    await trader.bar()
    await trader.venue.submit(market.request("out", -1, amount="0.5", reduce_only=True))
    await trader.bar()
    [guard] = await trader.venue.open_orders()
    assert (guard.type, guard.client_id, guard.amount) == ("guard", "e-x", D("1.5"))
    await trader.run()
    assert (await trader.fills())[-1] == ("e-x", 5, "99.75", "1.5", "stop_loss")  # 105 less 5 %


async def test_exits_can_be_replaced_lifted_and_armed_later(market):
    rows = [*market.flat(4), (4, 100, 100, 96, 96), *[(m, 96, 96, 96, 96) for m in range(5, 9)]]
    trader = await market.make(rows)
    await trader.bar()
    await trader.venue.submit(market.request("e", guard_id="e-x"))
    await trader.bar()
    await trader.venue.guard("g", Guard(stop_loss=D("0.03")))
    assert [order.client_id for order in await trader.venue.open_orders()] == ["e-x"]
    await trader.venue.guard("g", None)
    assert await trader.venue.open_orders() == []
    await trader.venue.guard("g", Guard(stop_loss=D("0.04")))
    await trader.run()
    assert (await trader.fills())[1] == ("e-x", 5, "96.00", "1", "stop_loss")


async def test_what_money_buys_is_filled_and_the_rest_expires(market):
    rows = [(0, 100, 100, 100, 100), (1, 125, 125, 125, 125), (2, 125, 125, 125, 125)]
    trader = await play(market, rows, market.request("e", amount="100"))
    assert await trader.fills() == [("e", 1, "125.00", "80", "")]
    order = await trader.venue.order("e")
    assert (order.status, order.reason, order.average) == ("expired", "insufficient balance", D(125))
    assert await trader.venue.balances() == {"BTC": (D(80), D(80))}


async def test_the_money_that_is_there_goes_by_submission(market):
    first, second = market.request("b", amount="70", group="1"), market.request("a", amount="30", group="2")
    rows = [(0, 100, 100, 100, 100), (1, 125, 125, 125, 125), (2, 125, 125, 125, 125)]
    trader = await play(market, rows, first, second)
    assert [(row[0], row[3]) for row in await trader.fills()] == [("b", "56"), ("a", "24")]


async def test_funding_moves_money_at_its_settlement(market):
    trader = await market.make(market.flat(8), market="swap", funding=[(3, 0.001), (5, -0.002)])
    await trader.bar()
    await trader.venue.submit(market.request("e", -1, amount="2"))
    seen = [event for event in await trader.run() if isinstance(event, market.paid)]
    assert seen == [
        (market.T0 + 3 * market.MINUTE, "BTC/USDT", D("0.2")),
        (market.T0 + 5 * market.MINUTE, "BTC/USDT", D("-0.4")),
    ]
    assert (await trader.venue.balances())["USDT"].total == D("9999.8")


async def test_a_short_that_loses_its_margin_is_liquidated(market):
    rows = [*market.flat(2), (2, 150, 210, 150, 190), (3, 190, 190, 190, 190)]
    trader = await play(market, rows, market.request("e", -1, amount="2"), market="swap")
    assert (await trader.fills())[1] == ("liquidation-paper-2", 3, "200.00", "2", "liquidation")
    assert (await trader.venue.balances())["USDT"].total == D(9800)


async def test_a_swap_shows_its_position_and_locks_its_margin(market):
    trader = await play(market, market.flat(4), market.request("e", -1, amount="2"), bars=1, market="swap")
    assert await trader.venue.positions() == {"BTC/USDT": (D(-2), D(100))}
    assert (await trader.venue.balances())["USDT"] == (D(10000), D(9800))


async def test_opposite_entries_on_one_swap_do_not_both_fill(market):
    requests = market.request("a", 1, group="1"), market.request("b", -1, group="2")
    trader = await play(market, market.flat(4), *requests, market="swap")
    assert [row[0] for row in await trader.fills()] == ["a"]
    assert (await trader.venue.order("b")).reason == "opposite positions on one swap need hedge mode"


async def test_the_guard_of_a_later_entry_replaces_the_one_before(market):
    trader = await market.make(market.flat(8))
    await trader.bar()
    await trader.venue.submit(guarded(market, "e", stop=5))
    await trader.venue.submit(guarded(market, "f", stop=9))
    await trader.bar()
    assert [(order.client_id, order.amount) for order in await trader.venue.open_orders()] == [("f-x", D(2))]
    assert (await trader.venue.order("e-x")).reason == "replaced"


async def test_nothing_is_settled_after_the_last_bar(market):
    trader = await market.make(market.flat(4), market="swap", funding=[(3, 0.001), (500, 0.5)])
    await trader.bar()
    await trader.venue.submit(market.request("e"))
    assert len([event for event in await trader.run() if isinstance(event, market.paid)]) == 1


async def test_a_settlement_inside_a_long_bar_has_its_own_time(market):
    trader = await market.make(market.flat(30), series=("10m",), market="swap", funding=[(13, 0.001)])
    await trader.bar()
    await trader.venue.submit(market.request("e", resolution="10m"))
    [paid] = [event for event in await trader.run() if isinstance(event, market.paid)]
    assert paid.ts_ms == market.T0 + 13 * market.MINUTE


@pytest.mark.parametrize(
    ("rows", "fills", "status"),
    [
        ([(100, 100, 99.5, 99.8)], [("e", 2, "100.00", "1", "")], "filled"),
        ([(100, 101, 100, 100)], [], "open"),
        ([(99.9, 101, 99, 100)], [], "expired"),
        ([(100, 101, 100, 100), (98, 98, 97, 97)], [("e", 3, "100.00", "1", "")], "filled"),
    ],
    ids=["traded through, it is made", "touched, it rests", "an open beyond it ends it",
         "a later open beyond it fills it where it rests"],
)  # fmt: skip
async def test_a_post_only_order_never_takes(market, rows, fills, status):
    bars = [(0, 100, 100, 100, 100), *((minute, *row) for minute, row in enumerate(rows, 1))]
    trader = await play(market, bars, market.request("e", price="100", post_only=True))
    assert await trader.fills() == fills
    assert (await trader.venue.order("e")).status == status
    assert all(fill.maker for fill in await trader.venue.fills(0))


async def test_a_post_only_order_that_rested_is_none_of_a_later_opens_after_a_restart(market):
    rows = [(0, 100, 100, 100, 100), (1, 100, 101, 100, 100), (2, 98, 98, 97, 97), (3, 97, 97, 97, 97)]
    trader = await play(market, rows, market.request("e", price="100", post_only=True), bars=1)
    await trader.venue.close()
    again = await market.make(rows)
    await again.run()
    assert await again.fills() == [("e", 3, "100.00", "1", "")]


@pytest.mark.parametrize("force", ["ioc", "fok"])
@pytest.mark.parametrize(("opens", "filled"), [(100, "100.00"), (99, "99.00"), (101, None)])
async def test_an_order_that_does_not_rest_meets_one_open(market, force, opens, filled):
    rows = [(0, 100, 100, 100, 100), (1, opens, opens, opens, opens), (2, 90, 90, 90, 90)]
    trader = await play(market, rows, market.request("e", price="100", time_in_force=force))
    assert await trader.fills() == ([("e", 1, filled, "1", "")] if filled else [])
    assert (await trader.venue.order("e")).status == ("filled" if filled else "expired")


@pytest.mark.parametrize(("force", "bought"), [("ioc", "99.9000999"), ("fok", None)])
async def test_money_for_a_part_fills_a_part_or_nothing(market, force, bought):
    order = market.request("e", price="100", amount="100", time_in_force=force)
    trader = await play(market, market.flat(4), order, taker_fee=D("0.001"))
    assert [fill[3] for fill in await trader.fills()] == ([bought] if bought else [])
