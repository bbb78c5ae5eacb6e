"""`make bench`: the live path: events a second, the loop's lag meanwhile, from a decision to its request on the wire.

50 strategies on 20 symbols, all told by one exchange that never waits. The journal lies on disk, as in earnest.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autotrader.app import Loader, make_account, make_metrics
from autotrader.core.clock import Clock, SystemClock
from autotrader.core.events import Bar, BarClosed, BarsComplete, QuoteChanged
from autotrader.execution.orders import OrderRequest
from autotrader.runtime.daemon import Daemon, Seams
from autotrader.runtime.notify import Notifier
from autotrader.store.journal import Journal
from autotrader.strategies import registry
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.make import make_exchange
from support.exchange import SERIES, FollowingClock, stage, write_history
from support.folders import write
from support.venue import ToldVenue

SYMBOLS = [f"C{number:02}/USDT" for number in range(20)]
STRATEGIES = 50
EVENTS = int(os.environ.get("EVENTS", "60000"))
ORDERS = int(os.environ.get("ORDERS", "300"))
BEGIN_MS = 1_700_000_040_000
EXCHANGE = "kind: ccxt\nid: binance\norders: paper\nbalances: {USDT: 1000000}\n"


class Teller(ToldVenue):
    """Tells what it was given as fast as it is asked, then says that it is over."""

    def __init__(self, events: list[Any]) -> None:
        super().__init__("paper")
        self.remote = True
        self.money = {"USDT": Decimal(1_000_000)}
        self.prepared, self.over = events, asyncio.Event()
        self.go = asyncio.Event()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def subscribe(self, series: Any) -> None: ...

    async def bars(self, *_: Any, **__: Any) -> list[Bar]:
        return []

    async def last(self, series: Any) -> None: ...

    async def funding(self, *_: Any, **__: Any) -> tuple[()]:
        return ()

    async def events(self) -> AsyncIterator[Any]:
        await self.go.wait()
        for event in self.prepared:
            yield event
        self.over.set()
        await asyncio.Event().wait()


def quotes(count: int) -> list[QuoteChanged]:
    """Return quotes of a random walk, one symbol after the other."""
    draw, prices, made = Random(1), [10_000] * len(SYMBOLS), []
    for number in range(count):
        place = number % len(SYMBOLS)
        prices[place] = max(prices[place] + draw.randint(-3, 3), 100)
        bid = prices[place] / 100
        made.append(QuoteChanged(BEGIN_MS + number, "paper", SYMBOLS[place], bid, 1.0, bid + 0.01, 1.0))
    return made


def bars(count: int) -> list[BarClosed | BarsComplete]:
    """Return minutes of a random walk, all symbols at each close."""
    draw, prices, made = Random(2), [10_000] * len(SYMBOLS), []
    for number in range(count // len(SYMBOLS)):
        closed_ms = BEGIN_MS + 60_000 * (number + 1)
        for place, symbol in enumerate(SYMBOLS):
            opened, prices[place] = prices[place], max(prices[place] + draw.randint(-9, 9), 100)
            low, high = sorted((opened, prices[place]))
            row = (opened / 100, high / 100, low / 100, prices[place] / 100)
            made.append(BarClosed(closed_ms, "paper", symbol, "1m", Bar(closed_ms - 60_000, *row, 1.0)))
        made.append(BarsComplete(closed_ms, "paper"))
    return made


def conditions(number: int) -> str:
    """Return rules whose features see every event; a step is taken where a condition becomes true."""
    return f"enter_long: close > 2 * ema(close, {20 + number})\nexit_long: close < ema(close, {10 + number})\n"


def exposure(number: int) -> str:
    """Return a rule of which every event may change what is wanted: each is a step. It enters on few, too."""
    return f"exposure: if(close > 2 * ema(close, {20 + number}), if(close < ema(close, {10 + number}), 0, 1), 0)\n"


def strategy(number: int, wakes: str, rules: Callable[[int], str]) -> str:
    """Return one that decides on every event and enters on few."""
    return (
        f"kind: rules\nexchange: paper\nsymbols: [{SYMBOLS[number % len(SYMBOLS)]}]\n{wakes}\ncapital: 1%\n"
        f"{rules(number)}on_remove: close\n"
    )


@asynccontextmanager
async def running(
    root: Path, teller: Teller, wakes: str, rules: Callable[[int], str] = conditions
) -> AsyncIterator[Daemon]:
    """Run a daemon with all strategies on what a teller tells."""
    files = {"autotrader.yaml": "dashboard: {port: 0}\n", "exchanges.d/paper.yaml": EXCHANGE}
    files |= {f"strategies.d/s{number:02}.yaml": strategy(number, wakes, rules) for number in range(STRATEGIES)}
    loader = Loader(write(root, files))
    clock: Clock = SystemClock()

    async def quiet() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield None

    daemon = Daemon(
        Seams(
            root, registry.kinds(), loader, loader.texts, lambda *_: teller, make_account,
            lambda name, declared: make_metrics(root, name, declared), lambda *_: None, quiet, Journal, None, clock,
        ),
        Notifier({}),
    )  # fmt: skip
    await daemon.start()
    try:
        yield daemon
    finally:
        await daemon.stop()


async def lag(every_s: float, into: list[float]) -> None:
    """Collect by how much the loop is late to wake who sleeps."""
    while True:
        began_s = time.perf_counter()
        await asyncio.sleep(every_s)
        into.append(time.perf_counter() - began_s - every_s)


async def throughput(what: str, events: list[Any], wakes: str, rules: Callable[[int], str] = conditions) -> None:
    with tempfile.TemporaryDirectory() as folder:
        teller = Teller(events)
        async with running(Path(folder), teller, wakes, rules) as daemon:
            late: list[float] = []
            watching = asyncio.create_task(lag(0.005, late))
            began_s = time.perf_counter()
            teller.go.set()
            ends = [asyncio.create_task(one.wait()) for one in (teller.over, daemon.stopping)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            seconds = time.perf_counter() - began_s
            watching.cancel()
            assert daemon.failure is None, daemon.failure
            failed = {one.error for one in daemon.loop.strategies.values() if one.error}
            assert not failed, failed
    told = sum(not isinstance(event, BarsComplete) for event in events)
    print(f"{what:<44} {told / seconds:9,.0f} a second   loop lag p50 {_ms(late, 50)} p99 {_ms(late, 99)}", flush=True)


@contextmanager
def marked(client: CcxtClient, left: list[float]) -> Iterator[None]:
    """Note when each order's request is about to be written to its connection."""
    session = client.exchange.session
    request = session._request

    async def noted(method: str, url: Any, **more: Any) -> Any:
        if method.upper() == "POST":
            left.append(time.perf_counter())
        return await request(method, url, **more)

    session._request = noted
    yield
    session._request = request


async def wire() -> None:
    """Measure from a decision to the request, and apart from that the durable writes in between."""
    with tempfile.TemporaryDirectory() as folder:
        data = write_history(Path(folder) / "data", SERIES)
        async with stage(data) as one:
            clock = FollowingClock(one.clock)
            settings = CcxtSettings(
                name="x",
                id="binance",
                url=f"http://127.0.0.1:{one.port}",
                credentials={"key": "key", "secret": "s" * 8},
            )
            client = CcxtClient(settings, clock, make_exchange, Random(1))
            account = CcxtAccount(client, Path(folder) / "ccxt.db")
            await account.open()
            client.exchange.enableRateLimit = False
            client.exchange.options["timeDifference"] = 0
            client.exchange.milliseconds = one.clock.now_ms  # time stands still there but for a step each order
            journal = Journal(Path(folder) / "journal.db", clock)
            left: list[float] = []
            decided, writes = [], []
            store = account._opened()
            intend = store.intend

            def intended(request: OrderRequest, sent_ms: int) -> bool:
                began_s = time.perf_counter()
                done = intend(request, sent_ms)
                writes[-1] += time.perf_counter() - began_s
                return done

            store.intend = intended  # type: ignore[method-assign]
            with marked(client, left):
                for number in range(ORDERS):
                    decided.append(time.perf_counter())
                    writes.append(0.0)
                    began_s = time.perf_counter()
                    with journal.write():
                        journal.flag("bench", number)
                    writes[-1] += time.perf_counter() - began_s
                    request = OrderRequest(
                        f"bench{number}", "BTC/USDT", 1, "market", Decimal("0.001"), None, False, "g", 0, "1m"
                    )
                    await account.submit(request)
                    one.step(0.2)  # within the exchange's limits on orders
            journal.close()
            await account.close()
    apart = [sent - began - wrote for sent, began, wrote in zip(left, decided, writes, strict=True)]
    print(f"decision to request, without the durable writes   p50 {_ms(apart, 50)} p99 {_ms(apart, 99)}   target 1 ms")
    print(f"the durable writes: intent, then the account's    p50 {_ms(writes, 50)} p99 {_ms(writes, 99)}", flush=True)


def _ms(seconds: list[float], percent: int) -> str:
    cut = statistics.quantiles(seconds, n=100)[percent - 1] if len(seconds) > 1 else seconds[0]
    return f"{cut * 1000:6.2f} ms"


async def main() -> None:
    print(f"{STRATEGIES} strategies on {len(SYMBOLS)} symbols")
    await throughput("quotes through features, steps and upkeep", quotes(EVENTS), "feed: quotes")
    await throughput("minutes through features, steps and upkeep", bars(EVENTS), "timeframe: 1m")
    await throughput("quotes, where each is a step", quotes(EVENTS), "feed: quotes", exposure)
    await throughput("minutes, where each is a step", bars(EVENTS), "timeframe: 1m", exposure)
    await wire()


if __name__ == "__main__":
    uvloop.run(main())
