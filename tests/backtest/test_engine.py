"""What CONTRACT says of fills, exits and sizes, as small candle tables with the fills that must follow."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.backtest.engine import Outcome
from autotrader.backtest.plan import make_plan
from autotrader.backtest.run import fills_of, result_of
from autotrader.core.errors import AutotraderError, HistoryError
from autotrader.risk.limits import Cap, Limits
from support.market import MINUTE_MS, START_MS, candles, run

D = Decimal
FLAT = (100.0, 100.0, 100.0, 100.0)


def bought(outcome: Outcome) -> list[tuple[int, int, float, float, str]]:
    """Return fills as (minute, side, price, amount, reason)."""
    return [
        (
            (fill["ts"] - START_MS) // MINUTE_MS,
            fill["side"],
            float(fill["price"]),
            float(fill["amount"]),
            fill["reason"],
        )
        for fill in fills_of(outcome)
    ]


def once(level: float, **more: Any) -> dict[str, Any]:
    """Return a strategy that enters at the close that passes a level."""
    return {"enter_long": f"crosses_above(close, {level})", "exit_long": "close < 1"} | more


RISE = [FLAT, FLAT, (100, 102, 100, 102)]
"""The third bar closes above 101: what it decides fills at the fourth bar's open, in minute 3."""


def test_a_market_order_fills_at_the_next_open_worse_by_the_slippage() -> None:
    outcome = run(candles([*RISE, (103, 104, 102, 103), FLAT]), once(101), slippage=D("0.01"))
    assert bought(outcome) == [(3, 1, 104.03, 1.0, "")]


def test_over_a_gap_it_fills_where_the_next_bar_opens() -> None:
    outcome = run(candles([*RISE, (110, 111, 109, 110)], [0, 1, 2, 9]), once(101))
    assert bought(outcome) == [(9, 1, 110.0, 1.0, "")]


@pytest.mark.parametrize(
    ("bars", "exits", "expected"),
    [
        ([(103, 104, 100, 101)], {"stop_loss": "2%"}, (4, 100.94, "stop_loss")),
        ([(103, 104, 102, 103), (90, 91, 89, 90)], {"stop_loss": "2%"}, (4, 90.0, "stop_loss")),
        ([(103, 110, 100, 101)], {"stop_loss": "2%", "take_profit": "4%"}, (4, 100.94, "stop_loss")),
        ([(103, 108, 102.5, 104)], {"stop_loss": "2%", "take_profit": "4%"}, (4, 107.12, "take_profit")),
        ([(103, 104, 102, 103), (120, 121, 119, 120)], {"take_profit": "4%"}, (4, 120.0, "take_profit")),
        ([(103, 110, 102.9, 109), (109, 109, 104, 105)], {"trailing_stop": "5%"}, (5, 104.5, "trailing_stop")),
        ([(103, 110, 98, 99)], {"trailing_stop": "5%"}, (4, 100.0, "trailing_stop")),
        ([(103, 103, 97.85, 98)], {"trailing_stop": "5%"}, (4, 97.85, "trailing_stop")),
    ],
    ids=[
        "entry bar",
        "gapped",
        "stop first",
        "take",
        "take gapped",
        "trails",
        "trails after the entry bar",
        "at touch",
    ],
)
def test_protective_exits_guard_from_the_fill_on(bars, exits, expected) -> None:
    fills = bought(run(candles([*RISE, *bars, FLAT]), once(101, exits=exits)))
    minute, price, reason = expected
    assert fills[1] == (minute, -1, price, 1.0, reason)


def test_what_was_stopped_is_not_bought_back_without_a_new_signal() -> None:
    bars = [*RISE, (103, 104, 100, 103), (103, 104, 103, 104), (104, 104, 104, 104)]
    assert len(bought(run(candles(bars), once(101, exits={"stop_loss": "2%"})))) == 2


def test_max_holding_leaves_at_the_first_close_after_it() -> None:
    outcome = run(candles([*RISE, *[FLAT] * 8]), once(101, exits={"max_holding": "3m"}))
    assert [fill[0] for fill in bought(outcome)] == [3, 6]


def test_a_limit_entry_waits_at_the_close_and_needs_a_trade_through_it() -> None:
    bars = [*RISE, (103, 103, 102, 103), (103, 103, 102.99, 103), (103, 103, 101, 102.5)]
    outcome = run(candles(bars), once(101, execution={"kind": "limit", "timeout": "1h"}))
    assert bought(outcome) == [(5, 1, 103.0, 1.0, "")]


def test_where_entry_and_exit_hold_at_one_close_nothing_is_entered() -> None:
    assert bought(run(candles([*RISE, FLAT]), once(101, exit_long="close > 101"))) == []


def test_an_open_position_at_the_end_is_marked_and_is_no_trade() -> None:
    result = result_of(run(candles([*RISE, (103, 105, 103, 105)]), once(101)))
    assert len(result.trades.pnl) == 0
    assert result.portfolio.final_equity == D(10_002)
    assert float(result.portfolio.curve.equity[-1]) == 10_002.0


def test_a_trade_is_what_it_earned_after_its_fees() -> None:
    bars = [*RISE, (103, 103, 103, 103), (110, 110, 110, 110), (110, 110, 110, 110)]
    result = result_of(run(candles(bars), once(101, exit_long="close > 109"), taker=D("0.001")))
    assert result.trades.pnl.tolist() == [int((D(7) - D("0.103") - D("0.110")) * 10**8)]
    assert result.portfolio.final_equity == D(10_000) + D("6.787")
    assert result.portfolio.fees == D("0.213")


@pytest.mark.parametrize(
    ("size", "amount"),
    [
        ({"kind": "percent", "percent": "50%"}, 49.01960784),
        ({"kind": "notional", "amount": "500 USDT"}, 4.90196078),
        ({"kind": "fixed", "amount": 2.5}, 2.5),
    ],
)
def test_an_entry_is_sized_at_the_close_that_decides_it(size, amount) -> None:
    assert bought(run(candles([*RISE, (103, 103, 103, 103)]), once(101, size=size)))[0][3] == amount


def test_the_money_that_is_there_goes_by_the_names() -> None:
    both = {name: once(101, size={"kind": "percent", "percent": "100%"}, capital="70%") for name in ("b", "a")}
    fills = fills_of(run(candles([*RISE, (102, 102, 102, 102)]), both))
    assert [fill["strategy"] for fill in fills] == ["a", "b"]
    assert [round(float(fill["amount"] * fill["price"])) for fill in fills] == [7_000, 3_000]


def test_the_gate_refuses_and_never_resizes() -> None:
    limits = Limits(max_order=Cap(amount=D(50)))
    assert bought(run(candles([*RISE, FLAT]), once(101), limits=limits)) == []
    assert len(bought(run(candles([*RISE, FLAT]), once(101), limits=Limits(max_order=Cap(amount=D(103)))))) == 1


def test_a_longer_bars_inside_is_decided_by_shorter_ones() -> None:
    """In the five minutes after the entry the profit is taken before the stop would be hit: only minutes can tell."""
    inside = [(103, 108, 103, 107), (107, 107, 100, 100), FLAT, FLAT, FLAT]
    bars = candles([*[FLAT] * 5, *[FLAT] * 4, (100, 102, 100, 102), *inside, *[FLAT] * 5])
    exits = {"stop_loss": "2%", "take_profit": "4%"}
    coarse = bought(run(bars, once(101, timeframe="5m", exits=exits)))
    fine = bought(run(bars, once(101, timeframe="5m", exits=exits, resolution="1m")))
    assert coarse[1][4] == "stop_loss"
    assert fine[1] == (11, -1, 107.12, 1.0, "take_profit")


def test_funding_moves_the_money_of_what_is_held() -> None:
    bars = candles([*RISE, *[(100.0, 100.0, 100.0, 100.0)] * 5])
    rates = [(START_MS + 5 * MINUTE_MS, 0.001), (START_MS + 6 * MINUTE_MS, -0.0005)]
    result = result_of(run(bars, once(101), market="swap", rates=rates))
    assert result.portfolio.final_equity == D(10_000) - D("0.1") + D("0.05")
    assert result.strategies[0].final_equity == result.portfolio.final_equity


def test_a_short_ends_where_its_margin_is_eaten() -> None:
    short = {
        "enter_short": "crosses_above(close, 101)",
        "exit_short": "close < 1",
        "enter_long": "close < 0",
        "exit_long": "close < 0",
    }
    bars = candles([*RISE, (100, 100, 100, 100), (150, 210, 99, 100), FLAT])
    fills = bought(run(bars, short, market="swap"))
    assert fills == [(3, -1, 100.0, 1.0, ""), (5, 1, 200.0, 1.0, "liquidation")]


def test_without_bars_between_the_moments_it_says_so() -> None:
    plan = run(candles([FLAT] * 3), once(101)).plan
    with pytest.raises(HistoryError, match="no bars between --from and --to"):
        make_plan(plan.exchanges, plan.strategies, Limits(), START_MS + 10**9)


def test_a_position_whose_value_passes_the_integers_is_counted_from_its_first_price() -> None:
    dear = [tuple(price * 10**7 for price in bar) for bar in [*RISE, FLAT, FLAT]]
    rich = once(101e7, size={"kind": "percent", "percent": "100%"})
    outcome = run(candles(dear), rich, cash=D(2 * 10**10))
    lots, ticks = outcome.fills[0, 4], outcome.fills[0, 3]
    assert float(lots) * float(ticks) > 2**63
    assert result_of(outcome).portfolio.final_equity <= D(2 * 10**10)


def test_a_position_that_cannot_be_counted_ends_the_run_in_a_sentence() -> None:
    rise = [*RISE, FLAT, (100, 201, 100, 201), (200, 200, 200, 200), FLAT]
    bars = [tuple(price * 10**7 for price in bar) for bar in rise]
    held = {"exposure": "if(close > 200e7, 1, 0.4)", "size": {"kind": "percent", "percent": "100%"}}
    with pytest.raises(AutotraderError, match="sim X/USDT: a position is larger than can be counted"):
        run(candles(bars), held, cash=D(2 * 10**10))


@given(st.lists(st.floats(90, 110).map(lambda price: round(price, 2)), min_size=30, max_size=120), st.booleans())
@settings(max_examples=25)
def test_the_money_balances_to_the_last_digit(closes, swap) -> None:
    rows = [(a, max(a, b) + 0.5, min(a, b) - 0.5, b) for a, b in pairwise(closes)]
    strategies = {
        "a": {
            "enter_long": "close > prev(close, 1)",
            "exit_long": "close < prev(close, 2)",
            "exits": {"stop_loss": "1%"},
        },
        "b": {"exposure": "if(close > 100, 0.5, 0)", "capital": "40%", "size": {"kind": "percent", "percent": "100%"}},
    }
    terms = {"market": "swap" if swap else "spot", "taker": D("0.0007"), "maker": D("0.0002"), "slippage": D("0.0003")}
    outcome = run(candles(rows), strategies, **terms)
    result = result_of(outcome)
    fills = fills_of(outcome)
    flows = sum((-fill["side"] * fill["cost"] - fill["fee"] for fill in fills), D(0))
    held = {leg: D(0) for leg in ("a", "b")}
    for fill in fills:
        held[fill["strategy"]] += fill["side"] * fill["amount"]
    last = D(str(rows[-1][3]))
    worth = sum(((amount * last).quantize(D("1e-8"), "ROUND_FLOOR") for amount in held.values()), D(0))
    assert result.portfolio.final_equity == D(10_000) + flows + worth
    parts = sum((one.final_equity - one.start_equity for one in result.strategies), D(0))
    assert parts == result.portfolio.final_equity - result.portfolio.start_equity
    assert fills_of(run(candles(rows), strategies, compiled=False, **terms)) == fills
