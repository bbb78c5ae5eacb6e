"""Instruments, fills, orders and legs for tests of what is pure."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

import pytest

from autotrader.execution.ledger import Position
from autotrader.execution.leg import Leg, Policy
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Fill, Order, Reason
from autotrader.market.instrument import Instrument

D = Decimal
_ids = count(1)


def make_instrument(**changes) -> Instrument:
    values = {
        "exchange": "paper",
        "symbol": "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "market": "spot",
        "tick": D("0.01"),
        "lot": D("1e-8"),
    }
    return Instrument(**(values | changes))


def make_fill(side: int, amount, price=100, fee=0, **changes) -> Fill:
    amount, price = D(amount), D(price)
    fill = Fill(
        next(_ids), "at1", "paper", "BTC/USDT", side, price, amount, price * amount, D(fee), "USDT", 1_000, False,
        "exit", "g",
    )  # fmt: skip
    return fill._replace(**changes)


def make_order(client_id: str, purpose: str, side: int, amount, price=None, filled=0, **changes) -> Order:
    order = Order(
        client_id, "", "a", "paper", "BTC/USDT", side, "market" if price is None else "limit",
        None if price is None else D(price), D(amount), D(filled), None, OrderState.OPEN, Reason.ENTRY, purpose, "g",
        1, 1, 1_000, 1_000,
    )  # fmt: skip
    return order._replace(**changes)


def make_leg(held="0", orders=(), *, policy: Policy | None = None, **changes) -> Leg:
    held = D(held)
    cost = abs(held) * 100
    position = (
        Position(amount=held, in_amount=abs(held), in_cost=cost, in_value=cost, open_cost=cost, opened_ms=1_000)
        if held
        else Position()
    )
    leg = Leg("a", "paper", "BTC/USDT", "5m", "5m", make_instrument(), position=position, policy=policy or Policy())
    for name, value in changes.items():
        setattr(leg, name, value)
    for order in orders:
        leg.keep(order)
    return leg


@pytest.fixture
def instrument() -> Instrument:
    return make_instrument()


@pytest.fixture
def new():
    """Makers by name, so that tests need no import of each other."""

    class Makers:
        instrument = staticmethod(make_instrument)
        fill = staticmethod(make_fill)
        order = staticmethod(make_order)
        leg = staticmethod(make_leg)

    return Makers
