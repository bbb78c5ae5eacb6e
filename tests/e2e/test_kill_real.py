"""The real daemon on a real client, killed at random moments while its exchange misbehaves: nothing lost or doubled.

The exchange is our emulator, in a process of its own, which drops, delays, repeats and loses. `KILLS` and `SEED` make
it longer or another one: KILLS=200 is what a release is tried with.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

from support.exchange import walk, write_history
from support.folders import write

KILLS = int(os.environ.get("KILLS", "4"))
SEED = int(os.environ.get("SEED", "7"))
START = {"USDT": Decimal(100_000)}
ZERO = Decimal(0)
LIVE = ("NEW", "PARTIALLY_FILLED")
SETTLED_S = 150.0

FAULTS = """
seed: {seed}
rules:
  - {{on: /api/v3/order, method: POST, chance: 5%, do: accept_and_lose_reply}}
  - {{on: /api/v3/order, method: POST, chance: 3%, do: http, status: 503}}
  - {{on: /api/v3/order, method: POST, chance: 3%, do: delay, wait: 900ms}}
  - {{on: /api/v3/order, method: POST, chance: 5%, do: half_fill}}
  - {{on: /api/v3/order, method: POST, chance: 2%, do: drop}}
  - {{on: /api/v3/order, method: DELETE, chance: 5%, do: accept_and_lose_reply}}
  - {{on: /api/v3/myTrades, chance: 3%, do: http, status: 429, retry_after_s: 1}}
  - {{on: /api/v3/account, chance: 3%, do: code, code: -1021}}
  - {{on: user, chance: 3%, do: duplicate}}
  - {{on: user, chance: 3%, do: reorder}}
  - {{on: user, chance: 2%, do: drop}}
  - {{on: user, chance: 1%, do: disconnect}}
  - {{on: "*@trade", chance: 0.2%, do: disconnect}}
  - {{on: "*@trade", chance: 1%, do: duplicate}}
"""

FILES = {
    "autotrader.yaml": "mode: live\ndashboard: {port: 0}\n",
    "exchanges.d/binance.yaml": "kind: ccxt\nid: binance\norders: live\nunprotected: accept\n"
    'credentials: {key: "${env:EMULATED_KEY}", secret: "${env:EMULATED_KEY}"}\nurl: URL\n',
    "risk.d/default.yaml": "max_order: 1000 USDT\nmax_position: 25%\nmax_exposure: 100%\nmax_orders_per_minute: 600\n"
    "price_collar: 2%\nmax_daily_loss: 30%\n",
    "strategies.d/cross.yaml": "kind: rules\nexchange: binance\nsymbols: [ETH/USDT]\nfeed: trades\ncapital: 10%\n"
    "enter_long: close > prev(close, 1)\nexit_long: close < prev(close, 1)\n"
    "size: {kind: notional, amount: 100 USDT}\nexits: {trailing_stop: 0.1%}\non_remove: close\n",
    "strategies.d/patient.yaml": "kind: rules\nexchange: binance\nsymbols: [BTC/USDT]\nfeed: trades\ncapital: 10%\n"
    "enter_long: crosses_above(ema(close, 3), ema(close, 7))\nexit_long: crosses_below(ema(close, 3), ema(close, 7))\n"
    "size: {kind: notional, amount: 300 USDT}\nexecution: {kind: limit, timeout: 10s}\n"
    "exits: {stop_loss: 0.1%, take_profit: 0.2%}\non_remove: close\n",
    "strategies.d/grid.yaml": "kind: grid\nexchange: binance\nsymbols: [BTC/USDT]\nfeed: trades\ncapital: 1%\n"
    "params: {levels: 12, spacing: geometric, range: 0.3%, stop_outside: true}\non_remove: close\n",
}


@contextmanager
def emulator(root: Path) -> Iterator[str]:
    """Run the exchange on a free port and give its address; everything it has is in `exchange.db`."""
    data = write_history(root / "history", {"BTC/USDT": walk(1, 4_000_000), "ETH/USDT": walk(2, 250_000)})
    (root / "faults.yaml").write_text(FAULTS.format(seed=SEED))
    command = [sys.executable, "-m", "autotrader", "--json", "emulator", "--data", str(data), "--port", "0"]
    command += ["--faults", str(root / "faults.yaml"), "--state", str(root / "exchange.db")]
    command += [f"--balance={asset}={amount}" for asset, amount in START.items()]
    with (
        (root / "emulator.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if line.rstrip() == "}":
                break
        try:
            yield json.loads(told)["url"]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0


@contextmanager
def daemon(root: Path, *, ready: bool) -> Iterator[subprocess.Popen[str]]:
    with (root / "daemon.log").open("a") as log:
        command = [sys.executable, "-m", "autotrader", "run", "-c", str(root)]
        environ = os.environ | {"EMULATED_KEY": "any key will do"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environ) as process:
            assert process.stdout is not None
            if ready:
                line = process.stdout.readline()
                assert "autotrader runs" in line, (root / "daemon.log").read_text()[-4000:]
            yield process


def test_nothing_is_lost_or_doubled_by_kill_minus_nine_and_a_faulty_exchange(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with emulator(tmp_path) as url:
        root = write(tmp_path / "folder", {name: text.replace("URL", url) for name, text in FILES.items()})
        journal = root / "var" / "autotrader.db"
        in_flight = 0
        for number in range(KILLS):
            with daemon(root, ready=number % 4 != 3) as process:  # every fourth dies somewhere in its start
                time.sleep(chance.uniform(0.5, 12.0))
                process.send_signal(signal.SIGKILL)
            in_flight += unsettled(journal)
            if number % 4 == 3:
                resume(root)
        with daemon(root, ready=True) as process:
            time.sleep(1)
            command(root, "kill")
            deadline_s = time.monotonic() + SETTLED_S
            while (left := standing(journal)) and time.monotonic() < deadline_s:
                time.sleep(0.5)
            assert left == [], left
            time.sleep(2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    told = Books(journal, tmp_path / "exchange.db")
    print(
        f"{KILLS} kills, {in_flight} orders in flight at them, {len(told.orders)} orders, {told.stops} of them stops, "
        f"{len(told.trades)} trades"
    )
    assert told.disagreements() == []
    assert len(told.trades) >= KILLS // 2


class Books:
    """What journal and exchange say in the end."""

    def __init__(self, journal: Path, exchange: Path) -> None:
        with closing(_open(exchange)) as db:
            self.orders = [json.loads(body) for (body,) in db.execute("SELECT body FROM orders ORDER BY id")]
            self.trades = [json.loads(body) for (body,) in db.execute("SELECT body FROM trade ORDER BY id")]
            self.held = {
                asset: Decimal(free) + Decimal(locked)
                for asset, free, locked in db.execute("SELECT asset, free, locked FROM balance")
            }
        with closing(_open(journal)) as db:
            placed = db.execute("SELECT client_id, state, amount, filled FROM orders WHERE type != 'guard'")
            self.known = {row[0]: row[1:] for row in placed}
            stops = "SELECT COUNT(*) FROM orders WHERE type = 'stop'"
            (self.stops,) = db.execute(stops).fetchone()
            columns = "client_id, strategy, symbol, side, amount, cost, fee, fee_currency"
            self.fills = db.execute(f"SELECT {columns} FROM fills").fetchall()
            self.legs = db.execute("SELECT symbol, amount FROM legs").fetchall()
            (cash,) = db.execute("SELECT cash FROM progress").fetchone()
            self.cash = Decimal(cash)

    def disagreements(self) -> list[str]:
        """Return every way in which they disagree; empty when all is well."""
        return [*self._orders(), *self._fills(), *self._money()]

    def _orders(self) -> Iterator[str]:
        by_id: dict[str, list[dict]] = defaultdict(list)
        for order in self.orders:
            by_id[order["client_id"]].append(order)
        for client_id, orders in by_id.items():
            if len(orders) > 1:
                yield f"{client_id} was placed {len(orders)} times"
            if client_id not in self.known:
                yield f"the exchange has order {client_id}, the journal has not"
                continue
            state, amount, filled = self.known[client_id]
            theirs = sum((Decimal(one["quantity"]) for one in self.trades if one["order_id"] == orders[0]["id"]), ZERO)
            if Decimal(filled) != theirs:
                yield f"{client_id}: the journal has {filled} filled, the exchange {theirs}"
            if theirs > Decimal(amount):
                yield f"{client_id} filled {theirs}, more than {amount}"
            if orders[0]["status"] in LIVE:
                yield f"{client_id} still works at the exchange, the journal has it as {state}"
        for client_id, (state, _, filled) in self.known.items():
            if client_id not in by_id and (Decimal(filled) or state not in {"rejected", "canceled"}):
                yield f"the journal has order {client_id} as {state}, the exchange never got it"

    def _fills(self) -> Iterator[str]:
        names = {order["id"]: order["client_id"] for order in self.orders}
        theirs = sorted((names[one["order_id"]], Decimal(one["quantity"]), Decimal(one["fee"])) for one in self.trades)
        ours = sorted((one[0], Decimal(one[4]), Decimal(one[6])) for one in self.fills)
        if theirs != ours:
            yield f"trades differ: {set(theirs) ^ set(ours)}, {len(theirs)} at the exchange, {len(ours)} in the journal"
        yield from (f"fill of {one[0]} belongs to nobody" for one in self.fills if not one[1])

    def _money(self) -> Iterator[str]:
        sums = defaultdict(Decimal, START)
        for _, _, symbol, side, amount, cost, fee, currency in self.fills:
            base, quote = symbol.split("/")
            sums[base] += side * Decimal(amount)
            sums[quote] -= side * Decimal(cost)
            sums[currency] -= Decimal(fee)
        for asset in sums.keys() | self.held.keys():
            if sums[asset] != self.held.get(asset, Decimal(0)):
                yield f"{asset}: fills leave {sums[asset]}, the exchange holds {self.held.get(asset)}"
        if self.cash != self.held["USDT"]:
            yield f"the journal's cash is {self.cash}, the exchange holds {self.held['USDT']} USDT"
        for symbol, amount in self.legs:
            if Decimal(amount):
                yield f"{amount} {symbol} is still owned after a kill"


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def unsettled(journal: Path) -> int:
    """Return how many orders may still work; 0 before there is a journal."""
    if not journal.exists():
        return 0
    with closing(_open(journal)) as db:
        row = db.execute("SELECT COUNT(*) FROM orders WHERE state IN ('intent', 'sent', 'open', 'partial')").fetchone()
    return int(row[0])


def standing(journal: Path) -> list[tuple[str, str]]:
    """Return the positions that are open and the orders that may still work."""
    with closing(_open(journal)) as db:
        legs = db.execute("SELECT symbol, amount FROM legs").fetchall()
        live = "state IN ('intent', 'sent', 'open', 'partial') AND type != 'guard'"
        orders = db.execute(f"SELECT client_id, state FROM orders WHERE {live}").fetchall()
    return [leg for leg in legs if Decimal(leg[1])] + orders


def command(root: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "autotrader", "-c", str(root), *words], check=True, capture_output=True, timeout=60
    )


def resume(root: Path) -> None:
    """Start once in peace, so that deaths during the start do not add up to a daemon that enters nothing."""
    with daemon(root, ready=True) as process:
        command(root, "resume")
        process.send_signal(signal.SIGKILL)
