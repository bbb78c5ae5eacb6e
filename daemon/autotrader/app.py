"""The composition root: the only file that knows everything. It joins the floors and starts what commands ask for."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotrader.app_venues import (
    backtest_source,
    end_ms,
    make_account,
    make_metrics,
    make_venue,
    paper_settings,
)
from autotrader.config.load import Declarations, LoadCache, Loaded, load
from autotrader.config.strategy import StrategyParams
from autotrader.core.clock import Clock, SystemClock
from autotrader.core.errors import AutotraderError, ConfigError
from autotrader.core.units import FEEDS
from autotrader.strategies import registry

if TYPE_CHECKING:
    from autotrader.backtest.engine import Progress
    from autotrader.backtest.optimize import Optimized
    from autotrader.backtest.plan import Plan
    from autotrader.backtest.preview import Preview
    from autotrader.backtest.replay import Comparison
    from autotrader.backtest.result import Result
    from autotrader.backtest.trial import Question
    from autotrader.runtime.logs import Redaction


class Loader:
    """Reads one configuration folder, again and again; what did not change is not read twice."""

    def __init__(self, root: Path, kinds: Mapping[str, type[StrategyParams]] | None = None) -> None:
        self.root = root
        self._kinds = kinds if kinds is not None else registry.params()
        self._cache = LoadCache()

    def __call__(self) -> Loaded:
        """Return what the folder declares now."""
        return load(
            self.root,
            self._kinds,
            registry.PLANNED,
            cache=self._cache,
            warn_history=self._warn_history,
            warn_metric=self._warn_metric,
        )

    def texts(self, texts: Mapping[str, str]) -> Loaded:
        """Return what texts that were once accepted declare; secrets are looked up where they lie now."""
        with tempfile.TemporaryDirectory(prefix="autotrader-") as folder:
            again = Path(folder)
            for path, text in texts.items():
                target = again / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            if (self.root / "secrets").is_dir():
                (again / "secrets").symlink_to(self.root.resolve() / "secrets")
            return load(again, self._kinds, registry.PLANNED)

    def _warn_history(self, folder: str, exchange: str, symbol: str, timeframe: str) -> str:
        from autotrader.market.history import has_events, source_timeframe

        data = self.root / folder
        if not data.is_dir():
            return f"there is no history at {folder}; name the folder that holds candles/"
        if timeframe in FEEDS:
            if not has_events(data, exchange, symbol, timeframe):
                return f"the history of {exchange} has no {timeframe} of {symbol}"
        elif source_timeframe(data, exchange, symbol, timeframe) is None:
            return f"the history of {exchange} has no {symbol} bars from which {timeframe} bars can be made"
        return ""

    def _warn_metric(self, folder: str, name: str, column: str) -> str:
        from autotrader.market.metrics import problem

        return problem(self.root / folder, name, column)


def write_schemas(folder: Path) -> list[Path]:
    """Write the JSON Schema of every YAML kind and return the files."""
    import json

    from autotrader.config.schema import schemas

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas(registry.params()).items():
        path = folder / name
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def declared(root: Path) -> Declarations:
    """Return what a folder declares. Raises ConfigError with every problem."""
    loaded = Loader(root)()
    if loaded.declarations is None:
        raise ConfigError(loaded.problems)
    return loaded.declarations


def run_backtest(
    root: Path,
    names: Sequence[str] = (),
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    data: Path | None = None,
    progress: Callable[..., None] | None = None,
) -> Result:
    """Return the result of the named strategies, or of all, as declared."""
    from autotrader.backtest.engine import prepare
    from autotrader.backtest.run import backtest

    declarations = declared(root)
    plan = backtest_plan(root, declarations, names, from_ms=from_ms, to_ms=to_ms, data=data)
    prepare(plan, _compiling(progress))
    return backtest(plan, declarations.hash, progress=progress)


def _compiling(progress: Callable[..., None] | None) -> Callable[[float], None] | None:
    """Return what says that the simulation is compiled, while it takes its seconds once after an installation."""
    news = "(compiling the simulation, once after an installation)"
    return None if progress is None else lambda share: progress(share, news)


def compare_backtests(
    root: Path, names: Sequence[str] = (), *, progress: Callable[..., None] | None = None, **span: Any
) -> dict[str, Result]:
    """Return the result of each strategy alone, by its name: each has the whole account for itself."""
    each = list(names) or sorted(declared(root).strategies)

    def part(number: int) -> Callable[..., None] | None:
        return None if progress is None else lambda share, *news: progress((number + share) / len(each), *news)

    return {name: run_backtest(root, [name], progress=part(number), **span) for number, name in enumerate(each)}


def backtest_plan(
    root: Path,
    declarations: Declarations,
    names: Sequence[str] = (),
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    data: Path | None = None,
) -> Plan:
    """Return the plan of a backtest: the named strategies or all, as declared. `data` replaces recorded history."""
    from autotrader.backtest.run import plan_of

    ends = end_ms(declarations, names, from_ms, to_ms, data)
    return plan_of(
        declarations,
        registry.kinds(),
        backtest_source(root, declarations, data),
        names,
        from_ms,
        ends,
        metrics=lambda name: make_metrics(root, name, declarations, data),
    )


def replay_run(
    run: Path | None = None, root: Path | None = None, *, data: Path | None = None, progress: Progress | None = None
) -> Comparison:
    """Return how a recorded run compares with what the backtest makes of it.

    `run` is a store, or a configuration folder; left out it is `root`, the folder of this configuration. Raises
    AutotraderError where there is no such run, or where what it declared cannot be read any more.
    """
    from autotrader.backtest import replay
    from autotrader.core.paths import find_root, store_of
    from autotrader.core.units import timeframe_ms
    from autotrader.store import recording

    store = run if run is not None and run.is_file() else store_of(_folder(run or root))
    home = root or (_folder(run) if run is not None and run.is_dir() else find_root(store.resolve().parent))
    recorded = recording.read(store)
    loader = Loader(home)
    generations = [(one.number, loader.texts(one.texts)) for one in recorded.generations]
    first = generations[0][1]
    if first.declarations is None:
        raise ConfigError(first.problems)
    end = replay.stretch(
        [(number, loaded.declarations) for number, loaded in generations], recorded.orders, recorded.events
    )
    used = {exchange for one in first.declarations.strategies.values() for _, exchange in one.exchanges()}
    reached = {name: ms for name, ms in recorded.until_ms.items() if name in used}
    if not reached:
        raise AutotraderError(f"the run in {store} traded on no market: there is nothing to replay")
    frames = {getattr(one, "series", "1h") for one in first.declarations.strategies.values()}
    beyond_ms = max(timeframe_ms(frame) for frame in frames)  # so that orders of the last moment meet its open
    to_ms = min(max(reached.values()), end.until_ms) + beyond_ms
    plan = backtest_plan(home, first.declarations, to_ms=to_ms, data=data)
    notes = ["the journal's first events are pruned: commands of that time are not known"] * recorded.forgotten
    return replay.compare(
        plan, recorded.run, recorded.orders, recorded.fills, reached, end, notes=notes, progress=progress
    )


def _folder(given: Path | None) -> Path:
    from autotrader.core.paths import find_root

    if given is None:
        return find_root(Path.cwd())
    if not given.is_dir():
        raise AutotraderError(f"{given} is neither a store nor a configuration folder")
    return given.resolve()


def make_preview(root: Path, span_ms: int, until_ms: int) -> Preview:
    """Return what a reload would have meant in the time before `until_ms`: the running generation beside the files.

    Runs in the caller's process: the daemon does nothing for it. Raises AutotraderError where it cannot be made.
    """
    import time

    from autotrader.backtest.preview import preview
    from autotrader.backtest.run import backtest
    from autotrader.core.paths import store_of
    from autotrader.store import recording

    running = Loader(root).texts(recording.generations(store_of(root))[-1].texts)
    if running.declarations is None:
        raise ConfigError(running.problems)

    def alone(declarations: Declarations, name: str, from_ms: int, progress: Progress) -> Result:
        plan = backtest_plan(root, declarations, [name], from_ms=from_ms, to_ms=until_ms)
        return backtest(plan, progress=progress)

    return preview(running.declarations, declared(root), until_ms, span_ms, alone, time.monotonic)


def run_optimize(
    root: Path,
    name: str,
    *,
    space: Sequence[str],
    objective: str = "sharpe",
    trials: int = 100,
    seed: int = 0,
    folds: int = 0,
    workers: int = 0,
    ray: str = "",
    study: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
    **span: Any,
) -> Optimized:
    """Return what a search over a strategy's file finds; its trials are kept in `study`, else in var/optimize."""
    from autotrader.backtest import optimize
    from autotrader.backtest.objective import objectives
    from autotrader.backtest.search import Trial, Wanted
    from autotrader.backtest.space import space as dimensions_of

    dimensions = dimensions_of(space)
    question = optimize_question(root, name, [choice for one in dimensions for choice in one.choices], **span)
    wanted = Wanted(dimensions, objectives(objective), trials, seed, question.span)
    how = optimize.How(workers, ray, folds, study or root / "var" / "optimize" / f"{name}.db")

    def told(done: int, best: Trial | None) -> None:
        if progress is not None:
            progress(done / (trials * (1 + folds)), optimize.said(wanted, best))

    return optimize.optimize(question, wanted, how, told, _compiling(progress))


def optimize_question(
    root: Path,
    name: str,
    choices: Collection[str] = (),
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    data: Path | None = None,
) -> Question:
    """Return what a search over a strategy's file asks; `choices` may name more exchanges to be tried."""
    from autotrader.backtest.run import exchange_of
    from autotrader.backtest.trial import Question, Span
    from autotrader.config.nodes import plain
    from autotrader.config.yaml import read
    from autotrader.execution.declared import limits_of, profiles_of

    declarations = declared(root)
    if name not in declarations.strategies:
        known = ", ".join(sorted(declarations.strategies)) or "none"
        raise AutotraderError(f"there is no strategy '{name}'; declared are: {known}")
    params = declarations.strategies[name]
    text = next(text for path, text in declarations.texts.items() if _declares(path, name))
    tree = read(text.encode()).root
    assert tree is not None  # it was accepted
    values = plain(tree)
    assert isinstance(values, dict)
    data = data.resolve() if data is not None else None
    source = backtest_source(root.resolve(), declarations, data)
    used = {exchange for _, exchange in params.exchanges()} | (set(choices) & set(declarations.exchanges))
    used |= {read.name for read in params.reads() if read.kind == "exchange"}
    exchanges = tuple(
        exchange_of(each, declarations, source, lambda each: make_metrics(root.resolve(), each, declarations, data))
        for each in sorted(used)
    )
    ends = end_ms(declarations, [name], from_ms, to_ms, data)
    span, profiles = Span(from_ms, ends), profiles_of(declarations)
    return Question(name, params.kind, values, exchanges, limits_of(declarations), span, profiles)


def _declares(path: str, name: str) -> bool:
    return path in {f"strategies.d/{name}.yaml", f"strategies.d/{name}.yml"}


def make_daemon(
    root: Path, clock: Clock | None = None, *, with_page: bool = True, redaction: Redaction | None = None
) -> Any:
    """Return the daemon of a configuration folder, not yet started. `redaction` learns every secret that it loads."""
    from autotrader.config.watch import watch
    from autotrader.dashboard.process import start_page
    from autotrader.runtime.daemon import Daemon, Seams
    from autotrader.store.journal import Journal

    clock = clock or SystemClock()
    loader = Loader(root)

    def loading() -> Loaded:
        loaded = loader()
        if redaction is not None:
            redaction.redact = loaded.redactor
        return loaded

    async def hints() -> AsyncIterator[None]:
        async for _ in watch(root, clock):
            yield None

    def adjust(venue: Any, name: str, declarations: Declarations) -> None:
        venue.adjust(paper_settings(root, name, declarations))

    async def page(declarations: Declarations) -> Any:
        return await start_page(root, declarations.daemon)

    return Daemon(
        Seams(
            root=root,
            kinds=registry.kinds(),
            load=loading,
            load_texts=loader.texts,
            venue=lambda name, declarations: make_venue(root, clock, name, declarations),
            account=make_account,
            metrics=lambda name, declarations: make_metrics(root, name, declarations),
            adjust=adjust,
            watch=hints,
            journal=Journal,
            page=page if with_page else None,
            clock=clock,
        )
    )


async def run(root: Path, redaction: Redaction) -> None:
    """Run the daemon of a configuration folder until it is told to stop."""
    daemon = make_daemon(root, redaction=redaction)
    await daemon.start()
    # What start-up made stays: left to the collector, a full pass over a thousand strategies stops the loop for 100 ms.
    gc.collect()
    gc.freeze()
    loop = daemon.loop
    page = f", dashboard at {daemon.page_url}" if daemon.page_url else ""
    print(  # noqa: T201 - the one line that a person waits for
        f"autotrader runs {len(loop.strategies)} strategies on {len(loop.accounts)} exchanges{page}", flush=True
    )
    await daemon.run()


def run_forever(root: Path) -> None:
    """Run the daemon on uvloop."""
    import uvloop

    from autotrader.runtime.logs import set_up

    redaction = set_up(os.environ.get("AUTOTRADER_LOG", "info"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(root, redaction))
