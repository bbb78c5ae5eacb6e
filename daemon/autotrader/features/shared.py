"""Columns that many programs over the same bars have in common, made once: what a search asks for again and again.

A column is known by its expression, compiled, and by the bars it is made of, which are the same arrays. It is made when
a second program asks for it, for a search over numbers between would otherwise keep what nobody wants again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

from autotrader.core.memory import address
from autotrader.market.bars import Columns, Floats

MAX_BYTES = 256 * 2**20
"""Memory that the columns of one process take, the bars under them included; what was asked for longest ago goes."""

MAX_ASKED = 10_000
"""Columns that were asked for once and are remembered."""


class Shared:
    """Columns by expression and bars, for several threads at once."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._asked: set[tuple[Hashable, Hashable]] = set()
        self._columns: OrderedDict[tuple[Hashable, Hashable], Floats] = OrderedDict()
        self._bars: dict[Hashable, tuple[Columns, int]] = {}  # held, lest others come to lie where they lay
        self._lock = threading.Lock()

    def columns(
        self, expressions: Sequence[Hashable], bars: Columns, make: Callable[[int], Floats]
    ) -> list[Floats] | None:
        """Return the columns of some expressions over bars; None where one of them was never asked for before.

        `make` returns the column of the expression at a place. Two threads may make the same one, which are equal.
        """
        ground = (len(bars.ts), *map(address, bars))
        keys: list[tuple[Hashable, Hashable]] = [(one, ground) for one in expressions]
        with self._lock:
            known = [self._columns.get(key) for key in keys]
            found = [column for column in known if column is not None]
            if len(found) < len(keys) and not self._asked_before(keys):
                return None
            for key in keys:
                if key in self._columns:
                    self._columns.move_to_end(key)
        if len(found) == len(keys):
            return found
        made = [make(place) if column is None else column for place, column in enumerate(known)]
        with self._lock:
            for key, column in zip(keys, made, strict=True):
                self._keep(key, column, bars)
        return made

    def _asked_before(self, keys: Sequence[tuple[Hashable, Hashable]]) -> bool:
        """Tell whether each is known, or was asked for; they are from now on."""
        new = {key for key in keys if key not in self._columns and key not in self._asked}
        if new and len(self._asked) >= MAX_ASKED:
            self._asked.clear()
        self._asked |= new
        return not new

    def _keep(self, key: tuple[Hashable, Hashable], column: Floats, bars: Columns) -> None:
        if key in self._columns:
            return
        held, count = self._bars.get(key[1], (bars, 0))
        self._bars[key[1]] = held, count + 1
        self._columns[key] = column
        self._bytes += column.nbytes + (0 if count else _size(held))
        while self._bytes > self._max_bytes:
            self._drop()

    def _drop(self) -> None:
        """Forget the column that was asked for longest ago, and its bars with the last of theirs."""
        (_, ground), column = self._columns.popitem(last=False)
        held, count = self._bars.pop(ground)
        self._bytes -= column.nbytes + (0 if count > 1 else _size(held))
        if count > 1:
            self._bars[ground] = held, count - 1


def _size(bars: Columns) -> int:
    return sum(column.nbytes for column in bars)
