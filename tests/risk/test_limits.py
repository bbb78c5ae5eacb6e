"""The gate: each limit under, at and over its bound; the order in which limits answer; what counts as loosening.

Orders that only reduce an owned position never come here: the trading loop sends them past the gate.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrader.risk.limits import (
    LOOSER_WHEN_LARGER,
    Account,
    Cap,
    Cooldown,
    Entry,
    Limits,
    Refusal,
    bounds_of,
    check,
    loosened,
)

D = Decimal
HAIR = D("0.00000001")
ACCOUNT = Account(
    equity=D(10_000),
    net=D(0),
    gross=D(0),
    open_symbols=frozenset(),
    recent_orders=0,
    last_price=D(100),
    data_due_ms=1_000_000,
    now_ms=1_000_000,
)


def entry(notional, price=100, symbol="BTC/USDT") -> Entry:
    return Entry("paper", symbol, D(notional), D(price))


def refused(limits: Limits, order: Entry, **account) -> str:
    answer = check(limits, order, ACCOUNT._replace(**account))
    return "" if answer is None else answer.limit


MONEY, SHARE = Cap(amount=D(1000), currency="USDT"), Cap(share=D("0.1"), currency="USDT")


@pytest.mark.parametrize("cap", [MONEY, SHARE], ids=["money", "share"])
@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_an_order_may_be_as_large_as_its_bound_and_no_larger(cap, side) -> None:
    limits = Limits(max_order=cap)
    assert refused(limits, entry(side * (1000 - HAIR))) == ""
    assert refused(limits, entry(side * 1000)) == ""
    assert refused(limits, entry(side * (1000 + HAIR))) == "max_order"


@pytest.mark.parametrize("cap", [MONEY, SHARE], ids=["money", "share"])
@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_a_symbols_net_position_counts_with_the_order(cap, side) -> None:
    limits = Limits(max_position=cap)
    assert refused(limits, entry(side * 400), net=side * D(600)) == ""
    assert refused(limits, entry(side * (400 + HAIR)), net=side * D(600)) == "max_position"
    assert refused(limits, entry(-side * 1600), net=side * D(600)) == ""
    assert refused(limits, entry(-side * (1600 + HAIR)), net=side * D(600)) == "max_position"


@pytest.mark.parametrize("cap", [MONEY, SHARE], ids=["money", "share"])
def test_exposure_is_gross_so_an_opposite_position_adds_to_it(cap) -> None:
    limits = Limits(max_exposure=cap)
    assert refused(limits, entry(300), gross=D(700), net=D(700)) == ""
    assert refused(limits, entry(300 + HAIR), gross=D(700), net=D(700)) == "max_exposure"
    assert refused(limits, entry(-300), gross=D(700), net=D(700)) == ""
    assert refused(limits, entry(-300 - HAIR), gross=D(700), net=D(700)) == "max_exposure"


def test_a_share_follows_the_equity_of_now() -> None:
    limits = Limits(max_order=Cap(share=D("0.1")))
    assert refused(limits, entry(900), equity=D(9_000)) == ""
    assert refused(limits, entry(900), equity=D(8_999)) == "max_order"


@pytest.mark.parametrize("equity", [D(0), D(-50)])
@pytest.mark.parametrize("key", ["max_order", "max_position", "max_exposure"])
def test_with_no_equity_left_a_share_allows_nothing(key, equity) -> None:
    assert refused(Limits(**{key: Cap(share=D(1))}), entry("0.01"), equity=equity) == key


def test_one_symbol_more_than_may_be_open_is_refused_but_not_one_that_is_open() -> None:
    limits = Limits(max_open_positions=2)
    two = frozenset({("paper", "BTC/USDT"), ("paper", "ETH/USDT")})
    assert refused(limits, entry(1), open_symbols=frozenset({("paper", "ETH/USDT")})) == ""
    assert refused(limits, entry(1), open_symbols=two) == ""
    assert refused(limits, entry(1, symbol="XRP/USDT"), open_symbols=two) == "max_open_positions"


def test_the_same_symbol_on_two_exchanges_is_two_positions() -> None:
    limits = Limits(max_open_positions=1)
    assert refused(limits, entry(1), open_symbols=frozenset({("other", "BTC/USDT")})) == "max_open_positions"


def test_the_order_after_the_last_allowed_in_a_minute_is_refused() -> None:
    limits = Limits(max_orders_per_minute=60)
    assert refused(limits, entry(1), recent_orders=59) == ""
    assert refused(limits, entry(1), recent_orders=60) == "max_orders_per_minute"


@pytest.mark.parametrize("price", ["98", "100", "102"])
def test_a_price_within_the_collar_passes(price) -> None:
    assert refused(Limits(price_collar=D("0.02")), entry(1, price)) == ""


@pytest.mark.parametrize("price", ["97.99999999", "102.00000001"])
def test_a_price_a_hair_outside_the_collar_is_refused_on_either_side(price) -> None:
    assert refused(Limits(price_collar=D("0.02")), entry(1, price)) == "price_collar"


def test_data_may_be_late_by_the_bound_and_not_by_a_millisecond_more() -> None:
    limits = Limits(stale_data_ms=30_000)
    assert refused(limits, entry(1), data_due_ms=2_000_000) == ""
    assert refused(limits, entry(1), data_due_ms=970_000) == ""
    assert refused(limits, entry(1), data_due_ms=969_999) == "stale_data"


def test_without_limits_everything_passes() -> None:
    assert check(Limits(), entry(10**12, 10**6), ACCOUNT._replace(equity=D(-1), recent_orders=10**6)) is None


ALL = {
    "max_order": MONEY,
    "max_position": MONEY,
    "max_exposure": MONEY,
    "max_open_positions": 1,
    "max_orders_per_minute": 1,
    "price_collar": D("0.01"),
    "stale_data_ms": 1,
}


def test_limits_answer_in_the_order_in_which_they_are_declared() -> None:
    bad, answers = dict(ALL), []
    while bad:
        answer = check(
            Limits(**bad),
            entry(5000, 200),
            ACCOUNT._replace(open_symbols=frozenset({("paper", "ETH/USDT")}), recent_orders=9, data_due_ms=0),
        )
        answers.append(answer.limit)
        bad.pop({"stale_data": "stale_data_ms"}.get(answer.limit, answer.limit))
    assert answers == [key.removesuffix("_ms") for key in ALL]


@pytest.mark.parametrize(
    ("limits", "order", "account", "text"),
    [
        (Limits(max_order=MONEY), entry("1000.001"), {},
         "max_order is 1000.00 USDT, this order would make it 1000.01 USDT"),
        (Limits(max_position=SHARE), entry(1500), {},
         "max_position is 1000.00 USDT (10%), this order would make it 1500.00 USDT"),
        (Limits(max_order=MONEY), entry(1001), {"net": D(2000), "gross": D(5000)},
         "max_order is 1000.00 USDT, this order would make it 1001.00 USDT"),
        (Limits(max_position=MONEY), entry(1), {"net": D(2000), "gross": D(5000)},
         "max_position is 1000.00 USDT, this order would make it 2001.00 USDT"),
        (Limits(max_exposure=SHARE), entry(1), {"net": D(2000), "gross": D(5000)},
         "max_exposure is 1000.00 USDT (10%), this order would make it 5001.00 USDT"),
        (Limits(price_collar=D(0)), entry(1, "101"), {}, "price_collar is 0%, this order would make it 1%"),
        (Limits(stale_data_ms=0), entry(1), {"data_due_ms": 999_000},
         "stale_data is 0 s, this order would make it 1 s"),
        (Limits(max_open_positions=1), entry(1), {"open_symbols": frozenset({("paper", "ETH/USDT")})},
         "max_open_positions is 1, this order would make it 2"),
        (Limits(max_orders_per_minute=60), entry(1), {"recent_orders": 60},
         "max_orders_per_minute is 60, this order would make it 61"),
        (Limits(price_collar=D("0.02")), entry(1, "103.5"), {}, "price_collar is 2%, this order would make it 3.5%"),
        (Limits(stale_data_ms=30_000), entry(1), {"data_due_ms": 954_500},
         "stale_data is 30 s, this order would make it 45.5 s"),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_refusal_is_a_sentence_that_a_person_reads(limits, order, account, text) -> None:
    assert str(check(limits, order, ACCOUNT._replace(**account))) == text


def test_a_cap_of_neither_money_nor_a_share_allows_nothing() -> None:
    assert (Cap().of(D(100)), str(Cap())) == (D(0), "0%")
    assert bounds_of(Limits(max_order=Cap())).order_share == 0


caps = st.integers(1, 10**6).map(lambda n: Cap(amount=D(n))) | st.integers(1, 2000).map(
    lambda n: Cap(share=n * D("0.001"))
)


@given(
    st.fixed_dictionaries(
        {
            "max_order": st.none() | caps,
            "max_position": st.none() | caps,
            "max_exposure": st.none() | caps,
            "price_collar": st.none() | st.integers(1, 99).map(lambda n: n * D("0.01")),
        }
    ).map(lambda values: Limits(**values)),
    st.integers(-10_000, 10_000).filter(bool),
    st.integers(-10_000, 10_000),
    st.integers(50, 150),
)
def test_what_passes_keeps_every_bound_and_a_smaller_order_the_same_way_passes_too(limits, notional, net, price):
    account = ACCOUNT._replace(net=D(net), gross=abs(D(net)))
    if check(limits, entry(notional, price), account) is None:
        for key, value in (
            ("max_order", abs(notional)),
            ("max_position", abs(net + notional)),
            ("max_exposure", abs(net) + abs(notional)),
        ):
            cap = getattr(limits, key)
            assert cap is None or value <= cap.of(account.equity)
        if net * notional >= 0:
            assert check(limits, entry(D(notional) / 2, price), account) is None


# loosening


def bigger(value):
    return value._replace(amount=value.amount * 2) if isinstance(value, Cap) else value * 2


LOSS = Cap(share=D("0.05"))
EVERY = Limits(
    **ALL, max_daily_loss=LOSS, max_drawdown=LOSS, cooldown=Cooldown(3, 6_000, 2_000), on_breach="close"
)  # fmt: skip


@pytest.mark.parametrize("key", LOOSER_WHEN_LARGER)
def test_a_larger_bound_or_none_is_looser_and_a_smaller_or_a_new_one_is_not(key) -> None:
    larger = getattr(EVERY, key)
    larger = larger._replace(share=larger.share * 2) if larger is LOSS else bigger(larger)
    assert loosened(EVERY, EVERY._replace(**{key: larger}), D(10_000)) == (key,)
    assert loosened(EVERY, EVERY._replace(**{key: None}), D(10_000)) == (key,)
    assert loosened(EVERY._replace(**{key: larger}), EVERY, D(10_000)) == ()
    assert loosened(EVERY._replace(**{key: None}), EVERY, D(10_000)) == ()


@pytest.mark.parametrize(
    ("new", "looser"),
    [
        (Cooldown(4, 6_000, 2_000), True),
        (Cooldown(2, 6_000, 2_000), False),
        (Cooldown(3, 5_999, 2_000), True),
        (Cooldown(3, 6_001, 2_000), False),
        (Cooldown(3, 6_000, 1_999), True),
        (Cooldown(3, 6_000, 2_001), False),
        (None, True),
    ],
)
def test_a_cooldown_is_looser_when_it_comes_later_looks_back_less_or_lasts_shorter(new, looser) -> None:
    assert loosened(EVERY, EVERY._replace(cooldown=new), D(10_000)) == (("cooldown",) if looser else ())


def test_a_breach_that_only_pauses_is_looser_than_one_that_closes() -> None:
    assert loosened(EVERY, EVERY._replace(on_breach="pause"), D(1)) == ("on_breach",)
    assert loosened(EVERY._replace(on_breach="pause"), EVERY, D(1)) == ()


def test_money_and_shares_are_compared_at_the_equity_of_now() -> None:
    money, share = Limits(max_order=Cap(amount=D(1000))), Limits(max_order=Cap(share=D("0.1")))
    assert loosened(money, share, D(10_000)) == ()
    assert loosened(money, share, D(10_001)) == ("max_order",)
    assert loosened(share, money, D(9_999)) == ("max_order",)


def test_the_same_limits_are_never_looser_than_themselves() -> None:
    assert loosened(EVERY, EVERY, D(123)) == ()
    assert set(LOOSER_WHEN_LARGER) | {"cooldown", "on_breach"} == set(Limits._fields)


def test_a_collar_refuses_where_no_price_is_known_yet() -> None:
    answer = check(Limits(price_collar=D("0.02")), entry(100), ACCOUNT._replace(last_price=D(0)))
    assert answer is not None
    assert answer == Refusal("price_collar", "2%", "no price is known yet")


@pytest.mark.parametrize(
    ("change", "price", "order"),
    [
        ("0.5", "100.10", {"side": "buy", "amount": "0.5", "price": "100.10"}),
        ("-0.5", None, {"side": "sell", "amount": "0.5", "price": ""}),
        ("1E-8", "1E+2", {"side": "buy", "amount": "0.00000001", "price": "100"}),
    ],
)
def test_a_refusal_is_kept_with_the_order_that_it_refused(change, price, order) -> None:
    told = Refusal("max_order", "1 USDT", "2 USDT", "a").told(D(change), None if price is None else D(price))
    assert told == {"limit": "max_order", "bound": "1 USDT", "value": "2 USDT", "of": "a"} | order
