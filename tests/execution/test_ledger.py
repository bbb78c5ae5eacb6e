"""Positions and trades from fills: whatever the sequence, no amount and no money is lost or made."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.execution.ledger import Position, apply_fill, cash_flow, swept
from autotrader.execution.orders import Fill

D = Decimal

amounts = st.integers(1, 10**6).map(lambda n: n * D("0.0001"))
prices = st.integers(1, 10**7).map(lambda n: n * D("0.01"))
fees = st.integers(0, 10**6).map(lambda n: n * D("0.000001"))


@st.composite
def histories(draw) -> list[Fill]:
    """Fills of one symbol; every third or so is made to end exactly where it is flat."""
    made, held = [], D(0)
    for number in range(draw(st.integers(1, 25))):
        if held and draw(st.integers(0, 2)) == 0:
            side, amount = (-1 if held > 0 else 1), abs(held)
        else:
            side, amount = draw(st.sampled_from((1, -1))), draw(amounts)
        price = draw(prices)
        held += side * amount
        made.append(
            Fill(
                number + 1,
                "id",
                "paper",
                "BTC/USDT",
                side,
                price,
                amount,
                price * amount,
                draw(fees),
                "USDT",
                1_000 * number,
                False,
                "exit",
                "g",
            )
        )
    return made


def folded(fills: list[Fill]):
    position, trades = Position(), []
    for fill in fills:
        position, trade = apply_fill(position, fill)
        if trade is not None:
            trades.append(trade)
    return position, trades


@given(histories())
def test_a_position_is_the_signed_sum_of_its_fills(fills) -> None:
    assert folded(fills)[0].amount == sum((fill.side * fill.amount for fill in fills), D(0))


@given(histories(), prices)
def test_banked_and_unrealized_profit_is_what_the_cash_did_plus_what_is_held(fills, price) -> None:
    position, _ = folded(fills)
    cash = sum((cash_flow(fill) for fill in fills), D(0))
    profit = position.banked() + position.unrealized(price)
    assert abs(profit - (cash + position.amount * price)) < D("1e-12")  # one rounding of a division in 28 digits


@given(histories())
def test_while_no_fill_flips_the_profit_of_all_trades_is_exactly_the_cash_between_flat_and_flat(fills) -> None:
    kept, held = [], D(0)
    for fill in fills:
        signed = fill.side * fill.amount
        if held and (held > 0) != (signed > 0) and abs(signed) > abs(held):
            fill = fill._replace(amount=abs(held), cost=abs(held) * fill.price)  # noqa: PLW2901
        held += fill.side * fill.amount
        kept.append(fill)
    flat = [n + 1 for n in range(len(kept)) if not sum((f.side * f.amount for f in kept[: n + 1]), D(0))]
    whole = kept[: flat[-1]] if flat else []
    position, trades = folded(whole)
    assert len(trades) == len(flat)
    assert sum((trade.pnl for trade in trades), D(0)) == sum((cash_flow(fill) for fill in whole), D(0))
    assert position == Position(realized=sum((trade.pnl for trade in trades), D(0)))


@given(histories())
def test_a_trade_is_out_minus_in_minus_fees_and_all_its_fees_are_counted_once(fills) -> None:
    position, trades = folded(fills)
    assert abs(sum((trade.fees for trade in trades), position.fees) - sum((f.fee for f in fills), D(0))) < D("1e-12")
    for trade in trades:
        gross = Fraction(trade.amount) * (Fraction(trade.exit_price) - Fraction(trade.entry_price)) * trade.side
        assert abs(gross - Fraction(trade.fees) - Fraction(trade.pnl)) < Fraction(1, 10**9)


@given(histories())
def test_what_is_open_began_with_the_fill_that_opened_it(fills) -> None:
    position, _ = folded(fills)
    held, opened = D(0), 0
    for fill in fills:
        before, held = held, held + fill.side * fill.amount
        if held and (not before or (before > 0) != (held > 0)):
            opened = fill.ts_ms
    assert position.opened_ms == (opened if held else 0)


@given(histories())
@settings(max_examples=50)
def test_a_flat_position_remembers_only_what_it_realized(fills) -> None:
    position, _ = folded(fills)
    if not position.amount:
        assert position == Position(realized=position.realized)
        assert position.entry_price is None
        assert position.unrealized(D(5)) == 0
        assert position.banked() == position.realized


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_a_round_trip_names_its_side_prices_fees_and_profit(new, side) -> None:
    position, none = apply_fill(Position(), new.fill(side, 2, 100, fee="0.2", ts_ms=5_000, reason="entry"))
    assert none is None
    flat, trade = apply_fill(position, new.fill(-side, 2, 110, fee="0.22", ts_ms=9_000, reason="take_profit"))
    assert trade._asdict() == {
        "side": side,
        "entry_ms": 5_000,
        "entry_price": D(100),
        "exit_ms": 9_000,
        "exit_price": D(110),
        "amount": D(2),
        "fees": D("0.42"),
        "pnl": side * D(20) - D("0.42"),
        "reason": "take_profit",
    }
    assert flat == Position(realized=trade.pnl)


def test_a_fill_beyond_flat_closes_the_trade_and_opens_the_rest_on_the_other_side(new) -> None:
    held, _ = apply_fill(Position(), new.fill(1, 2, 100))
    position, trade = apply_fill(held, new.fill(-1, 6, 120, fee="0.9", ts_ms=7_000))
    assert (trade.amount, trade.pnl, trade.fees) == (D(2), D(40) - D("0.3"), D("0.3"))
    assert (position.amount, position.entry_price, position.fees) == (D(-4), D(120), D("0.6"))
    assert (position.paid, position.opened_ms) == (D(-480), 7_000)


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_a_part_that_leaves_takes_its_share_of_what_was_paid_to_the_step_of_cash_below(new, side) -> None:
    held, _ = apply_fill(Position(), new.fill(side, 3, cost=D(100)))
    rest, trade = apply_fill(held, new.fill(-side, 2))
    assert trade is None
    assert (rest.side, rest.amount, rest.paid) == (side, side, side * D("33.33333334"))


def test_a_part_that_left_is_banked_at_the_average_entry(new) -> None:
    position, _ = apply_fill(Position(), new.fill(1, 1, 100))
    position, _ = apply_fill(position, new.fill(1, 1, 200))
    position, trade = apply_fill(position, new.fill(-1, 1, 180, fee=1))
    assert trade is None
    assert position.entry_price == D(150)
    assert position.banked() == D(180) - D(150) - 1
    assert position.unrealized(D(160)) == D(10)
    assert position.opened_ms == 1_000


def bought(amount="1", price="100", fee="0", currency="USDT", side=1) -> Fill:
    cost = D(amount) * D(price)
    return Fill(
        1, "a", "x", "BTC/USDT", side, D(price), D(amount), cost, D(fee), currency, 1000, False, "entry", "g"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fill", "amount", "cash"),
    [
        (bought(fee="0.1"), "1", "-100.1"),
        (bought(fee="0.001", currency="BTC"), "0.999", "-100"),
        (bought(fee="0.01", currency="BNB"), "1", "-100"),
        (bought(fee="-0.1"), "1", "-99.9"),
        (bought(fee="0.1", side=-1), "-1", "99.9"),
        (bought(fee="0.001", currency="BTC", side=-1), "-1.001", "100"),
    ],
)
def test_a_fee_moves_what_it_was_taken_in(fill: Fill, amount: str, cash: str) -> None:
    position, _ = apply_fill(Position(), fill)
    assert position.amount == D(amount)
    assert cash_flow(fill) == D(cash)


def test_a_fee_in_coins_is_a_loss_of_the_trade_without_being_counted_twice() -> None:
    held, _ = apply_fill(Position(), bought(fee="0.001", currency="BTC"))
    flat, trade = apply_fill(held, bought("0.999", "110", fee="0.11", side=-1)._replace(reason="exit"))
    assert flat.amount == 0
    assert trade is not None
    assert trade.pnl == D("0.999") * 110 - D("0.11") - 100
    assert (trade.entry_price, trade.amount) == (D(100), D("0.999"))


def test_a_rest_that_cannot_be_traded_is_given_up_at_the_cost_of_the_trade() -> None:
    held, _ = apply_fill(Position(), bought(fee="0.001", currency="BTC"))
    held, trade = apply_fill(held, bought("0.99", "110", side=-1))
    assert trade is None
    flat, trade = swept(held, 5000, "exit")
    assert flat == Position(realized=D("0.99") * 110 - 100)
    assert (trade.pnl, trade.exit_ms, trade.exit_price, trade.reason) == (flat.realized, 5000, D(110), "exit")
