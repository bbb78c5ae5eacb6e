"""What a backtest hands on: equity curves and closed round trips, in exact integers until somebody reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autotrader.execution.orders import Reason
from autotrader.market.bars import Columns, Floats, Ints

PORTFOLIO: Final = "portfolio"
"""What the account as a whole is called among the runs; no file may have that name."""

MINIMUM: Final = "minimum"
LOCK: Final = "lock"
"""What refuses entries besides the limits: an exchange's minimum, and a loss lock or cooldown."""

CASH: Final = Decimal("1e-8")
"""The step in which quote money is counted."""

REASONS: Final = tuple(Reason)
"""A trade's `reason` is an index into these."""


class Trades(NamedTuple):
    """Closed round trips in order of exit, as columns of one length.

    `leg` indexes `Result.legs`; `side` is +1 for a long, -1 for a short; moments are UTC milliseconds. What was entered
    sums, over its fills, to `in_ticks` x `in_lots` + `in_rest` ticks times lots; what left it likewise. `fees` and
    `pnl` (net of them) count steps of the leg's cash.
    """

    leg: npt.NDArray[np.int32]
    side: npt.NDArray[np.int8]
    entry_ms: Ints
    exit_ms: Ints
    in_lots: Ints
    out_lots: Ints
    in_ticks: Ints
    in_rest: Ints
    out_ticks: Ints
    out_rest: Ints
    fees: Ints
    pnl: Ints
    reason: npt.NDArray[np.int8]

    def entered(self) -> Floats:
        """Return ticks times lots over the fills that entered each trade."""
        return np.asarray(self.in_ticks * self.in_lots.astype(np.float64) + self.in_rest)

    def left(self) -> Floats:
        """Return ticks times lots over the fills that left each trade."""
        return np.asarray(self.out_ticks * self.out_lots.astype(np.float64) + self.out_rest)

    def at(self, rows: npt.NDArray[np.bool_] | Ints) -> Trades:
        """Return the trades at some rows, given as a mask or as indices."""
        return Trades._make(column[rows] for column in self)


class LegInfo(NamedTuple):
    """One strategy's symbol on one exchange. A tick is quote units, a lot base units, `cash` a step of quote money."""

    strategy: str
    exchange: str
    symbol: str
    timeframe: str
    tick: Decimal
    lot: Decimal
    cash: Decimal = CASH


class Curve(NamedTuple):
    """Equity over time: `ts` UTC milliseconds, increasing, each the moment (a bar's close) at which `equity` was known.

    The first point is where the run begins, before any trade; equity is in quote units.
    """

    ts: Ints
    equity: Floats


@dataclass(frozen=True)
class StrategyRun:
    """How one strategy fared, or the whole account. `exposed` is the share of its bars with a position, 0 to 1.

    `drawdown` is the deepest fall from a peak at any bar's close, a fraction of that peak; the curve may hold fewer
    points than there were closes.
    """

    name: str
    kind: str
    symbols: tuple[str, ...]
    bars: int
    start_equity: Decimal
    final_equity: Decimal
    curve: Curve
    fees: Decimal
    exposed: float
    drawdown: float = 0.0


class OwnLock(NamedTuple):
    """When a drawdown of its own locked a strategy, and its bound."""

    strategy: str
    ms: int
    bound: str


@dataclass(frozen=True)
class Result:
    """One backtest. `bars` holds, by index into `legs`, the bars that charts show; a leg may be left out.

    `seconds` is the time from bars in memory to metrics; the hashes name the data and the declarations. `refused`
    counts orders that would have added to a position, by the limit that refused them, MINIMUM or LOCK. At `locked_ms`
    (0: never) the bound `locked_by` of the drawdown locked the account; `own_locks` are those of strategies alone.
    """

    strategies: tuple[StrategyRun, ...]
    portfolio: StrategyRun
    legs: tuple[LegInfo, ...]
    trades: Trades
    seconds: float
    data_hash: str
    config_hash: str
    bars: Mapping[int, Columns] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    locked_ms: int = 0
    locked_by: str = ""
    own_locks: tuple[OwnLock, ...] = ()

    @property
    def runs(self) -> tuple[StrategyRun, ...]:
        """Return the strategies, then the account as a whole."""
        return (*self.strategies, self.portfolio)

    def trades_of(self, name: str) -> Trades:
        """Return one strategy's trades, or all of them for the portfolio."""
        if name == PORTFOLIO or all(leg.strategy == name for leg in self.legs):
            return self.trades
        owned = np.array([leg.strategy == name for leg in self.legs], dtype=np.bool_)
        return self.trades.at(owned[self.trades.leg])


def units(legs: tuple[LegInfo, ...]) -> Floats:
    """Return how many ticks times lots make one step of cash, for each leg."""
    return np.array([_unit(leg.tick, leg.lot, leg.cash) for leg in legs], dtype=np.float64)


@lru_cache(maxsize=1_024)
def _unit(tick: Decimal, lot: Decimal, cash: Decimal) -> float:
    return float(cash / (tick * lot))


def trade_returns(legs: tuple[LegInfo, ...], trades: Trades) -> Floats:
    """Return each trade's profit net of fees as a fraction of what it was entered for."""
    entered = trades.entered() / units(legs)[trades.leg]
    returns: Floats = np.divide(trades.pnl, entered, out=np.zeros(len(entered)), where=entered > 0)
    return returns


def money(steps: Ints) -> Decimal:
    """Return the exact sum of money counted in steps of CASH."""
    high, low = np.divmod(steps, 2**31)  # a sum of large counts must not wrap
    return (int(high.sum()) * 2**31 + int(low.sum())) * CASH
