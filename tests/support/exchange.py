"""An emulated exchange on a written history, and the real client pointed at it; time stands still until it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autotrader.core.clock import ManualClock
from autotrader.venues.emulator.exchange import Exchange
from autotrader.venues.emulator.faults import Faults, Plan
from autotrader.venues.emulator.market import Market
from autotrader.venues.emulator.server import Server

D = Decimal
BEGIN_MS = 1_704_067_200_000
MINUTES = 3 * 1440
NOW_MS = BEGIN_MS + 400 * 86_400_000 + 12 * 3_600_000 + 30_250
SHIFT_MS = 398 * 86_400_000
MONEY = {"USDT": D(100_000), "BTC": D(2), "ETH": D(10)}


def walk(seed: int, start: int, minutes: int = MINUTES) -> dict[str, np.ndarray]:
    """Return minutes of a random walk in cents, as the columns of a history."""
    draw = np.random.default_rng(seed)
    steps = draw.integers(-start // 2000, start // 2000 + 1, size=minutes)
    close = start + np.cumsum(steps)
    opened = np.concatenate(([start], close[:-1]))
    high = np.maximum(opened, close) + draw.integers(0, start // 4000 + 1, size=minutes)
    low = np.minimum(opened, close) - draw.integers(0, start // 4000 + 1, size=minutes)
    volume = draw.integers(100_000, 2_000_000, size=minutes) / 100_000
    prices = {name: column / 100 for name, column in (("open", opened), ("high", high), ("low", low), ("close", close))}
    return {"ts": BEGIN_MS + 60_000 * np.arange(minutes), **prices, "volume": volume}


def write_history(folder: Path, series: dict[str, dict[str, np.ndarray]], timeframe: str = "1m") -> Path:
    """Write candles as CONTRACT lays them out, and return the folder."""
    for symbol, columns in series.items():
        path = folder / "candles" / "binance" / symbol.replace("/", "-") / f"{timeframe}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
    return folder


SERIES = {"BTC/USDT": walk(1, 4_000_000), "ETH/USDT": walk(2, 250_000)}


@dataclass
class Stage:
    """A server that runs, the clock that it goes by, and where it is."""

    server: Server
    clock: ManualClock
    port: int

    @property
    def exchange(self) -> Exchange:
        return self.server.exchange

    def step(self, seconds: float = 1.0) -> None:
        """Let time pass at the exchange."""
        self.clock.advance(seconds)
        self.server.advance()

    async def until(self, coming: Any, *, seconds: float = 1.0, steps: int = 300) -> Any:
        """Return what comes of a wait for the exchange, letting time pass there until it does."""
        task = asyncio.ensure_future(coming)
        for _ in range(steps):
            for _ in range(20):
                await asyncio.sleep(0.001)
                if task.done():
                    return task.result()
            self.step(seconds)
        task.cancel()
        raise AssertionError("nothing came")


class FollowingClock:
    """The exchange's time, which passes when the test says so; who sleeps looks again and again."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        until_s = self.monotonic_s() + seconds
        while self.monotonic_s() < until_s:  # noqa: ASYNC110 - a clock that is moved tells nobody
            await asyncio.sleep(0.001)

    async def settle(self) -> None:
        """Let others have their turn; time passes by itself."""
        await asyncio.sleep(0)


@asynccontextmanager
async def stage(
    data: Path, faults: dict[str, Any] | None = None, *, balances: dict[str, Decimal] | None = None
) -> AsyncIterator[Stage]:
    """Run an emulator on a free port."""
    clock = ManualClock(NOW_MS)
    exchange = Exchange(Market(data, "binance", clock), balances or MONEY)
    server = Server(exchange, clock, Faults(Plan.model_validate(faults)) if faults else None)
    port = await server.start()
    try:
        yield Stage(server, clock, port)
    finally:
        await server.close()


def client(make: Callable[..., Any], port: int, clock: ManualClock) -> Any:
    """Return a ccxt client of Binance whose every address is the emulator's."""
    one = make({"apiKey": "key", "secret": "secret", "enableRateLimit": False})
    rest, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    api = {name: f"{rest}/nowhere" for name in one.urls["api"] if name != "ws"}
    api |= {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "v1": f"{rest}/api/v1", "sapi": f"{rest}/sapi/v1"}
    if "ws" in one.urls["api"]:
        api["ws"] = {"spot": f"{ws}/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}}
    one.urls["api"] = api
    one.options["fetchMarkets"] = {"types": ["spot"]}
    one.options["fetchCurrencies"] = False
    one.options["fetchMargins"] = False
    one.milliseconds = clock.now_ms
    return one
