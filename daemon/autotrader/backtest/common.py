"""What the runs of one search have in common: columns that several ask for, and memory that they use one after another.

A run's columns and lists are megabytes, which to get and to give back at each of a thousand runs costs as much as a
short run itself.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from autotrader.backtest.ground import Ground
from autotrader.backtest.plan import Plan
from autotrader.features.shared import Shared
from autotrader.market.bars import Floats


class Desk:
    """The working memory of one run at a time: what it finds there is whatever the run before has left."""

    def __init__(self) -> None:
        self._lists: dict[str, npt.NDArray[Any]] = {}
        self._features: tuple[object, Floats] | None = None

    def rows(self, name: str, room: int, width: int, kind: type[np.generic]) -> npt.NDArray[Any]:
        """Return a list of at least so many rows."""
        known = self._lists.get(name)
        if known is None or len(known) < room or known.shape[1] != width:
            known = self._lists[name] = np.empty((room, width), dtype=kind)
        return known

    def keep(self, name: str, rows: npt.NDArray[Any]) -> None:
        """Leave a list that was too short, and has grown, to the next run."""
        self._lists[name] = rows

    def features(self, size: int, layout: object) -> tuple[Floats, bool]:
        """Return memory for columns, and whether the run before laid it out in the same way, with equal still ones."""
        if self._features is not None and self._features[0] == (size, layout):
            return self._features[1], True
        self._features = (size, layout), np.empty(size)
        return self._features[1], False


class Common:
    """What runs on several threads share: columns, the ground that they stand on, and a desk for each thread."""

    def __init__(self) -> None:
        self.columns = Shared()
        self._ground: Ground | None = None
        self._threads = threading.local()

    @property
    def desk(self) -> Desk:
        """The desk of the thread that asks."""
        if not hasattr(self._threads, "desk"):
            self._threads.desk = Desk()
        desk: Desk = self._threads.desk
        return desk

    def ground(self, plan: Plan) -> Ground:
        """Return the ground of a plan: that of the run before, where it is the same."""
        known = self._ground
        if known is None or not known.bears(plan):
            known = self._ground = Ground(plan)
        return known
