"""One run: the whole daemon on virtual time against a faulty exchange, with deaths and a person who meddles."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from apscheduler.schedulers import base as scheduler
from apscheduler.triggers import interval

from autotrader.app import Loader, make_account, make_metrics
from autotrader.core.errors import AutotraderError, ConfigError, StoreError
from autotrader.runtime.daemon import Daemon, Seams
from autotrader.runtime.notify import Notifier
from autotrader.store.journal import Journal
from autotrader.strategies import registry
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.feed import OwnNames
from autotrader.venues.ccxt.quirks import TELLS_FUNDING
from autotrader.venues.ccxt.venue import CcxtVenue
from autotrader.venues.live.feed import Connection, ExchangeClock, LiveSettings
from autotrader.venues.live.market import LiveMarket
from simulation import basket
from simulation.client import Client
from simulation.declarations import BOUNDS, changed, exits, write_folder
from simulation.exchange import Exchange, Made, Placed
from simulation.invariants import Broken, Watch, at_end
from simulation.network import Faults
from simulation.protection import Protection
from simulation.trouble import MOST_S, Trouble
from simulation.virtual import (
    FULL,
    START_MS,
    Circle,
    Death,
    Disk,
    Mortal,
    MortalConnection,
    Universe,
    VirtualClock,
    VirtualLoop,
    virtual_datetime,
)

D = Decimal
VENUE = "sim"
RESTART_S = 10.0
"""How long the service manager waits, as `systemd/autotrader.service` says."""

MIN_ORDERS, MIN_FAULTS = 50, 20
LEAST_S = 2_400.0
SETTLE_S = 420.0
QUIET_S, REST_S = 60.0, 900.0
"""A run ends once no order was asked for so long; which it must come to within REST_S."""

EXCHANGES = ("binance", "okx", "gateio")
"""Whose ways of finding an order the account uses: by our id, and by searching."""

SWAPS = ("okx", "bybit")
"""The same for swaps: one tells its funding, at the other stops rest."""

SWAP = 0.3
"""The share of seeds that trade swaps."""

HOUR_US = 3_600_000_000

TRACE_LINES = 50

DISTURBED = 0.01
"""How often, in each of its seconds, a trade of two coins has its declaration changed."""

BASE_FEES = 0.3
"""The share of buys whose fee is taken in the coin that is bought."""


class Result:
    """What a run came to."""

    def __init__(self, world: World) -> None:
        exchange = world.exchange
        self.seed = world.seed
        self.orders = sum(one.ours for one in exchange.orders.values())
        self.fills = len(exchange.fills)
        self.faults = sum(world.faults.counts.values())
        self.kinds = dict(world.faults.counts)
        self.deaths = list(world.deaths)
        self.starts = world.starts
        self.virtual_s = world.universe.now_us / 1e6
        self.digest = world.digest.hexdigest()
        protection = world.protection
        self.touches, self.fair, self.worst_s = protection.touches, protection.fair, protection.worst_s
        self.rested_s, self.pairs = protection.rested, protection.pairs


class World:
    """Everything of one seed. `run` raises Broken, with the seed, the deaths and the end of the trace."""

    def __init__(self, seed: int, folder: Path, *, verbose: bool = False) -> None:
        self.seed, self.root, self.verbose = seed, folder / "root", verbose
        self.rng = Random(f"world {seed}")
        self.universe = Universe()
        self.faults = Faults(Random(f"faults {seed}"))
        market = Random(f"market {seed}")
        self.swap = market.random() < SWAP
        self.exchange = Exchange(
            self.universe,
            Random(f"exchange {seed}"),
            base_fees=0.0 if self.swap else BASE_FEES,
            lag=self.faults.lag,
            swap=self.swap,
        )
        self.id = self.rng.choice(EXCHANGES)
        if self.swap:
            self.id = market.choice(SWAPS)
            self.exchange.tells_funding = self.id in TELLS_FUNDING
            self._settle(market)
        self.streams = self.rng.random() < 0.6
        self.watch = Watch(self.exchange, BOUNDS)
        self.watch.owner_of = self._owner_of
        self.clock = VirtualClock(self.universe)
        self.digest = hashlib.blake2b(digest_size=16)
        self.lines: list[str] = []
        self.deaths: list[str] = []
        self.starts = 0
        self.cash = D(0)
        self.mortal = Mortal(lambda: None)
        self.disk = Disk()
        self.loop: VirtualLoop | None = None
        self.daemon: Daemon | None = None
        self.client: Client | None = None
        self.asking: CcxtClient | None = None
        self.ready = False
        self.mean = True
        self._snapshot = folder / "snapshot"
        self._owners: dict[str, str] = {}
        self.exits = exits(self.rng)
        self.protection = Protection(self.exchange, self.watch.wrong)
        self.protection.stops = self.exits.stops
        self.watch.also = self.protection.on_fill
        write_folder(self.root, self.rng, self.exits, "swap" if self.swap else "spot")

    def _settle(self, market: Random) -> None:
        """Let funding be settled at each whole hour, while anything goes wrong."""
        ahead_us = HOUR_US - START_MS * 1000 % HOUR_US
        for hour in range(round(MOST_S / 3600) + 1):
            rate = D(market.randint(-30, 30)) / 10_000
            self.universe.after(
                (ahead_us + hour * HOUR_US) / 1e6, lambda rate=rate: self.exchange.settle(rate) if self.mean else None
            )

    # one run

    def run(self) -> Result:
        """Live through one seed, then compare. Raises Broken."""
        with self._seams():
            try:
                self._live()
            except Broken:
                raise
            except (AutotraderError, Circle) as error:
                raise self._broken([f"{type(error).__name__}: {error}"]) from error
            finally:
                self._bury()
        wrong = at_end(self.watch, self.root / "var" / "autotrader.db", self.cash)
        if wrong:
            raise self._broken(wrong)
        result = Result(self)
        if result.orders < MIN_ORDERS or result.faults < MIN_FAULTS:
            raise self._broken([f"a run of {result.orders} orders and {result.faults} faults proves little"])
        return result

    def trace(self, line: str) -> None:
        """Note something that happened."""
        text = f"{self.universe.now_us / 1e6:12.6f} {line}"
        self.digest.update(text.encode())
        self.lines.append(text)
        if self.verbose:
            print(text)

    def _broken(self, wrong: list[str]) -> Broken:
        told = "\n  ".join(wrong[:12])
        deaths = "; ".join(self.deaths) or "none"
        tail = "\n".join(self.lines[-TRACE_LINES:])
        return Broken(
            f"seed {self.seed}: {told}\ndeaths: {deaths}\nthe last of its trace:\n{tail}\n"
            f"replay it: python -m tests.simulation {self.seed}"
        )

    @contextlib.contextmanager
    def _seams(self) -> Iterator[None]:
        """Put time, chance and files of third parties under the run's control."""
        moment = virtual_datetime(self.universe)
        numbers = Random(f"names {self.seed}")
        world = self

        def connect(path: Any, **options: Any) -> sqlite3.Connection:
            if options.get("uri"):
                return real(path, **options)
            made = real(path, factory=MortalConnection, **options)
            made.mortal, made.disk = world.mortal, world.disk
            world.mortal.files.append(made)
            return made

        real = sqlite3.connect
        with (
            mock.patch.object(scheduler, "datetime", moment),
            mock.patch.object(interval, "datetime", moment),
            mock.patch.object(secrets, "token_hex", lambda size: numbers.randbytes(size).hex()),
            mock.patch.object(sqlite3, "connect", connect),
        ):
            yield

    def _live(self) -> None:
        universe = self.universe
        self.exchange.second = self._second
        self.exchange.told = self._told
        Trouble(self).plan(self._order_about)
        while not self._lived():
            self._incarnation(self._lived)
        self.mean = self.faults.on = self.disk.full = False
        self.exchange.down = False
        self.trace("faults end")
        end_us = universe.now_us + round(SETTLE_S * 1e6)
        universe.after(120.0, lambda: self._command("unlock"))
        universe.after(180.0, lambda: self._command("pause"))
        universe.after(240.0, self._hold)
        while not self._quiet(end_us):
            self._incarnation(lambda: self._quiet(end_us))
        self._stop()

    def _quiet(self, end_us: int) -> bool:
        """Tell whether all has come to rest; a while after that should have been it may not go on."""
        now_us = self.universe.now_us
        if now_us > end_us + REST_S * 1e6:
            raise self._broken([f"orders are still asked for {REST_S:.0f} s after all should be over"])
        return now_us >= end_us and now_us - self.exchange.asked_us > QUIET_S * 1e6

    def _hold(self) -> None:
        self.exchange.still = True

    def _lived(self) -> bool:
        now_s = self.universe.now_us / 1e6
        if now_s < LEAST_S:
            return False
        enough = sum(one.ours for one in self.exchange.orders.values()) >= MIN_ORDERS
        return now_s >= MOST_S or (enough and sum(self.faults.counts.values()) >= MIN_FAULTS and len(self.deaths) >= 2)

    def _second(self) -> None:
        """Show the living what moved; every some seconds, and where a bar begins."""
        if self.client is None or self.exchange.still or self.exchange.down:
            return
        for symbol in self.exchange.coins:
            self.client.hear_quote(symbol)
        if self.ready and self.daemon is not None and self.asking is not None:
            self.protection.second(self.daemon, self.client, alone=self.asking.breaker.open)
            self._disturb(self.daemon)
        second = self.universe.now_us // 1_000_000 % 60
        if second in {0, 1} or second % 12 == 5:
            for symbol, coin in self.exchange.coins.items():
                self.client.hear(symbol, [list(bar) for bar in coin.bars[-2:]])

    def _shown(self, symbol: str) -> None:
        """Note that the living were shown a quote."""
        if self.ready and self.daemon is not None:
            self.protection.told(symbol, self.daemon)

    def _told(self, order: Placed, made: Made | None) -> None:
        """Show the living what became of an order, by the account's streams."""
        if self.client is not None and not self.exchange.down:
            self.client.hear_account(order, made)

    # lives

    def _incarnation(self, done: Any) -> None:
        """Start a process and let it live until it ends, or until something is so."""
        if self.daemon is None:
            self._wait(RESTART_S if self.starts else 0.0)
            self._born()
        assert self.loop is not None
        assert self.daemon is not None
        daemon, loop = self.daemon, self.loop
        try:
            if not self.ready:
                starting = loop.create_task(daemon.start())
                loop.run_until(starting.done)
                starting.result()
                self.ready = True
                self.protection.begin()
                self.trace(f"ready, generation {daemon.reloader.generation}")
                if daemon.loop.trader.exits_only:
                    self.trace(f"exits only: {daemon.loop.trader.exits_only}")
                    self._command("resume")
            loop.run_until(lambda: daemon.stopping.is_set() or done())
            if daemon.stopping.is_set():
                self._ended(repr(daemon.failure), daemon.failure)
        except Death:
            self.deaths.append(f"{self.universe.now_us / 1e6:.3f} s {self.mortal.died_of}")
            self.trace(f"dies at a step of kind {self.mortal.died_of}")
            self._bury()
            shutil.rmtree(self.root)
            self._snapshot.rename(self.root)
        except ConfigError:
            raise
        except AutotraderError as error:
            self.trace(f"cannot start: {type(error).__name__}: {error}")
            self._bury()

    def _ended(self, why: str, failure: BaseException | None) -> None:
        self.trace(f"the daemon stops by itself: {why.replace(str(self.root), 'ROOT')}")
        if isinstance(failure, StoreError) and FULL in str(failure):
            self._bury()
            return
        raise self._broken([f"the daemon stopped by itself: {why}"]) from failure

    def _stop(self) -> None:
        assert self.loop is not None
        assert self.daemon is not None
        if self.loop.errors:
            raise self._broken(self.loop.errors)
        self.cash = self.daemon.loop.accounts[VENUE].cash
        stopping = self.loop.create_task(self.daemon.stop())
        self.loop.run_until(stopping.done)
        stopping.result()

    def _wait(self, seconds: float) -> None:
        until_us = self.universe.now_us + round(seconds * 1e6)
        while self.universe.next_us() < until_us:
            self.universe.happen()
        self.universe.now_us = until_us

    def _born(self) -> None:
        self.starts += 1
        self.mortal = mortal = Mortal(self._copy)
        self.loop = VirtualLoop(self.universe, mortal)
        self.clock.skew_ms = self.rng.randint(-1_500, 1_500)
        self.client = client = Client(
            self.exchange,
            self.faults,
            mortal,
            self.trace,
            account_streams=self.streams,
            excuse=self.protection.excuse,
            machine_ms=self.clock.now_ms,
        )
        client.shown = self._shown
        self.ready = False
        self.daemon = Daemon(self._of_daemon(client), Notifier({}))
        self.trace(f"start {self.starts}")

    def _of_daemon(self, made: Client) -> Seams:
        loader = Loader(self.root, {**registry.params(), "basket": basket.Params})
        random = Random(f"jitter {self.seed} {self.starts}")
        settings = CcxtSettings(VENUE, self.id, market="swap" if self.swap else "spot")

        def venue(name: str, _: Any) -> Any:
            self.asking = client = CcxtClient(settings, self.clock, lambda _: made, random)
            account = CcxtAccount(client, self.root / "var" / f"account-{name}.db")
            made.keeps_stops = account.keeps_stops
            clock = ExchangeClock(self.clock, client.now_ms)
            ticks = {symbol: coin.tick for symbol, coin in self.exchange.coins.items()}
            live = LiveSettings(name, market="swap" if self.swap else "spot")
            market = LiveMarket(lambda: Connection(OwnNames(client), ticks), live, clock, random.random)
            return CcxtVenue(account, market)

        async def quiet() -> AsyncIterator[None]:
            return
            yield None

        return Seams(
            root=self.root,
            kinds={**registry.kinds(), "basket": registry.checked(basket)},
            load=loader,
            load_texts=loader.texts,
            venue=venue,
            account=make_account,
            metrics=lambda name, declared: make_metrics(self.root, name, declared),
            adjust=lambda *_: None,
            watch=quiet,
            journal=Journal,
            page=None,
            clock=self.clock,
        )

    def _copy(self) -> None:
        """Keep the files as they are on the disk now: what a dead process leaves."""
        shutil.rmtree(self._snapshot, ignore_errors=True)
        shutil.copytree(self.root, self._snapshot)

    def _bury(self) -> None:
        """End a process as the kernel does: nothing more is written, its locks are let go."""
        daemon, loop = self.daemon, self.loop
        self.daemon = self.loop = self.client = None
        self.ready = False
        self.mortal.dead = True
        if daemon is not None:
            for lock in daemon._locks:
                with contextlib.suppress(OSError):
                    lock.release()
            if daemon.jobs is not None:
                with contextlib.suppress(Exception):
                    daemon.jobs._scheduler._stop_timer()
        if loop is not None:
            loop.bury()

    # what people order

    def _order_about(self) -> None:
        rng = self.rng
        what = rng.choice(["pause", "pause one", "close", "kill", "reload", "reload"])
        name = rng.choice(["trend", "dip", "grid", "swing", "pair"])
        back_s = rng.uniform(60.0, 400.0)
        if not self.mean:
            return
        if what == "reload":
            changed(self.root, rng, self.exits)
            self._command("reload")
        elif what == "close":
            self._command("close", name=name)
        elif what == "kill":
            self._command("kill")
            self.universe.after(back_s, lambda: self._command("unlock"))
        else:
            one = {"name": name} if what == "pause one" else {}
            self._command("pause", **one)
            self.universe.after(back_s, lambda: self._command("resume", **one))

    def _disturb(self, daemon: Daemon) -> None:
        """Change now and then the declaration of a trade of two coins that is under way."""
        pair = daemon.loop.strategies.get("pair")
        trades = pair is not None and any(part.trades for part in pair.parts)
        if trades and self.mean and self.rng.random() < DISTURBED:
            changed(self.root, self.rng, self.exits, "pair")
            self._command("reload")

    def _command(self, command: str, **arguments: str) -> None:
        """Give a command; what it promises holds from its answer on, until the next one is given."""
        watch, name = self.watch, arguments.get("name", "")
        if command == "unlock":
            watch.killed_us = None
        if command == "resume":
            watch.paused_us.pop(name, None)
            if not name:
                watch.paused_us.clear()
        if not self.ready or self.loop is None or self.daemon is None:
            return
        self.trace(f"command {command} {name}")
        daemon = self.daemon

        async def carry_out() -> None:
            try:
                await daemon.commands.handle(command, dict(arguments))
            except AutotraderError as error:
                self.trace(f"{command} refused: {error}")
                return
            self.trace(f"{command} done")
            if command == "kill":
                watch.killed_us = self.universe.now_us
            elif command == "pause":
                watch.paused_us[name] = self.universe.now_us

        self.loop.create_task(carry_out())

    def _owner_of(self, client_id: str) -> str:
        """Return whose order it is, as the living journal says."""
        if client_id not in self._owners and self.daemon is not None and hasattr(self.daemon, "journal"):
            db = self.daemon.journal._db
            row = sqlite3.Connection.execute(
                db, "SELECT strategy FROM orders WHERE client_id = ?", (client_id,)
            ).fetchone()
            self._owners[client_id] = row[0] if row else ""
        return self._owners.get(client_id, "")


def simulate(seed: int, *, verbose: bool = False) -> Result:
    """Run one seed in a folder of its own. Raises Broken."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="sim-", dir=memory if memory.is_dir() else None) as folder:
        return World(seed, Path(folder), verbose=verbose).run()
