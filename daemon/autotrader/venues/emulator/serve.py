"""The emulator as a process: an exchange on a folder of history, until it is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from autotrader.core.clock import DAY_MS, Clock, SystemClock
from autotrader.core.errors import AutotraderError
from autotrader.venues.emulator.exchange import Exchange
from autotrader.venues.emulator.faults import Faults, read_faults
from autotrader.venues.emulator.market import Market
from autotrader.venues.emulator.server import HOST, Server
from autotrader.venues.emulator.state import State

EMULATED = ("binance",)
START = Decimal(10_000)
"""What the account has of every quote currency; of the others it has a round amount that is worth less than that."""


class Standing(NamedTuple):
    """Where an emulator listens, and where in its history it stands."""

    exchange: str
    url: str
    symbols: tuple[str, ...]
    market_ms: int
    end_ms: int
    shift_days: int


def make_server(
    data: Path,
    exchange: str,
    clock: Clock,
    *,
    faults: Faults | None = None,
    balances: Mapping[str, Decimal] | None = None,
    state: State | None = None,
) -> Server:
    """Return a server that does not listen yet. Raises HistoryError and StoreError."""
    market = Market(data, exchange, clock, state.shift_ms() if state is not None else None)
    money = balances or _funds(market)
    return Server(Exchange(market, money), clock, faults, state)


def _funds(market: Market) -> dict[str, Decimal]:
    """Return what an account starts with where nobody says it: enough of everything to buy and to sell."""
    money = {}
    for one in market.traded.values():
        worth = START / one.price(max(market.last(one).ticks, 1))
        money[one.base] = max(Decimal(1).scaleb(worth.adjusted()), Decimal("1e-8"))
    return money | {one.quote: START for one in market.traded.values()}


async def serve(
    data: Path,
    exchange: str,
    port: int,
    *,
    faults: Path | None = None,
    state: Path | None = None,
    balances: Mapping[str, Decimal] | None = None,
    ready: Callable[[Standing], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told once it listens. Raises AutotraderError where it cannot begin."""
    if exchange not in EMULATED:
        raise AutotraderError(f"there is no emulator of '{exchange}'; the ones there are: {', '.join(EMULATED)}")
    wrong = read_faults(faults) if faults is not None else None
    kept = State(state) if state is not None else None
    server = make_server(data, exchange, SystemClock(), faults=wrong, balances=balances, state=kept)
    try:
        port = await server.start(port)
    except OSError as error:
        raise AutotraderError(
            f"cannot listen on {HOST}:{port} ({error.strerror}); stop what listens there, or name another port"
        ) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    market = server.exchange.market
    symbols = tuple(sorted(one.symbol for one in market.traded.values()))
    moment, days = market.now_ms() - market.shift_ms, market.shift_ms // DAY_MS
    ready(Standing(exchange, f"http://{HOST}:{port}", symbols, moment, market.end_ms, days))
    running = asyncio.create_task(server.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        running.cancel()
        stopping.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)
        await server.close()
