"""What a strategy kind promises: the one `step` that backtest, paper and live all fold over events.

A kind is one module of this package with

    Params                    Pydantic: the whole YAML file of this kind, for people
    Constants                 NamedTuple of numbers: what the loop needs of it
    State                     NamedTuple of scalars and fixed-length tuples, finite, with defaults to start from;
                              journalled whole, and enough to write all of `out` again
    constants(p)              Params -> Constants
    instruments(p)            the groups that are folded apart; each a tuple of legs (one, a pair, one a venue)
    wakes(p)                  which events call `step`: a subset of BAR, TRADE, QUOTE, BOOK, FILL, TIMER
    features(p)               name -> expression: the causal columns that `step` reads by place; one may name another
    lets(p)                   name -> expression: what the columns are made of and `step` does not read
    slots(p)                  how many orders it may want at once; 0 means targets only
    step(c, state, view, out) -> State; pure: no clock, no I/O, no randomness

`step` is written for plain Python and for numba alike: scalars, tuples and indexing only, and a record is made with all
of its fields, for numba knows no defaults.
`view` and `out` hold flat sequences, lists live and arrays compiled, so `view.features[leg][column]` reads in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from autotrader.core.errors import BrokenInvariant
from autotrader.core.units import BOOK_DEPTH

BAR, TRADE, QUOTE, BOOK, FILL, TIMER = range(6)

WAKES: Mapping[str, int] = {"bars": BAR, "trades": TRADE, "quotes": QUOTE, "book": BOOK}
"""The event that each kind of feed brings."""

NO_ENTRY, WORKING, HELD, ENDED = range(4)
"""How the entry under a target's id fares: none, its orders work, it is held, it ended (`last_exit` says how)."""

NOT_LEFT, BY_TARGET, BY_STOP_LOSS, BY_TAKE_PROFIT, BY_TRAILING_STOP, BY_MAX_HOLDING, BY_COMMAND = range(7)
"""How the last position ended: there was none, the target went to 0, a protective exit, or a person's command."""

FREE, SENT, RESTING, FILLED, REFUSED = range(5)
"""How a wanted order in a slot fares."""


class Feed(NamedTuple):
    """What a leg reads: bars of a timeframe, or trades, quotes, or the book to a depth of at most BOOK_DEPTH levels.

    Of a feed of events `timeframe` is its kind again: an event is a bar of one moment (see `market.events`).
    """

    kind: Literal["bars", "trades", "quotes", "book"]
    timeframe: str = ""
    depth: int = 0


def levels_of(feed: Feed) -> int:
    """Return how many levels of each side a leg sees; of quotes it is one. Raises BrokenInvariant for too many."""
    if feed.depth > BOOK_DEPTH:
        raise BrokenInvariant(f"a strategy kind asks for {feed.depth} levels of a book; there are {BOOK_DEPTH}")
    return feed.depth if feed.kind == "book" else int(feed.kind == "quotes")


class Leg(NamedTuple):
    """One instrument that a strategy trades, with what it reads of it."""

    exchange: str
    symbol: str
    feed: Feed


class View(NamedTuple):
    """All that a step may know, at one moment of market time.

    `event` is BAR .. TIMER, `leg` the index of the leg it concerns (the last to arrive where several came together, 0
    for TIMER), `now_ms` the market's UTC milliseconds. Indexed by leg: `features[leg][column]` (NaN is undefined),
    `bids`/`asks[leg][level]` as (price, amount) of quotes and books (the best first; NaN and 0 where there is none),
    `age_ms` of the newest data, `lots` owned (signed), `entry_price` (NaN while flat), `entry_id` and `entry_state` of
    the last target, `last_exit` (NOT_LEFT .. BY_COMMAND), `budget` in quote units, `may_short` (1, or 0 on spot),
    `tick` and `lot`, the steps of price and amount. Indexed by slot: `order_state`, `order_filled` and
    `order_remaining` in lots.
    """

    event: int
    leg: int
    now_ms: int
    features: Sequence[Sequence[float]]
    bids: Sequence[Sequence[Sequence[float]]]
    asks: Sequence[Sequence[Sequence[float]]]
    age_ms: Sequence[int]
    lots: Sequence[int]
    entry_price: Sequence[float]
    entry_id: Sequence[int]
    entry_state: Sequence[int]
    last_exit: Sequence[int]
    budget: Sequence[float]
    may_short: Sequence[int]
    tick: Sequence[float]
    lot: Sequence[float]
    order_state: Sequence[int]
    order_filled: Sequence[int]
    order_remaining: Sequence[int]


class Out(NamedTuple):
    """What a step wants; it keeps what the step before left in it.

    By leg: `target`, the exposure of its share from -1 to 1, and `entry`, the id under which it is sized once (0: it
    never asked for anything, and its target says nothing). A target that goes to 0 under its id is an exit, and one
    that ended is not entered again.
    By slot: leg, side (+1, -1; 0 wants no order), ticks (0 is a market order), lots, post-only (0, 1) and a group of
    legs (0: none).
    What a slot wants is ordered once: only another wish orders again. `wake_ms[0]` is when TIMER is due (0: never).
    By leg: what it reads need not wake it while its price stays between `calm_below` and `calm_above` (both 0: always
    does), which spares a strategy that waits for prices most of its steps.
    By leg: `stirred_by`, the place of a column counted from 1. While what the strategy owns and has under way stays as
    it is, a bar at which that column is not 1 leaves its State and its wishes alone (0: any bar may change them).
    """

    target: list[float]
    entry: list[int]
    slot_leg: list[int]
    slot_side: list[int]
    slot_ticks: list[int]
    slot_lots: list[int]
    slot_post_only: list[int]
    slot_group: list[int]
    wake_ms: list[int]
    calm_below: list[float]
    calm_above: list[float]
    stirred_by: list[int]


def fresh_out(legs: int, slots: int) -> Out:
    """Return an Out that wants nothing."""
    by_slot = [[0] * slots for _ in range(6)]
    return Out._make(([0.0] * legs, [0] * legs, *by_slot, [0], [0.0] * legs, [0.0] * legs, [0] * legs))


class Kind(Protocol):
    """The module of one strategy kind, as the registry hands it out."""

    Params: Any
    Constants: Any
    State: Any

    def constants(self, p: Any, /) -> Any: ...
    def instruments(self, p: Any, /) -> tuple[tuple[Leg, ...], ...]: ...
    def wakes(self, p: Any, /) -> frozenset[int]: ...
    def features(self, p: Any, /) -> Mapping[str, str]: ...
    def lets(self, p: Any, /) -> Mapping[str, str]: ...
    def slots(self, p: Any, /) -> int: ...
    def step(self, c: Any, state: Any, view: View, out: Out, /) -> Any: ...
