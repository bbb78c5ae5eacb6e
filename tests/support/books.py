"""The invariant of everything: fills, positions, balances and orders of journal and venue tell the same story."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from pathlib import Path

ZERO = Decimal(0)


def disagreements(journal: Path, paper: Path, quote: str = "USDT", start: Decimal = Decimal(10000)) -> list[str]:
    """Return every way in which a spot daemon's journal and its paper venue disagree; empty when all is well."""
    with closing(_open(journal)) as ours, closing(_open(paper)) as theirs:
        return _compared(ours, theirs, quote, start)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _compared(ours: sqlite3.Connection, theirs: sqlite3.Connection, quote: str, start: Decimal) -> list[str]:
    found: list[str] = []
    venue_fills = {row[0]: row for row in theirs.execute("SELECT fill_id, client_id FROM fills")}
    journal_fills = {
        row[0]: row
        for row in ours.execute(
            "SELECT fill_id, client_id, strategy, symbol, group_id, side, amount, cost, fee FROM fills "
            "WHERE exchange = 'paper'"
        )
    }
    if venue_fills.keys() != journal_fills.keys():
        odd = sorted(venue_fills.keys() ^ journal_fills.keys())
        found.append(f"fills known to one side only: {odd[:10]}")
    summed: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    cash = start
    for _, client_id, strategy, symbol, group, side, amount, cost, fee in journal_fills.values():
        if not strategy:
            found.append(f"fill of {client_id} belongs to nobody")
        summed[group, symbol] += side * Decimal(amount)
        cash += -side * Decimal(cost) - Decimal(fee)
    positions: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for group, symbol, amount in ours.execute(
        "SELECT json_extract(rest, '$.group'), symbol, amount FROM legs WHERE exchange = 'paper'"
    ):
        positions[group, symbol] += Decimal(amount)
    for key in summed.keys() | positions.keys():
        if summed[key] != positions[key]:
            found.append(f"{key}: fills sum to {summed[key]}, the position is {positions[key]}")
    held: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for (_, symbol), amount in positions.items():
        held[symbol.split("/")[0]] += amount
    balances = {name: Decimal(units) * Decimal("1e-8") for name, units in theirs.execute("SELECT * FROM balances")}
    for name in (held.keys() | balances.keys()) - {quote}:
        if held[name] != balances.get(name, ZERO):
            found.append(f"{name}: positions sum to {held[name]}, the venue holds {balances.get(name, ZERO)}")
    if cash != balances.get(quote, ZERO):
        found.append(f"{quote}: fills leave {cash}, the venue holds {balances.get(quote, ZERO)}")
    found += _orders(ours, theirs)
    return found


def _orders(ours: sqlite3.Connection, theirs: sqlite3.Connection) -> list[str]:
    found = []
    known = {
        row[0]: row[1:]
        for row in ours.execute("SELECT client_id, state, type, amount, filled FROM orders WHERE exchange = 'paper'")
    }
    lots = dict(theirs.execute("SELECT client_id, filled FROM orders WHERE type != 'guard'"))
    for client_id, filled in lots.items():
        if client_id not in known:
            found.append(f"the venue has order {client_id}, the journal does not")
        elif Decimal(known[client_id][3]) != Decimal(filled) * Decimal("1e-8"):
            found.append(f"{client_id}: the journal filled {known[client_id][3]}, the venue {filled} lots")
        elif Decimal(filled) * Decimal("1e-8") > Decimal(known[client_id][2]):
            found.append(f"{client_id} filled more than was ordered")
    live = {"intent", "sent", "open", "partial"}
    for client_id, (state, kind, _, _) in known.items():
        if kind != "guard" and client_id not in lots and state not in {"rejected", *live}:
            found.append(f"the journal has order {client_id} as {state}, the venue never got it")
    return found


def fills(journal: Path) -> int:
    """Return how many fills a journal holds."""
    with closing(_open(journal)) as db:
        return int(db.execute("SELECT COUNT(*) FROM fills").fetchone()[0])
