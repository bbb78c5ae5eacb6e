"""numba's cache of machine code, read back without what only compiling needs.

Imported where numba is, never at start-up.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import Any

from numba.core.caching import FunctionCache

from autotrader.core.stopwatch import Stopwatch


class KeptCode(FunctionCache):
    """The machine code of one function, in the folder that numba's settings name as this is made.

    `prepare` makes the function fit to be compiled; it is called where no code is kept. `watch` is told when compiling
    begins and when it is over.
    """

    def __init__(self, function: FunctionType, prepare: Callable[[], None], watch: Stopwatch) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._prepare, self._watch = prepare, watch

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kept code of a signature, None where there is none.

        numba would load all its implementations first, linear algebra with them. What is read back calls none of them,
        and a compilation loads them by itself. Code that was kept from a module which is none here, as a test's own
        functions are, is compiled again.
        """
        load: Callable[..., Any] = self._load_overload
        found = None
        with self._guard_against_spurious_io_errors(), suppress(ModuleNotFoundError):
            found = load(sig, target_context)
        if found is None:
            self._watch.begin()
            self._prepare()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled."""
        super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        self._watch.end()
