"""Bugs planted on purpose, each of a kind that costs money, and the first seed that catches it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from unittest import mock

from autotrader.core.errors import AmbiguousSubmit
from autotrader.execution.order_state import DONE, OrderState
from autotrader.execution.reconcile import leave
from autotrader.runtime import balances, together, trader
from autotrader.runtime.account import Account
from autotrader.runtime.daemon import Daemon
from autotrader.runtime.desk import Applied, Desk
from autotrader.runtime.protect import Protector
from autotrader.runtime.trader import Trader
from autotrader.store.journal import Journal
from autotrader.venues.ccxt import account, trades
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient
from autotrader.venues.ccxt.store import CcxtStore

Plant = Callable[[contextlib.ExitStack], None]


def _swap(stack: contextlib.ExitStack, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    stack.enter_context(mock.patch.object(owner, name, make(getattr(owner, name))))


def blind_resend(stack: contextlib.ExitStack) -> None:
    """An order without an answer is sent again."""

    def make(real: Any) -> Any:
        async def submit(self: Any, *args: Any, **more: Any) -> Any:
            try:
                return await real(self, *args, **more)
            except AmbiguousSubmit:
                return await real(self, *args, **more)

        return submit

    _swap(stack, CcxtClient, "submit", make)


def late_fill_forgotten(stack: contextlib.ExitStack) -> None:
    """An order is over with its cancel, and a fill that comes later is passed over."""
    cancel_believed(stack)

    def make(real: Any) -> Any:
        def on_fill(self: Any, fill: Any) -> Any:
            order = self.journal.find_order(fill.client_id)
            return Applied(None, None) if order is not None and order.state in DONE else real(self, fill)

        return on_fill

    _swap(stack, Desk, "on_fill", make)


def left_working(stack: contextlib.ExitStack) -> None:
    """A way out leaves the orders working that it should cancel."""
    _swap(stack, trader, "leave", lambda _: lambda *args: leave(*args)._replace(cancel=()))


def no_gate(stack: contextlib.ExitStack) -> None:
    """No limit is looked at."""
    _swap(stack, Trader, "gate", lambda _: lambda *_args: None)


def coming_not_counted(stack: contextlib.ExitStack) -> None:
    """Limits count what is held, and not the orders that are under way."""

    def exposures(self: Any, owner: str = "") -> dict[str, Decimal]:
        legs = [leg for leg in self.legs.values() if not owner or leg.owner == owner]
        return {leg.symbol: self.value(leg) for leg in legs if leg.position.amount}

    _swap(stack, Account, "exposures", lambda _: exposures)


def not_written_ahead(stack: contextlib.ExitStack) -> None:
    """An order is written once its exchange answered, not before it leaves."""

    def make(real: Any) -> Any:
        def order(self: Any, row: Any) -> None:
            if row.state is not OrderState.INTENT:
                real(self, row)

        return order

    _swap(stack, Journal, "order", make)


def fill_twice(stack: contextlib.ExitStack) -> None:
    """A fill that is told again is applied again."""

    def make(real: Any) -> Any:
        def fill(self: Any, *args: Any) -> bool:
            real(self, *args)
            return True

        return fill

    _swap(stack, Journal, "fill", make)


def cancel_believed(stack: contextlib.ExitStack) -> None:
    """A cancel is taken for done, with no more filled than was known."""

    def make(real: Any) -> Any:
        async def cancel(self: Any, client_id: str) -> Any:
            known = self._opened().filled(client_id)
            return (await real(self, client_id))._replace(status="canceled", filled=known)

        return cancel

    _swap(stack, CcxtAccount, "cancel", make)


def dead_at_once(stack: contextlib.ExitStack) -> None:
    """An order that is not found is declared never to have arrived, at once."""
    _swap(stack, account, "SETTLE_MS", lambda _: 0)


def cursor_too_far(stack: contextlib.ExitStack) -> None:
    """Trades are read from where the last reading ended, and never again."""

    def make(real: Any) -> Any:
        def move(self: Any, symbol: str, ms: int) -> None:
            real(self, symbol, max(ms, self.cursors().get(symbol, 0)))

        return move

    _swap(stack, trades, "OVERLAP_MS", lambda _: 0)
    _swap(stack, CcxtStore, "move", make)


def locks_forgotten(stack: contextlib.ExitStack) -> None:
    """A restart lifts pauses and the kill switch."""

    def make(real: Any) -> Any:
        def flags(self: Any, exits_only: str) -> Any:
            unready = real(self, exits_only)
            self.loop.trader.paused, self.loop.trader.killed = {}, ""
            return unready

        return flags

    _swap(stack, Daemon, "_flags", make)


def minute_forgotten(stack: contextlib.ExitStack) -> None:
    """A restart forgets which orders were sent within the last minute."""
    _swap(stack, Desk, "recall", lambda _: lambda _self: None)


def replaced_too_soon(stack: contextlib.ExitStack) -> None:
    """What an order filled between the decision to replace it and its cancel is not counted."""

    def make(real: Any) -> Any:
        def draft(self: Any, *args: Any) -> Any:
            staged = real(self, *args)
            staged.filled = dict.fromkeys(staged.cancel, Decimal("Infinity"))
            return staged

        return draft

    _swap(stack, Desk, "draft", make)


def stop_left(stack: contextlib.ExitStack) -> None:
    """A way out leaves the stop resting at the exchange."""

    def make(_: Any) -> Any:
        def out(leg: Any, *args: Any) -> Any:
            steps, stops = leave(leg, *args), {order.client_id for order in leg.working("stop")}
            return steps._replace(cancel=tuple(one for one in steps.cancel if one not in stops))

        return out

    _swap(stack, trader, "leave", make)
    _swap(stack, Protector, "follow", lambda real: lambda self, leg, ms: leg.position.amount and real(self, leg, ms))


def stop_forgotten(stack: contextlib.ExitStack) -> None:
    """No stop is placed at the exchange."""
    _swap(stack, Protector, "follow", lambda _: lambda *_args: None)


def touch_missed(stack: contextlib.ExitStack) -> None:
    """Prices that come one by one are not held against the stops."""
    _swap(stack, Protector, "on_event", lambda _: lambda *_args: False)


def half_kept(stack: contextlib.ExitStack) -> None:
    """A trade of two coins of which one failed is left as it is."""
    _swap(stack, together, "tend", lambda _: lambda *_args: False)


def trade_forgotten(stack: contextlib.ExitStack) -> None:
    """A changed declaration forgets the trades that were under way."""
    _swap(stack, together, "carry", lambda _: lambda *_args: None)


def funding_twice(stack: contextlib.ExitStack) -> None:
    """What funding moved is booked each time it is told."""

    def make(real: Any) -> Any:
        def book(loop: Any, exchange: str, told: Any) -> None:
            with loop.journal.write():
                loop.journal.flag(f"funding {exchange}", {})
            real(loop, exchange, told)

        return book

    _swap(stack, balances, "book_funding", make)


def contracts_for_coins(stack: contextlib.ExitStack) -> None:
    """Amounts of a swap are sent as if its contracts were coins."""
    _swap(stack, CcxtClient, "size_of", lambda _: lambda *_args: Decimal(1))


def paid_in_twice(stack: contextlib.ExitStack) -> None:
    """What was paid in or out moves the baselines, and its cash is written some time later."""

    def make(real: Any) -> Any:
        def moved(self: Any, exchange: str, amount: Any) -> None:
            with mock.patch.object(self.journal, "progress"):
                real(self, exchange, amount)

        return moved

    _swap(stack, Trader, "money_moved", make)


PLANTED: dict[str, Plant] = {
    one.__name__: one
    for one in (
        blind_resend, late_fill_forgotten, left_working, no_gate, coming_not_counted, not_written_ahead, fill_twice,
        cancel_believed, dead_at_once, cursor_too_far, locks_forgotten, minute_forgotten, replaced_too_soon, stop_left,
        stop_forgotten, touch_missed, half_kept, trade_forgotten, funding_twice, contracts_for_coins, paid_in_twice,
    )
}  # fmt: skip


@contextlib.contextmanager
def planted(name: str) -> Iterator[None]:
    """Live with a bug."""
    with contextlib.ExitStack() as stack:
        PLANTED[name](stack)
        yield
