"""What goes wrong around the daemon, and what people do on the same account."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from simulation.protection import BACK_S

if TYPE_CHECKING:
    from simulation.world import World

D = Decimal

MOST_S = 28_800.0
"""The longest that a run may take."""


class Trouble:
    """Everything of one run that is planned before it begins."""

    def __init__(self, world: World) -> None:
        self._world = world

    def plan(self, order_about: Callable[[], None]) -> None:
        """Plan what goes wrong and what people do, up to the longest time that a run may take."""
        world = self._world
        for (first_s, last_s), (least_s, most_s), act in (
            ((60.0, 60.0), (60.0, 300.0), self._person),
            ((30.0, 30.0), (300.0, 1_500.0), self._doom),
            ((200.0, 1_000.0), (900.0, 3_000.0), self._outage),
            ((400.0, 2_000.0), (500.0, 3_000.0), self._set_clock),
            ((600.0, 3_000.0), (1_500.0, 6_000.0), self._fill_disk),
            ((100.0, 400.0), (100.0, 700.0), order_about),
        ):
            at = world.rng.uniform(first_s, last_s)
            while at < MOST_S:
                world.universe.after(at, act)
                at += world.rng.uniform(least_s, most_s)

    def _doom(self) -> None:
        world = self._world
        if not world.mean or world.loop is None:
            return
        kind = world.rng.choice(["await", "statement", "order"])
        steps = world.rng.randint(1, {"await": 400, "statement": 80, "order": 40}[kind])
        world.mortal.doom(kind, steps)

    def _set_clock(self) -> None:
        """Let somebody set the machine's time."""
        world = self._world
        if world.mean:
            world.clock.skew_ms += world.rng.choice([-90_000, -6_000, -2_000, 2_000, 6_000, 90_000])
            world.faults.counts["clock"] += 1
            world.trace(f"fault the machine's time is off by {world.clock.skew_ms} ms now")

    def _fill_disk(self) -> None:
        world, seconds = self._world, self._world.rng.uniform(0.5, 30.0)
        if not world.mean:
            return
        world.trace(f"fault the disk is full for {seconds:.0f} s")
        world.faults.counts["disk"] += 1
        world.disk.full = True
        world.universe.after(seconds, self._free_disk)

    def _free_disk(self) -> None:
        self._world.disk.full = False

    def _outage(self) -> None:
        world, seconds = self._world, self._world.rng.uniform(5.0, 100.0)
        if not world.mean:
            return
        world.trace(f"fault outage of {seconds:.0f} s")
        world.faults.counts["outage"] += 1
        world.exchange.down = True
        if world.client is not None:
            for channel in world.client.channels.values():
                channel.drop()
        world.protection.excuse("", seconds + BACK_S)
        world.universe.after(seconds, self._back)

    def _back(self) -> None:
        self._world.exchange.down = False

    def _person(self) -> None:
        """Let a person trade on the same account, pay in, or out."""
        world = self._world
        rng, exchange = world.rng, world.exchange
        what, symbol = rng.choice(["pay", "buy", "sell", "rest", "dust"]), rng.choice(sorted(exchange.coins))
        coin = exchange.coins[symbol]
        if not world.mean or exchange.down or (exchange.swap and what not in {"pay", "buy"}):
            return  # on a swap somebody else's orders would be of the same position
        if what == "pay" or exchange.swap:
            exchange.move("USDT", D(rng.randint(-300, 400)))
        elif what == "dust":
            exchange.move(coin.base, coin.lot * rng.randint(1, 9) / 10)
        else:
            side = 1 if what != "sell" else -1
            amount = coin.up(D(rng.randint(10, 80)) / coin.price)
            if side < 0 and exchange.foreign.get(coin.base, D(0)) < amount * 2:
                return
            price = None if what != "rest" else coin.ticks * coin.tick - 20 * coin.tick
            exchange.create(symbol, "market" if price is None else "limit", side, amount, price, f"web_{rng.random()}")
        world.trace(f"a person: {what} {symbol}")
