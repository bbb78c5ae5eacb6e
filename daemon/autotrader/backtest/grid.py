"""Many backtests over the same bars, on several processors of one process.

The loop holds no lock of the interpreter while it runs, and everything that it writes belongs to its own run; bars and
machine code are shared. What is left to the interpreter is a fraction of a millisecond for each.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from autotrader.backtest.common import Common
from autotrader.backtest.engine import simulate
from autotrader.backtest.plan import Plan
from autotrader.backtest.result import Result
from autotrader.backtest.run import result_of

Given = TypeVar("Given")
Made = TypeVar("Made")

AHEAD = 4
"""Runs that wait for each processor: a run holds some megabytes, so not all of them are begun at once."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def grid(plans: Iterable[Plan], threads: int = 0) -> Iterator[Result]:
    """Yield the result of each plan, in their order; of 0 threads, as many as there are processors."""
    common = Common()

    def work(plan: Plan) -> Result:
        return result_of(simulate(plan, ahead=False, common=common))

    return together(work, plans, threads or processors())


def together(work: Callable[[Given], Made], given: Iterable[Given], threads: int) -> Iterator[Made]:
    """Yield what some work makes of each thing, in their order, done on several threads; taken as they are needed.

    This thread is one of them: a third one beside two processors would only take turns with the others.
    """
    import numba  # noqa: F401 - of two threads that import it at once, one finds it half made

    if threads == 1:
        yield from map(work, given)
        return
    waiting: deque[_Task[Any, Any]] = deque()
    with ThreadPoolExecutor(threads - 1, thread_name_prefix="grid") as pool:
        for one in given:
            waiting.append(_Task(one, pool.submit(work, one)))
            while len(waiting) > AHEAD * threads:
                if _first_is_done(work, waiting):
                    yield waiting.popleft().made.result()
        while waiting:
            if _first_is_done(work, waiting):
                yield waiting.popleft().made.result()


@dataclass(slots=True)
class _Task(Generic[Given, Made]):
    """Something to work at, and what comes of it."""

    given: Given
    made: Future[Made]


def _first_is_done(work: Callable[[Given], Made], waiting: deque[_Task[Given, Made]]) -> bool:
    """Return True once the first task is done; False after working here at the first that nobody has begun with."""
    if waiting[0].made.done():
        return True
    mine = next((one for one in waiting if one.made.cancel()), None)
    if mine is None:
        return bool(wait([waiting[0].made]).done)
    mine.made = Future()
    try:
        mine.made.set_result(work(mine.given))
    except Exception as error:  # noqa: BLE001 - it is raised where its turn comes
        mine.made.set_exception(error)
    return False
