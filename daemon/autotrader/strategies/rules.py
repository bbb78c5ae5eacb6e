"""Rules: a strategy whose conditions are written in its file.

Looked at on each close. While flat, a true entry condition is a new entry unless the same side's exit is true as well,
a filter is not, or the other side's entry is true too. While an entry works or is held, its side's exit condition takes
the target to 0. With `exposure`, each change of its value is a new target, and an undefined value changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from autotrader.config.model import trouble
from autotrader.config.strategy import ExpressionStr, NamedExpressionStr, Read, SingleExchange, number_text
from autotrader.strategies.contract import BOOK, HELD, WAKES, WORKING, Feed, Leg, Out, View
from autotrader.strategies.declared import Expression, let_problem, problems, reads, validated

ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT, EXPOSURE, FILTERS, ENTERS = range(7)
_COLUMNS = ("enter_long", "exit_long", "enter_short", "exit_short", "exposure", "filters")
_CONDITIONS = _COLUMNS[:4]
_ENTRIES = {"enter_long": ENTER_LONG, "enter_short": ENTER_SHORT}
_EITHER = " or ".join(_ENTRIES)
"""The column of both entries, under a name that no let can have."""
_PROTECTION = ("stop_loss", "take_profit", "trailing_stop", "max_holding")
_MAX_FILTERS = 32
_RESERVED = frozenset({*_COLUMNS, *(f"filter_{i}" for i in range(1, _MAX_FILTERS + 1))})
NOT_ACTED = 2.0
"""An exposure that none can be: nothing was acted on yet."""


class Params(SingleExchange):
    """A strategy whose conditions are written here."""

    kind: Literal["rules"] = Field(default="rules", description="Conditions written in this file.")
    let: dict[str, NamedExpressionStr] = Field(
        default_factory=dict, max_length=64, description="Names for expressions and numbers, to be used in the others."
    )
    enter_long: ExpressionStr | None = Field(default=None, description="Buy when this is true.")
    exit_long: ExpressionStr | None = Field(default=None, description="Sell what was bought when this is true.")
    enter_short: ExpressionStr | None = Field(default=None, description="Sell short when this is true.")
    exit_short: ExpressionStr | None = Field(default=None, description="Buy back when this is true.")
    exposure: ExpressionStr | None = Field(
        default=None, description="Instead of the four conditions: the exposure wanted, -1 to 1 of the share."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _every_expression(cls, data: Any, handler: Callable[[Any], Params]) -> Params:
        return validated(cls.__name__, data, handler, _problems)

    def reads(self) -> tuple[Read, ...]:
        """Return what the rules name outside their own market."""
        return reads(_written(_given(self), self.filters, self.let))

    def wants_shorts(self) -> bool:
        """Whether a condition enters short. An exposure below 0 counts as 0 where shorts are not possible."""
        return self.enter_short is not None


def _problems(raw: Mapping[str, Any]) -> list[PydanticCustomError]:
    """Return what is wrong with the rules of a file as a whole, and with each of its expressions."""
    return [*_shape(raw), *_expressions(raw)]


def _shape(raw: Mapping[str, Any]) -> list[PydanticCustomError]:
    if "exposure" in raw:
        return [
            trouble(f"'{name}' and 'exposure' exclude each other", "keep one of them", at=(name,))
            for name in _CONDITIONS
            if name in raw
        ]
    found = []
    exits = raw.get("exits")
    protected = isinstance(exits, Mapping) and any(name in exits for name in _PROTECTION)
    for side in ("long", "short"):
        entry, leave = f"enter_{side}", f"exit_{side}"
        if entry in raw and leave not in raw and not protected:
            hint = f"write {leave}, or one of exits: {', '.join(_PROTECTION)}"
            found.append(trouble(f"what '{entry}' enters is never left", hint, at=(entry,)))
        if leave in raw and entry not in raw:
            found.append(trouble(f"'{leave}' has nothing to leave", f"write {entry}, or remove it", at=(leave,)))
    if not any(name in raw for name in _CONDITIONS):
        found.append(trouble("nothing is ever entered", "write enter_long, enter_short or exposure"))
    return found


def _expressions(raw: Mapping[str, Any]) -> list[PydanticCustomError]:
    """Compile what the file says. Where a value is no text, its field has its own error and this one waits."""
    lets, filters = raw.get("let", {}), raw.get("filters", ())
    conditions = {name: raw[name] for name in _COLUMNS[:FILTERS] if name in raw}
    if not isinstance(lets, Mapping) or not isinstance(filters, (list, tuple)) or len(filters) > _MAX_FILTERS:
        return []
    lets = {name: number_text(value) for name, value in lets.items()}
    if not all(isinstance(text, str) for text in (*lets, *lets.values(), *filters, *conditions.values())):
        return []
    names = [problem for problem in (let_problem(name, _RESERVED) for name in lets) if problem is not None]
    lets = {name: text for name, text in lets.items() if not let_problem(name, _RESERVED)}
    written = _written(conditions, filters, lets)
    columns = {**_columns(conditions, filters), **_parts(filters, lets)}
    return [*names, *problems(written, columns, raw.get("timeframe") or raw.get("feed"))]


def _written(conditions: Mapping[str, str], filters: Sequence[str], lets: Mapping[str, str]) -> dict[str, Expression]:
    """Return every expression that a file writes, by its column."""
    written = {name: Expression(text, ("let", name), None) for name, text in lets.items()}
    for name, text in conditions.items():
        written[name] = Expression(text, (name,), "number" if name == "exposure" else "condition")
    for place, text in enumerate(filters):
        written[f"filter_{place + 1}"] = Expression(text, ("filters", place), "condition")
    return written


def _given(p: Params) -> dict[str, str]:
    """Return the conditions, or the exposure, that a file writes."""
    given = {name: getattr(p, name) for name in _COLUMNS[:FILTERS]}
    return {name: text for name, text in given.items() if text is not None}


def _columns(conditions: Mapping[str, str], filters: Sequence[str]) -> dict[str, str]:
    """Return the columns that `step` reads by place."""
    never, always = "1 < 0", "0 < 1"
    return {
        **{name: conditions.get(name, never) for name in _CONDITIONS},
        "exposure": conditions.get("exposure", "0"),
        "filters": " and ".join(_parts(filters, {})) or always,
        _EITHER: _EITHER if conditions.keys() >= _ENTRIES.keys() else never,
    }


def _parts(filters: Sequence[str], lets: Mapping[str, str]) -> dict[str, str]:
    """Return what the columns are made of: each filter under a name of its own, and the lets."""
    return {**{f"filter_{place}": text for place, text in enumerate(filters, 1)}, **lets}


class Constants(NamedTuple):
    """`by_exposure` is 1 where the file writes an exposure instead of conditions.

    `enters` is the column without which nothing is entered, counted from 1; 0 with an exposure. The others are 1 where
    the file says something of the kind, so that its column need not be read elsewhere.
    """

    by_exposure: int
    enters: int
    longs: int
    shorts: int
    filtered: int


class State(NamedTuple):
    """The last target, the id under which it was wanted (0: none yet), and the exposure last acted on."""

    entry: int = 0
    target: float = 0.0
    acted: float = NOT_ACTED


def constants(p: Params) -> Constants:
    filtered = int(bool(p.filters))
    if p.exposure is not None:
        return Constants(1, 0, 0, 0, filtered)
    written = [place for name, place in _ENTRIES.items() if getattr(p, name) is not None]
    enters = 1 + (written[0] if len(written) == 1 else ENTERS)
    return Constants(0, enters, int(ENTER_LONG in written), int(ENTER_SHORT in written), filtered)


def instruments(p: Params) -> tuple[tuple[Leg, ...], ...]:
    """Each symbol is folded apart."""
    return tuple((Leg(p.exchange, symbol, Feed(p.feed or "bars", p.series)),) for symbol in p.symbols)


def wakes(p: Params) -> frozenset[int]:
    return frozenset({WAKES[p.feed or "bars"]})


def slots(_p: Params) -> int:
    return 0


def features(p: Params) -> Mapping[str, str]:
    return _columns(_given(p), p.filters)


def lets(p: Params) -> Mapping[str, str]:
    return _parts(p.filters, p.let)


def step(c: Constants, state: State, view: View, out: Out) -> State:
    """Decide on a close, or on what the feed tells; any other event leaves everything as it is."""
    if view.event <= BOOK:
        if state.entry == 0 and view.lots[0] != 0:
            # The position is older than this state (its file changed, or it was adopted): go on from there.
            state = State(view.entry_id[0], 1.0 if view.lots[0] > 0 else -1.0, state.acted)
        state = _by_exposure(c, state, view) if c.by_exposure == 1 else _by_conditions(c, state, view)
    out.target[0] = state.target
    out.entry[0] = state.entry
    out.stirred_by[0] = _stirred_by(c, state, view)
    return state


def _stirred_by(c: Constants, state: State, view: View) -> int:
    """Return the column, counted from 1, without which a bar says nothing as things stand; 0 if any may."""
    if c.by_exposure == 1:
        return 0
    if not _busy(view):
        return c.enters if state.target == 0.0 else 0
    return 1 + _exit(state, view)


def _busy(view: View) -> bool:
    return view.lots[0] != 0 or view.entry_state[0] == WORKING or view.entry_state[0] == HELD


def _exit(state: State, view: View) -> int:
    """Return the column whose truth leaves what is held, or what an entry works for."""
    lots = view.lots[0]
    return EXIT_LONG if lots > 0 or (lots == 0 and state.target > 0.0) else EXIT_SHORT


def _by_conditions(c: Constants, state: State, view: View) -> State:
    columns = view.features[0]
    if _busy(view):
        if columns[_exit(state, view)] == 1.0:
            return _left(state, view)
        return state
    buy = c.longs == 1 and columns[ENTER_LONG] == 1.0
    sell = c.shorts == 1 and columns[ENTER_SHORT] == 1.0
    if buy != sell and (c.filtered == 0 or columns[FILTERS] == 1.0):
        if buy and columns[EXIT_LONG] != 1.0:
            return State(view.now_ms, 1.0, state.acted)
        if sell and columns[EXIT_SHORT] != 1.0:
            return State(view.now_ms, -1.0, state.acted)
    return State(state.entry, 0.0, state.acted)


def _by_exposure(c: Constants, state: State, view: View) -> State:
    columns = view.features[0]
    wanted = columns[EXPOSURE]
    if isnan(wanted):
        return state
    least = -1.0 if view.may_short[0] == 1 else 0.0
    wanted = least if wanted < least else min(wanted, 1.0)
    if wanted == state.acted:
        return state
    if c.filtered == 1 and columns[FILTERS] != 1.0:
        held = state.target if _busy(view) else 0.0
        if wanted * held > 0.0:
            if abs(wanted) >= abs(held):
                return state
        elif held == 0.0:
            return state
        else:
            wanted = 0.0
    if wanted == 0.0:
        left = _left(state, view)
        return State(left.entry, 0.0, 0.0)
    return State(view.now_ms, wanted, wanted)


def _left(state: State, view: View) -> State:
    """Return the state that leaves; a position without an id of ours is left under a new one."""
    entry = view.now_ms if state.entry == 0 and view.lots[0] != 0 else state.entry
    return State(entry, 0.0, state.acted)
