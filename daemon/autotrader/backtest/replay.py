"""A recorded run again, through the backtest: every order and fill of its journal beside those that are made anew.

Compared is what the same files decide alone. Where a person steered the run, or its declarations changed what trades,
the comparison ends, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from autotrader.backtest.engine import Progress
from autotrader.backtest.plan import Plan
from autotrader.backtest.witness import LIQUIDATION, Seen, SeenFill, Witness
from autotrader.config.load import Declarations
from autotrader.core.clock import iso
from autotrader.execution.orders import Reason

STEERED = {
    "pause": "entries were paused by hand",
    "resume": "entries were resumed by hand",
    "close": "positions were closed by hand",
    "kill": "the run was killed by hand",
    "unlock": "locks were lifted by hand",
    "money_moved": "money came or went without a fill",
    "holdings": "the exchange held less than its owners",
    "account": "the account was replaced",
    "strategy_failed": "a strategy failed",
    "foreign_fill": "the account was traded by somebody else",
}
"""Events after which a run is no longer what its files decide."""

ORDER_FACTS = ("strategy", "exchange", "symbol", "side", "type", "price", "amount", "created_ms")
END_FACTS = ("filled", "state")
FILL_FACTS = ("strategy", "exchange", "symbol", "side", "price", "amount", "cost", "fee", "ts_ms", "maker", "reason")
MONEY = frozenset({"price", "amount", "filled", "cost", "fee"})
UNLIMITED = 2**62


class Stretch(NamedTuple):
    """How far a run can be compared: up to `until_ms` (excluded where `steered`), and why no further."""

    until_ms: int
    steered: bool
    why: str


@dataclass(frozen=True)
class Comparison:
    """What a replay found: how many orders and fills are the same, and every one that is not."""

    run: str
    orders: int
    fills: int
    from_ms: int
    until_ms: int
    differences: tuple[dict[str, str], ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def decisive(declarations: Declarations) -> dict[str, Any]:
    """Return the part of declarations that decides what trades: strategies, limits, markets but for their speed."""
    forms: dict[str, Any] = {
        name: form for name, form in declarations.forms.items() if name.partition("/")[0] in {"strategies", "risk"}
    }
    for name, exchange in declarations.exchanges.items():
        market = exchange.model_dump()
        for source in ("replay", "generate"):
            if market.get(source):
                market[source] = {key: value for key, value in market[source].items() if key != "speed"}
        forms[f"exchanges/{name}"] = market
    forms["risk"] = declarations.daemon.risk
    return forms


def stretch(
    generations: Sequence[tuple[int, Declarations | None]],
    orders: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
) -> Stretch:
    """Return how far a run can be compared with what its first generation decides."""
    first = decisive(generations[0][1]) if generations[0][1] is not None else None
    ends = [
        Stretch(event["ts_ms"], True, f"{iso(event['ts_ms'])} UTC: {STEERED[event['kind']]}")
        for event in events
        if event["kind"] in STEERED
    ]
    changed = [number for number, declared in generations if declared is None or decisive(declared) != first]
    if changed:
        began = [order["created_ms"] for order in orders if order["generation"] >= changed[0]]
        began += [e["ts_ms"] for e in events if e["kind"] == "reload" and e["subject"] == str(changed[0])]
        why = f"generation {changed[0]} changed what trades"
        at = f"{iso(min(began))} UTC: " if began else ""
        ends.append(Stretch(min(began, default=UNLIMITED), True, f"{at}{why}"))
    return min(ends, default=Stretch(UNLIMITED, False, ""))


def compare(
    plan: Plan,
    run: str,
    orders: Sequence[Mapping[str, Any]],
    fills: Sequence[Mapping[str, Any]],
    reached: Mapping[str, int],
    end: Stretch,
    *,
    notes: Iterable[str] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Run a plan as the run was, and compare every order and fill up to where the run came, or may be compared.

    `reached` is each exchange's last moment that the run dealt with. At that moment itself the market may have gone on
    or not: what was filled after the decisions of it may be missing in the journal.
    """
    orders = [row for row in orders if not row["client_id"].startswith(f"{LIQUIDATION}-")]
    witness = Witness(plan, run)
    witness.watch(progress)
    last = {name: min(ms, end.until_ms) for name, ms in reached.items()}
    span = _Span(last, end.steered)
    found = _orders(witness.orders, [row for row in orders if span.began(row["exchange"], row["created_ms"])], span)
    mine = [row for row in fills if row["strategy"] and span.began(row["exchange"], row["ts_ms"])]
    found += _fills(witness.fills, mine, span)
    told = [f"compared up to {end.why}"] if end.why else []
    if len(reached) > 1:
        told.append("exchanges keep their own time: limits across them may have met another order of events")
    counted = sum(1 for row in orders if span.began(row["exchange"], row["created_ms"]))
    wrong = {(one["what"], one["client_id"]) for one in found}
    return Comparison(
        run=run,
        orders=counted - sum(1 for what, _ in wrong if what == "order"),
        fills=len(mine) - sum(1 for one in found if one["what"] == "fill"),
        from_ms=plan.start_ms,
        until_ms=max(last.values(), default=plan.start_ms),
        differences=tuple(found),
        notes=(*notes, *told),
    )


class _Span(NamedTuple):
    """Which moments are compared, by exchange."""

    last: Mapping[str, int]
    steered: bool

    def began(self, exchange: str, ts_ms: int) -> bool:
        """Tell whether something of a moment belongs to what is compared."""
        end_ms = self.last.get(exchange, 0)
        return ts_ms < end_ms or (ts_ms == end_ms and not self.steered)

    def certain(self, exchange: str, ts_ms: int) -> bool:
        """Tell whether a moment is surely over."""
        return ts_ms < self.last.get(exchange, 0)


def _orders(made: Mapping[str, Seen], kept: Sequence[Mapping[str, Any]], span: _Span) -> list[dict[str, str]]:
    found = []
    for row in kept:
        order = made.get(row["client_id"])
        if order is None:
            found.append(_difference("order", row["client_id"], row, "", _brief(row), "none"))
            continue
        facts = asdict(order)
        ended = order.ended_ms or facts["created_ms"]
        names: tuple[str, ...] = ORDER_FACTS
        if span.certain(row["exchange"], max(ended, row["updated_ms"])) and order.state != "armed":
            names += END_FACTS
        found += _facts("order", row, facts, names)
    known = {row["client_id"] for row in kept}
    for order in made.values():
        if order.client_id not in known and span.began(order.exchange, order.created_ms):
            found.append(_difference("order", order.client_id, asdict(order), "", "none", _brief(asdict(order))))
    return found


def _fills(made: Sequence[SeenFill], kept: Sequence[Mapping[str, Any]], span: _Span) -> list[dict[str, str]]:
    """Pair the fills of each order in their order, and say what differs."""
    left: dict[str, list[Mapping[str, Any]]] = {}
    for row in kept:
        forced = row["reason"] == Reason.LIQUIDATION
        left.setdefault(LIQUIDATION if forced else row["client_id"], []).append(row)
    found = []
    for fill in made:
        rows = left.get(fill.client_id, [])
        if rows:
            found += _facts("fill", rows.pop(0), asdict(fill), FILL_FACTS)
        elif span.certain(fill.exchange, fill.ts_ms):
            found.append(_difference("fill", fill.client_id, asdict(fill), "", "none", _brief(asdict(fill))))
    for rows in left.values():
        found += [_difference("fill", row["client_id"], row, "", _brief(row), "none") for row in rows]
    return found


def _facts(what: str, row: Mapping[str, Any], made: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, str]]:
    return [
        _difference(what, row["client_id"], row, name, _text(name, row[name]), _text(name, made[name]))
        for name in names
        if _value(name, row[name]) != _value(name, made[name])
    ]


def _value(name: str, value: Any) -> Any:
    if name in MONEY and value is not None:
        return Decimal(value)
    return bool(value) if name == "maker" else value


def _text(name: str, value: Any) -> str:
    if name in MONEY and value is not None:
        return f"{Decimal(value):f}"
    return iso(value) if name.endswith("_ms") else str(value)


def _brief(row: Mapping[str, Any]) -> str:
    price = "market" if row["price"] is None else f"{Decimal(row['price']):f}"
    return f"{'buy' if row['side'] > 0 else 'sell'} {Decimal(row['amount']):f} at {price}"


def _difference(what: str, identity: str, row: Mapping[str, Any], fact: str, kept: str, made: str) -> dict[str, str]:
    at_ms = row.get("created_ms", row.get("ts_ms", 0))
    return {
        "what": what,
        "client_id": identity,
        "strategy": row["strategy"],
        "symbol": row["symbol"],
        "at": iso(at_ms),
        "fact": fact or what,
        "journal": kept,
        "replay": made,
    }


def document(result: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON shows it."""
    return {"same": result.same, **asdict(result)}


def told(result: Comparison) -> str:
    """Return a comparison's outcome as a sentence."""
    span = f"from {iso(result.from_ms)} to {iso(result.until_ms)} UTC"
    if result.same:
        return f"{result.orders} orders and {result.fills} fills are the same, {span}"
    many = len(result.differences)
    differ = "1 difference" if many == 1 else f"{many} differences"
    return f"{differ}; {result.orders} orders and {result.fills} fills are the same, {span}"
