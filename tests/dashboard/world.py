"""A small world for the page: a status document, a filled journal, and a control server that answers for a daemon."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from autotrader.core.clock import ManualClock
from autotrader.core.errors import ControlError
from autotrader.core.paths import store_of
from autotrader.execution.ledger import Trade
from autotrader.execution.order_state import OrderState
from autotrader.execution.orders import Fill, Order
from autotrader.runtime.ask import socket_path
from autotrader.runtime.control import ControlServer
from autotrader.store.journal import Journal

DAY_MS = 86_400_000
NOW_MS = 1_732_978_500_000  # 2024-11-30 14:55:00 UTC, 23:55 in Seoul
BROKEN = (
    "strategies.d/eth-dip.yaml:4:5: error: unknown key 'lokback' in a momentum strategy; did you mean 'lookback'?\n"
    "  4 |     lokback: 20\n"
    "    |     ^^^^^^^\n"
    "strategies.d/eth-dip.yaml:9:14: error: '2' is not a share; write it with its unit, as 2% or 15bps\n"
    "  9 |   stop_loss: 2\n"
    "    |              ^"
)

STATUS: dict[str, Any] = {
    "mode": "paper",
    "generation": 12,
    "uptime_s": 98_765.4,
    "market_time": NOW_MS,
    "equity": "10342.17",
    "currency": "USDT",
    "rates": {},
    "dashboard": "http://127.0.0.1:8080/",
    "strategies": [
        {
            "name": "btc-breakout", "kind": "rules", "state": "watching", "symbols": ["BTC/USDT"], "position": {},
            "open_orders": 0, "pnl": "-41.2", "last_decision": "2024-11-30 11:15:00 long BTC/USDT", "error": "",
            "generation": 12,
        },
        {
            "name": "btc-trend", "kind": "rules", "state": "in position", "symbols": ["BTC/USDT", "ETH/USDT"],
            "position": {"BTC/USDT": "0.0213", "ETH/USDT": "0.41"}, "open_orders": 2, "pnl": "286.43",
            "last_decision": "2024-11-30 14:35:00 long ETH/USDT", "error": "", "generation": 9,
        },
        {
            "name": "eth-dip", "kind": "rules", "state": "in position", "symbols": ["ETH/USDT"],
            "position": {"ETH/USDT": "0.28"}, "open_orders": 1, "pnl": "97.94",
            "last_decision": "2024-11-30 13:45:00 long ETH/USDT", "error": "", "generation": 12,
        },
        {
            "name": "eth-range", "kind": "rules", "state": "paused", "symbols": ["ETH/USDT"], "position": {},
            "open_orders": 0, "pnl": "0", "last_decision": "", "error": "", "generation": 7,
        },
    ],
    "exchanges": [
        {"name": "paper", "market": "spot", "state": "open", "market_time": NOW_MS, "equity": "10342.17",
         "cash": "5744.2", "currency": "USDT"},
    ],
    "models": [],
    "risk": {
        "killed": "", "paused": {"eth-range": "paused by a person"}, "exits_only": "", "drawdown_locked": False,
        "daily_loss_day": 0, "cooldown_until": 0, "day_start_equity": "10421.9", "peak_equity": "10688.04",
        "limits": {"max_daily_loss": "3%", "max_drawdown": "12%"}, "on_breach": "pause",
        "used": {
            "max_daily_loss": {"value": "79.73", "bound": "312.66"},
            "max_drawdown": {"value": "345.87", "bound": "1282.56"},
            "max_exposure": {"value": "4597.97", "bound": "5171.09"},
            "max_open_positions": {"value": "2", "bound": "8"},
        },
        "own": {},
    },
    "reload": {
        "ok": True, "at": NOW_MS - 4_000_000, "error": "", "status": "applied",
        "message": "strategies.d/eth-dip: added; risk.d/default: max_exposure: 40% -> 50%", "plan": "", "waiting": [],
        "probation": None,
    },
}  # fmt: skip

POSITIONS: list[dict[str, Any]] = [
    {"strategy": "btc-trend", "exchange": "paper", "symbol": "BTC/USDT", "amount": "0.0213",
     "entry_price": "96410.12", "last_price": "97120.55", "unrealized": "15.13", "realized": "241.3",
     "stop": "94481.92", "take": "100266.52", "opened": NOW_MS - 11_700_000, "locked": ""},
    {"strategy": "btc-trend", "exchange": "paper", "symbol": "ETH/USDT", "amount": "0.41",
     "entry_price": "3588.4", "last_price": "3571.02", "unrealized": "-7.13", "realized": "37.13",
     "stop": "3516.63", "take": "3731.94", "opened": NOW_MS - 1_200_000, "locked": ""},
    {"strategy": "eth-dip", "exchange": "paper", "symbol": "ETH/USDT", "amount": "0.28", "entry_price": "3549.9",
     "last_price": "3571.02", "unrealized": "5.91", "realized": "92.03", "stop": None, "take": None,
     "opened": NOW_MS - 4_200_000, "locked": ""},
]  # fmt: skip

PLAN: dict[str, Any] = {
    "hash": "5f0c9a1be2d34c77", "generation": 12, "changes": ["strategies.d/eth-range: removed"], "starts": [],
    "stops": ["eth-range"], "restarts": [], "cancels": [], "stops_moved": [], "positions": [],
    "exposure": {"capital_before": "80.00%", "capital_after": "60.00%", "loosened": ""}, "confirm": [],
    "refused": [], "waiting": [],
}  # fmt: skip


class World:
    """What the fake daemon answers with, and what it was told. `broken` makes it refuse every command."""

    def __init__(self) -> None:
        self.status = copy.deepcopy(STATUS)
        self.positions = copy.deepcopy(POSITIONS)
        self.plan = copy.deepcopy(PLAN)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.broken = ""

    async def answer(self, command: str, arguments: dict[str, Any]) -> Any:
        if self.broken:
            raise ControlError(self.broken)
        risk = self.status["risk"]
        match command:
            case "status":
                return self.status
            case "positions":
                return self.positions
        self.told.append((command, arguments))
        match command:
            case "plan":
                return self.plan
            case "reload":
                self.status["reload"].update(ok=True, status="applied", waiting=[], plan="", error="")
                return {"ok": True, "status": "applied", "generation": 13, "message": "", "waiting": []}
            case "kill":
                risk["killed"] = "killed by a person"
                return {"killed": risk["killed"], "closing": 3}
            case "unlock":
                risk["killed"] = ""
                return {"killed": ""}
            case "pause":
                risk["paused"][""] = "paused by a person"
            case "resume":
                risk["paused"].clear()
        return {"paused": risk["paused"]}


@contextmanager
def daemon(root: Path, world: World) -> Iterator[World]:
    """Answer on the control socket of a folder, from a thread of its own, until the block ends."""
    loop = asyncio.new_event_loop()
    server = ControlServer(socket_path(root), world.answer)
    thread = threading.Thread(target=loop.run_forever, name="daemon")
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
    try:
        yield world
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


class PageProcess:
    """The page's own process, started as the daemon starts it. Its port answers once it is up: connecting waits."""

    def __init__(self, root: Path, *, language: str = "en", password: str = "") -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        number = self.listener.fileno()
        command = [sys.executable, "-m", "autotrader.dashboard"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(number,))
        first = {"root": str(root), "fd": number, "language": language, "timezone": "Asia/Seoul", "password": password}
        self.process.stdin.write(json.dumps(first).encode() + b"\n")
        self.process.stdin.flush()
        self.errors: str | None = None

    def stop(self) -> str:
        """End it, once, and return what it wrote to standard error."""
        if self.errors is None:
            if self.process.poll() is None:
                self.process.terminate()
            self.process.wait(10)
            self.errors = self.process.stderr.read().decode()
            for one in (self.process.stdin, self.process.stderr, self.listener):
                one.close()
        return self.errors


def fill_journal(root: Path, *, points: int = 1_500) -> None:
    """Write a month of a seeded, plausible life: equity, orders, fills, trades, events."""
    dice = random.Random(7)
    journal = Journal(store_of(root), ManualClock(NOW_MS))
    start_ms, walk = NOW_MS - points * 1_200_000, [10_000.0]
    for at in range(points):
        walk.append(walk[-1] + 1.2 * math.sin(at / 90) - 0.9 * math.cos(at / 37) + dice.gauss(0, 7.5))
    slope = (10_342.17 - walk[-1]) / points
    with journal.write():
        for at, equity in enumerate(walk[:-1]):
            value = Decimal(str(round(equity + slope * at, 2)))
            journal.equity(start_ms + at * 1_200_000, [("paper", value, Decimal(5_000))])
        for number in range(60):
            _round_trip(journal, dice, number)
        _events(journal)
    journal.close()


def _round_trip(journal: Journal, dice: random.Random, number: int) -> None:
    symbol, price = (("BTC/USDT", 96_000), ("ETH/USDT", 3_550))[number % 2]
    strategy = ("btc-trend", "eth-dip", "btc-breakout")[number % 3]
    entry_ms = NOW_MS - (60 - number) * 2_700_000
    entry = Decimal(price) * (1 + Decimal(str(round(dice.gauss(0, 0.01), 5))))
    leave = entry * (1 + Decimal(str(round(dice.gauss(0.002, 0.01), 5))))
    amount = Decimal(1_000) / Decimal(price)
    amount = amount.quantize(Decimal("0.00001"))
    reason = ("exit", "take_profit", "stop_loss", "trailing_stop")[number % 4]
    for side, at_ms, paid, why, purpose in (
        (1, entry_ms, entry, "entry", "entry"),
        (-1, entry_ms + 1_800_000, leave, reason, "exit"),
    ):
        client = f"at-{number}-{purpose}"
        state = OrderState.FILLED if number % 11 else OrderState.CANCELED
        filled = amount if number % 11 else Decimal(0)
        journal.order(
            Order(
                client, f"v{client}", strategy, "paper", symbol, side, "limit" if side > 0 else "market",
                paid if side > 0 else None, amount, filled, paid if filled else None, state, why, purpose, f"g{number}",
                12, 0, at_ms, at_ms + 900,
            )
        )  # fmt: skip
        if filled:
            cost = paid * amount
            fill = Fill(
                number * 2 + (side < 0), client, "paper", symbol, side, paid, amount, cost,
                (cost * Decimal("0.001")).quantize(Decimal("0.00000001")), "USDT", at_ms + 900, side > 0, why,
                f"g{number}",
            )  # fmt: skip
            journal.fill(fill, strategy)
    if number % 11:
        fees = (entry + leave) * amount * Decimal("0.001")
        pnl = (leave - entry) * amount - fees
        trade = Trade(1, entry_ms, entry, entry_ms + 1_800_000, leave, amount, fees, pnl, reason)
        journal.trade(trade, strategy, "paper", symbol, f"g{number}")


def _events(journal: Journal) -> None:
    for level, kind, subject, message in (
        ("info", "reload", "11", "strategies.d/btc-breakout: enter_long changed"),
        ("warning", "refused", "btc-trend", "max_position is 2585.54, this order would make it 2911.07"),
        ("info", "recovered", "paper", "2 orders, 3 positions and 118 fills agree with the venue"),
        ("warning", "breach", "cooldown", "cooldown is 3 losses, it came to 3 losses"),
        ("info", "pause", "dashboard", "entries of eth-range are paused"),
        ("error", "strategy_failed", "eth-range", "<script>alert(1)</script> is shown as text"),
        ("info", "reload", "12", "strategies.d/eth-dip: added; risk.d/default: max_exposure: 40% -> 50%"),
    ):
        journal.event(NOW_MS, level, kind, subject, message)
