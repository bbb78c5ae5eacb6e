"""What an exchange holds against what its owners have: what counts as money that moved, and who is locked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autotrader.core.clock import HOUR_MS
from autotrader.execution.ledger import Position
from autotrader.risk.breakers import Breakers
from autotrader.risk.limits import Limits
from autotrader.runtime.balances import DOUBT_S, SETTLING_MS, book_funding, take_balances
from autotrader.runtime.locks import Own, own_flag, own_from
from autotrader.venues.protocol import FundingPaid, VenuePosition

D = Decimal


async def test_the_first_look_takes_the_money_as_it_is_and_calls_nothing_a_deposit(world) -> None:
    one = world()
    await take_balances(one.loop, "paper")
    assert one.account.cash == 10_000
    assert one.journal.progress_of("paper").cash == 10_000
    assert one.events("money_moved") == []


@pytest.mark.parametrize(("amount", "told"), [(500, "+500 USDT"), (-500, "-500 USDT")], ids=["deposit", "withdrawal"])
async def test_money_without_a_fill_moved(world, amount, told) -> None:
    one = world()
    await take_balances(one.loop, "paper")
    one.venue.money["USDT"] += amount
    await take_balances(one.loop, "paper")
    assert one.account.cash == 10_000 + amount
    assert one.events("money_moved") == [f"{told} without a fill of ours"]
    await take_balances(one.loop, "paper")
    assert len(one.events("money_moved")) == 1


async def test_what_a_fill_moved_is_no_withdrawal_even_when_it_was_missed(world) -> None:
    one = world()
    await take_balances(one.loop, "paper")
    leg = one.leg()
    one.filled(one.order(leg), "2")
    await take_balances(one.loop, "paper")
    assert one.account.cash == D("9799.9")
    assert leg.position.amount == 2
    assert one.events("money_moved") == []


FUNDED = FundingPaid(2_000_000, "BTC/USDT", D(-7))


@pytest.mark.parametrize("told", ["event", "question", "both", "twice"])
async def test_funding_is_a_loss_and_no_withdrawal_however_often_it_is_told(world, told) -> None:
    one = world("swap")
    await take_balances(one.loop, "paper")
    if told != "question":
        for _ in range(2 if told == "twice" else 1):
            book_funding(one.loop, "paper", [FUNDED])
    one.venue.money["USDT"] -= 7
    one.venue.told_funding = [FUNDED]
    for _ in range(2):
        await take_balances(one.loop, "paper")
        assert one.account.cash == one.journal.progress_of("paper").cash == 9_993
    assert one.events("money_moved") == []
    assert one.events("funding") == ["BTC/USDT: -7 USDT"]


async def test_money_of_a_swap_that_moves_while_it_settles_is_not_taken_for_a_withdrawal(world) -> None:
    one = world("swap")
    one.venue.remote = True
    await take_balances(one.loop, "paper")
    one.venue.now_ms = 10 * HOUR_MS + SETTLING_MS - 1
    one.venue.money["USDT"] -= 7
    for _ in range(2):
        assert not await take_balances(one.loop, "paper")
        one.clock.advance(DOUBT_S)
    one.venue.now_ms += 1
    assert await take_balances(one.loop, "paper")
    assert one.events("money_moved") == ["-7 USDT without a fill of ours"]


async def test_funding_that_is_told_late_takes_the_withdrawal_back(world) -> None:
    one = world("swap")
    await take_balances(one.loop, "paper")
    one.venue.money["USDT"] -= 7
    await take_balances(one.loop, "paper")
    one.venue.told_funding = [FUNDED]
    await take_balances(one.loop, "paper")
    assert one.account.cash == 9_993
    assert one.events("money_moved") == [f"{sign}7 USDT without a fill of ours" for sign in "-+"]


async def test_what_was_settled_before_the_first_look_is_in_the_figures(world) -> None:
    one = world("swap")
    one.venue.told_funding = [FUNDED]
    for _ in range(2):
        await take_balances(one.loop, "paper")
    assert one.account.cash == 10_000
    assert one.events("money_moved") == one.events("funding") == []


async def test_symbols_are_settled_in_any_order_and_each_in_its_own(world) -> None:
    one = world("swap")
    await take_balances(one.loop, "paper")
    later, other = FUNDED._replace(ts_ms=3_000_000), FUNDED._replace(symbol="ETH/USDT", amount=D("0.5"))
    book_funding(one.loop, "paper", [FUNDED, later])
    book_funding(one.loop, "paper", [other, FUNDED])
    assert one.account.cash == D("9986.5")


async def test_a_strategys_own_limits_count_its_part_of_a_settlement(world) -> None:
    one = world("swap")
    await take_balances(one.loop, "paper")
    one.leg("a", held="2"), one.leg("b", held="1")
    one.loop.trader.own = {name: Own(Limits(), D(1_000), ("paper",), Breakers()) for name in "abc"}
    book_funding(one.loop, "paper", [FUNDED._replace(amount=D("-0.9"))])
    assert {name: own.settled for name, own in one.loop.trader.own.items()} == {"a": D("-0.6"), "b": D("-0.3"), "c": 0}
    kept = one.journal.flags()[own_flag("a")]
    assert own_from(kept, one.loop.trader.own["c"], D(0)).settled == D("-0.6")


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
async def test_an_average_price_that_does_not_come_out_even_moves_no_money(world, side) -> None:
    one = world("swap")
    await take_balances(one.loop, "paper")
    leg = one.leg()
    leg.position = Position(side * D(3), D(3), D(100), open_cost=D(100))
    one.account.cash -= side * D(100)
    one.venue.held = {"BTC/USDT": VenuePosition(side * D(3), D(100) / 3)}
    for _ in range(3):
        await take_balances(one.loop, "paper")
    assert abs(one.account.cash - (10_000 - side * 100)) < D("1e-6")
    assert one.events("money_moved") == []


# owners


async def test_an_owner_of_more_than_there_is_is_locked_until_it_is_there_again(world) -> None:
    one = world()
    leg, other = one.leg(held="2"), one.leg("b", "ETH/USDT", held="1")
    one.venue.money |= {"BTC": D("1.5"), "ETH": D(1)}
    await take_balances(one.loop, "paper")
    assert leg.locked == "paper holds 1.5 BTC, its owners have 2"
    assert other.locked == ""
    await take_balances(one.loop, "paper")
    assert one.events("holdings") == [leg.locked]
    one.venue.money["BTC"] = D(2)
    await take_balances(one.loop, "paper")
    assert leg.locked == ""


async def test_all_owners_of_a_coin_that_falls_short_are_locked_together(world) -> None:
    one = world()
    legs = [one.leg("a", held="2"), one.leg("b", held="1")]
    one.venue.money["BTC"] = D(2)
    await take_balances(one.loop, "paper")
    assert [leg.locked for leg in legs] == ["paper holds 2 BTC, its owners have 3"] * 2


async def test_what_is_there_beyond_the_owners_is_left_alone(world) -> None:
    one = world()
    leg = one.leg(held="2")
    one.venue.money |= {"BTC": D(5), "DOGE": D(9)}
    await take_balances(one.loop, "paper")
    assert leg.locked == ""
    assert one.account.equity() == 10_000 + 2 * 100


@pytest.mark.parametrize(
    ("ours", "theirs", "locked"),
    [
        ("2", "2", False),
        ("2", "3", False),
        ("2", "1", True),
        ("-2", "-2", False),
        ("-2", "-1", True),
        ("-2", "1", True),
    ],
)
async def test_a_swap_position_counts_with_its_sign(world, ours, theirs, locked) -> None:
    one = world("swap")
    leg = one.leg(held=ours)
    one.venue.held = {"BTC/USDT": VenuePosition(D(theirs), D(100))}
    await take_balances(one.loop, "paper")
    assert bool(leg.locked) is locked


# budgets


async def test_a_budget_is_the_money_whatever_the_exchange_holds(world) -> None:
    one = world(budget=D(3_000))
    await take_balances(one.loop, "paper")
    assert one.account.cash == 3_000
    one.venue.money["USDT"] += 5_000
    await take_balances(one.loop, "paper")
    assert one.account.cash == 3_000
    assert one.events("money_moved") == []


async def test_a_budget_follows_our_fills_and_not_foreign_ones_over_restarts(world) -> None:
    one = world(budget=D(3_000))
    await take_balances(one.loop, "paper")
    leg = one.leg()
    ours = one.order(leg)
    one.filled(ours, "2", 1)
    one.filled(ours._replace(client_id="web_1", group="theirs"), "1", 2)
    await take_balances(one.loop, "paper")
    assert one.account.cash == D("2799.9")
    one.restart(budget=D(3_000))
    one.account.cash, one.account.known = one.journal.progress_of("paper").cash, True
    await take_balances(one.loop, "paper")
    assert one.account.cash == D("2799.9")
    assert one.events("money_moved") == []


async def test_another_budget_after_a_restart_is_money_that_moved_and_no_loss(world) -> None:
    one = world(budget=D(3_000))
    await take_balances(one.loop, "paper")
    one.restart(budget=D(1_000))
    one.account.cash, one.account.known = one.journal.progress_of("paper").cash, True
    await take_balances(one.loop, "paper")
    assert one.account.cash == 1_000
    assert one.events("money_moved") == ["-2000 USDT without a fill of ours"]
