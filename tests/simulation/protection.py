"""Whether every guarded position is left in time once its stop was touched, and has its stop at the exchange till then.

Counted are seconds of fair weather, added up: the daemon lives and has begun, the exchange is up and not left alone
after errors, and nothing that was asked of it for this position is under way or was spoiled within EXCUSED_S. Within
DEADLINE_S of them, from the moment at which a price at the stop was told, an exit must be at the exchange or on its
way; within RESTS_S a stop must rest there where the exchange takes stops, but not for AGAIN_S after it refused one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from autotrader.execution.leg import Leg
from autotrader.execution.protect import MOVE_EVERY_MS, held_of
from autotrader.market import fills
from autotrader.runtime.daemon import Daemon
from autotrader.runtime.protect import PROTECT_S
from autotrader.runtime.together import LONGEST_PAUSE_MS
from simulation.client import EXCUSED_S, Client, group_of
from simulation.declarations import EVEN_S
from simulation.exchange import MIN_COST, Exchange, Made, Placed

D = Decimal
ZERO = D(0)

DEADLINE_S = PROTECT_S + 2
"""Of fair weather: the promise, and the seconds in which time is counted here and there."""

RESTS_S = MOVE_EVERY_MS / 1000 + PROTECT_S + 3
"""Of fair weather, until all of a position is covered: a stop stands for a while before it is moved to a new amount."""

TOLD_S = 30.0
"""How long a fill, and that its order is over, may stay untold: until then an exit is believed to be under way."""

BEGUN_S, BACK_S = 5.0, EXCUSED_S
"""How long after a start, and after an outage, nothing is counted: streams begin, a client tries ever less often."""

UNEVEN = D("0.2")
"""The share by which two coins that were bought for the same money may differ: prices move, and lots are whole."""

NEAR = D("1.001")
"""A price so near to the stop is not one at which an exchange takes it."""


@dataclass(slots=True)
class Case:
    """One position: since when it is to be left, and the seconds of fair weather without an exit, or without a stop."""

    touched_us: int = 0
    counted: bool = False
    late_s: float = 0.0
    bare_s: float = 0.0


class Protection:
    """Looks each second at the positions of the living daemon, as the exchange truly holds them."""

    def __init__(self, exchange: Exchange, wrong: Any) -> None:
        self.exchange, self._wrong = exchange, wrong
        self.stops: dict[str, Decimal] = {}
        self.touches = self.fair = self.rested = self.pairs = 0
        self._even, self._uneven_s = False, 0.0
        self.worst_s = 0.0
        self._cases: dict[str, Case] = {}
        self._bought: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
        self._held: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._filled_us: dict[str, int] = defaultdict(lambda: -(10**12))
        self._reduced_us: dict[str, int] = defaultdict(lambda: -(10**12))
        self._excused_us: dict[str, int] = defaultdict(int)

    def on_fill(self, order: Placed, made: Made) -> None:
        """Keep what each position truly holds, and was paid for it."""
        if not order.ours:
            return
        group = group_of(order.client_id)
        in_base = made.fee_currency == self.exchange.coins[order.symbol].base
        self._filled_us[group] = self.exchange.universe.now_us
        self._held[group] += made.side * made.amount - (made.fee if in_base else ZERO)
        if made.side < 0:
            self._reduced_us[group] = self.exchange.universe.now_us
        if made.side > 0:
            amount, cost = self._bought[group]
            self._bought[group] = amount + made.amount, cost + made.amount * made.price

    def excuse(self, what: str, seconds: float) -> None:
        """Count nothing for so long: of a position's group, of `quotes SYMBOL`, or where it is empty of anything."""
        until_us = self.exchange.universe.now_us + round(seconds * 1e6)
        self._excused_us[what] = max(self._excused_us[what], until_us)

    def begin(self) -> None:
        """Forget what a process knew: another one has begun."""
        self._cases.clear()
        self._uneven_s = 0.0
        self.excuse("", BEGUN_S)

    def told(self, symbol: str, daemon: Daemon) -> None:
        """Note that the daemon was told a symbol's price as it is now."""
        price = self.exchange.coins[symbol].price
        for leg in _guarded(daemon):
            level = self._level(leg)
            if leg.symbol == symbol and level is not None and price <= level:
                case = self._case(leg)
                case.touched_us = case.touched_us or self.exchange.universe.now_us

    def second(self, daemon: Daemon, client: Client, *, alone: bool) -> None:
        """Let a second pass; `alone` says that the exchange is left alone after errors."""
        self._look_at_pair(daemon, client, alone=alone)
        legs = _guarded(daemon)
        groups = {leg.group for leg in legs}
        self._cases = {group: case for group, case in self._cases.items() if group in groups}
        for leg in legs:
            self._look(leg, client, alone=alone)

    def _look(self, leg: Leg, client: Client, *, alone: bool) -> None:
        declared, level = self.stops.get(leg.owner), self._level(leg)
        if declared is not None and (leg.guard.stop_loss is None or D(str(leg.guard.stop_loss)) != declared):
            self._wrong(f"{leg.owner} {leg.symbol} has the stop {leg.guard.stop_loss}, and {declared} is declared")
        if level is None:
            return
        case, price = self._case(leg), self.exchange.coins[leg.symbol].price
        open_ = [one for one in self.exchange.orders.values() if one.status == "open" and one.side < 0]
        ours = [one for one in open_ if group_of(one.client_id) == leg.group]
        leaving = any(one.price is None and one.stop is None for one in ours)
        fair = not alone and not client.busy(leg.group) and not self._excused(leg.group)
        since_us = self.exchange.universe.now_us - round(TOLD_S * 1e6)
        if leg.working("exit") and self._filled_us[leg.group] > since_us:
            fair = False
        if leg.working("stop") and self._reduced_us[leg.group] > since_us:  # how much of it filled is not told yet
            fair = False
        left = min(self._held[leg.group], leg.position.amount)
        tradable = left * price >= MIN_COST * D("1.1")
        if case.touched_us or (price <= level and not self._excused(f"quotes {leg.symbol}")):
            if leaving or not tradable:
                self._done(case)
            elif fair:
                case.late_s += 1.0
                self.worst_s = max(self.worst_s, case.late_s)
                if case.late_s > DEADLINE_S:
                    self._wrong(f"{leg.owner} {leg.symbol} is below its stop {level:f}, and no exit is under way")
            return
        stopped = sum((one.left for one in ours if one.stop is not None), ZERO)
        enters = any(order.type == "market" for order in leg.working("entry"))
        due = client.keeps_stops and tradable and not leg.exit_reason and not enters and price > level * NEAR
        if not due or stopped >= self.exchange.coins[leg.symbol].down(left):
            self.rested += due
            case.bare_s = 0.0
        elif fair and not self._excused(f"stop {leg.group}"):
            case.bare_s += 1.0
            if case.bare_s > RESTS_S:
                self._wrong(f"{leg.owner} {leg.symbol} holds {left}, and its stops cover {stopped}")

    def _look_at_pair(self, daemon: Daemon, client: Client, *, alone: bool) -> None:
        """Hold the two legs of a trade against each other: after its deadline neither is there without the other."""
        legs = [leg for leg in daemon.loop.desk.legs.values() if leg.owner == "pair"]
        worth = [self._held[leg.group] * self.exchange.coins[leg.symbol].price for leg in legs]
        if len(legs) < 2 or max(worth) - min(worth) <= max(UNEVEN * max(worth), MIN_COST * 2):
            self.pairs += len(legs) == 2 and min(worth) > MIN_COST * 2 and not self._even
            self._even, self._uneven_s = len(legs) == 2 and min(worth) > MIN_COST * 2, 0.0
            return
        now_us = self.exchange.universe.now_us
        works = any(leg.working("slot_exit") or leg.exit_reason for leg in legs)
        told = all(now_us - self._filled_us[leg.group] >= TOLD_S * 1e6 for leg in legs)
        excused = any(client.busy(leg.group) or self._excused(leg.group) for leg in legs)
        if alone or excused or not told or works:
            return
        self._uneven_s += 1.0
        if self._uneven_s > EVEN_S + LONGEST_PAUSE_MS / 1000 + 2:
            self._wrong(f"pair holds {worth[0]:.0f} of {legs[0].symbol} and {worth[1]:.0f} of {legs[1].symbol}")

    def _done(self, case: Case) -> None:
        if case.touched_us and not case.counted:
            self.touches += 1
            self.fair += not case.late_s
            case.counted = True
        case.touched_us, case.late_s = 0, 0.0

    def _excused(self, what: str) -> bool:
        return self.exchange.universe.now_us < max(self._excused_us[what], self._excused_us[""])

    def _case(self, leg: Leg) -> Case:
        return self._cases.setdefault(leg.group, Case())

    def _level(self, leg: Leg) -> Decimal | None:
        """Return the price at or below which a position is surely at its stop: by its own book, and by ours."""
        held = held_of(leg)
        if held is None:
            return None
        code, level = fills.stop_of(held)
        if code == fills.NO_EXIT:
            return None
        found = leg.instrument.price(max(int(level) - 1, 1))
        amount, cost = self._bought[leg.group]
        if amount and code == fills.STOP_LOSS and leg.owner in self.stops:
            found = min(found, cost / amount * (1 - self.stops[leg.owner]))
        return found


def _guarded(daemon: Daemon) -> list[Leg]:
    return [leg for leg in daemon.loop.desk.legs.values() if leg.guarded]
