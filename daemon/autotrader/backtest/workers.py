"""Where the trials of a search are evaluated: in this process, in others on this machine, or on a Ray cluster.

Each gives the same answers in the order of its tasks, so a search does not depend on where its trials were run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, Protocol

from autotrader.backtest.grid import processors, together
from autotrader.backtest.trial import Bench, Question, Task, Tried
from autotrader.core.errors import AutotraderError

MAX_WORKERS = 256
CHUNK = 8
"""Tasks that are handed to a worker at once, at most: handing over costs as much as a short trial."""


class Evaluate(Protocol):
    """Yields what each task gives, in their order, as it becomes known."""

    def __call__(self, tasks: Sequence[Task], /) -> Iterator[Tried]: ...


def opened(bench: Bench, workers: int = 0, ray: str = "") -> AbstractContextManager[Evaluate]:
    """Return where tasks are evaluated, to be closed at the end. Raises AutotraderError for what cannot be had.

    0 workers are threads of this process, one a processor; 1 is this thread alone, more are processes. Threads work at
    the bench that is given, others make one of their own for its question.
    """
    question = bench.question
    if ray:
        return _cluster(question, ray)
    if not 0 <= workers <= MAX_WORKERS:
        raise AutotraderError(f"{workers} workers cannot be; give 1 to {MAX_WORKERS}")
    return _processes(question, workers) if workers > 1 else _here(bench, workers or processors())


@contextmanager
def _here(bench: Bench, threads: int) -> Iterator[Evaluate]:
    yield lambda tasks: together(bench.evaluate, tasks, threads)


@contextmanager
def _processes(question: Question, workers: int) -> Iterator[Evaluate]:
    # `spawn`: a fork of a process with numba's and Arrow's threads in it may never come back.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (question,)) as pool:
        try:
            yield lambda tasks: pool.map(_evaluate, tasks, chunksize=_chunk(tasks, workers))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _chunk(tasks: Sequence[Task], workers: int) -> int:
    return max(1, min(CHUNK, len(tasks) // workers))


_BENCH: list[Bench] = []
"""This worker process's own bench."""


def _begin(question: Question) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the search, which then ends its workers
    _BENCH[:] = [Bench(question)]


def _evaluate(task: Task) -> Tried:
    return _BENCH[0].evaluate(task)


@lru_cache(maxsize=2)
def _bench_of(text: bytes) -> Bench:
    import pickle

    return Bench(pickle.loads(text))  # noqa: S301 - made below by this program


def _evaluate_all(text: bytes, tasks: Sequence[Task]) -> list[Tried]:
    bench = _bench_of(text)
    return [bench.evaluate(task) for task in tasks]


@contextmanager
def _cluster(question: Question, address: str) -> Iterator[Evaluate]:
    """Evaluate on a Ray cluster. Its nodes need this program, and the history where the sources say it lies."""
    import pickle

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise AutotraderError(f"there is no Ray cluster at {address}: {error}") from error
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call] # ray's own
        text = ray.put(pickle.dumps(question))
        remote: Any = ray.remote(num_cpus=1)(_evaluate_all)
        width = max(1, int(resources.get("CPU", 1)))
        yield lambda tasks: _in_order(lambda part: remote.remote(text, part), ray.get, tasks, width)
    finally:
        ray.shutdown()


def _in_order(
    send: Callable[[Sequence[Task]], Any], get: Callable[[Any], list[Tried]], tasks: Sequence[Task], width: int
) -> Iterator[Tried]:
    """Yield answers in the order of the tasks, with at most two parts on their way for each of `width` workers."""
    step = _chunk(tasks, width)
    parts = deque(tasks[at : at + step] for at in range(0, len(tasks), step))
    sent: deque[Any] = deque()
    while parts or sent:
        while parts and len(sent) < 2 * width:
            sent.append(send(parts.popleft()))
        yield from get(sent.popleft())
