"""What only all the files together can tell: names that must exist, owners that must be one, markets that must fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from autotrader.config.daemon import DaemonSettings
from autotrader.config.exchange import Generate, Replay, SimulatedExchange
from autotrader.config.folder import MAIN
from autotrader.config.nodes import Mapping as MappingNode
from autotrader.config.nodes import Scalar
from autotrader.config.problems import Reporter
from autotrader.config.risk import RiskLimits
from autotrader.config.strategy import NotionalSize, Read, SingleExchange, StrategyParams
from autotrader.config.types import NAME_PATTERN
from autotrader.config.wording import did_you_mean
from autotrader.config.yaml import read
from autotrader.core.errors import Problem
from autotrader.core.units import Money, split_symbol

WarnHistory = Callable[[Replay, str, str], str]
"""Says what a replay's history lacks for a symbol and a timeframe; nothing where it has them. Given by the app."""

WarnMetric = Callable[[str, str, str], str]
"""Says what a data folder lacks of a metric's file and column; nothing where it has them. Given by the app."""


class Names(NamedTuple):
    """Every declared name, those of refused files too, so that one mistake is not told twice."""

    strategies: Collection[str]
    exchanges: Collection[str]
    risks: Collection[str]


class Accepted(NamedTuple):
    """The objects that were accepted one by one, with the texts and paths of their files."""

    daemon: DaemonSettings | None
    strategies: Mapping[str, StrategyParams]
    exchanges: Mapping[str, SimulatedExchange]
    risks: Mapping[str, RiskLimits]
    paths: Mapping[str, str]
    texts: Mapping[str, str]
    refused: Collection[str]


def cross_check(
    accepted: Accepted, names: Names, warn_history: WarnHistory | None, warn_metric: WarnMetric | None
) -> Iterator[Problem]:
    """Yield every problem and warning between files."""
    daemon = accepted.daemon
    if daemon and daemon.risk != "default" and daemon.risk not in names.risks:
        message = f"risk profile '{daemon.risk}' does not exist"
        yield _report(accepted, MAIN).key_or_top(("risk",), message, _hint(daemon.risk, names.risks, "risk.d"))
    yield from _limits(accepted, account_currency(daemon, accepted.exchanges.values()))
    yield from _refused(accepted, names)
    adopters: dict[str, str] = {}
    told: dict[tuple[str, str, str], str] = {}
    for name, strategy in accepted.strategies.items():
        path = accepted.paths[name]
        yield from _adoption(accepted, name, strategy, names, adopters)
        for keys, exchange in strategy.exchanges():
            if exchange not in names.exchanges:
                message = f"exchange '{exchange}' does not exist"
                yield _report(accepted, path).key_or_top(keys, message, _hint(exchange, names.exchanges, "exchanges.d"))
            elif exchange in accepted.exchanges:
                yield from _market(accepted, path, strategy, keys, exchange)
        for one in strategy.reads():
            if one.kind == "metric":
                yield from _metric(accepted, path, strategy, one, warn_metric)
            else:
                yield from _elsewhere(accepted, names, path, strategy, one)
        if warn_history and isinstance(strategy, SingleExchange):
            yield from _history(accepted, path, strategy, warn_history, told)


def account_currency(daemon: DaemonSettings | None, exchanges: Iterable[SimulatedExchange]) -> str:
    """Return what equity and limits are counted in: as declared, else the one currency of all balances, else USDT."""
    held = {name for exchange in exchanges for name, amount in exchange.balances.items() if amount}
    return (daemon and daemon.currency) or (held.pop() if len(held) == 1 else "USDT")


def _limits(accepted: Accepted, currency: str) -> Iterator[Problem]:
    """Yield the limits whose money could not be compared with the equity."""
    for name, risk in accepted.risks.items():
        for key in type(risk).model_fields:
            money = getattr(risk, key)
            if isinstance(money, Money) and money.currency != currency:
                message = f"this limit is in {money.currency}, but equity is counted in {currency}"
                hint = f"write it in {currency}, or as a share of equity"
                yield _report(accepted, accepted.paths[f"risk/{name}"]).key_or_top((key,), message, hint)


def _refused(accepted: Accepted, names: Names) -> Iterator[Problem]:
    """Look at what a refused strategy names all the same, so that every error is told at once."""
    for path, text in accepted.texts.items():
        root = read(text.encode()).root if path in accepted.refused else None
        entry = root.entries.get("exchange") if isinstance(root, MappingNode) else None
        value = entry[1].value if entry and isinstance(entry[1], Scalar) else None
        if isinstance(value, str) and re.match(NAME_PATTERN, value) and value not in names.exchanges:
            message = f"exchange '{value}' does not exist"
            yield _report(accepted, path).key_or_top(
                ("exchange",), message, _hint(value, names.exchanges, "exchanges.d")
            )


def _report(accepted: Accepted, path: str) -> Reporter:
    return Reporter(path, read(accepted.texts[path].encode()))


def _hint(name: str, names: Collection[str], folder: str) -> str:
    if meant := did_you_mean(name, names):
        return f"did you mean '{meant}'?"
    return f"there are {', '.join(sorted(names)[:10])}" if names else f"create {folder}/{name}.yaml"


def _adoption(
    accepted: Accepted, name: str, strategy: StrategyParams, names: Names, adopters: dict[str, str]
) -> Iterator[Problem]:
    target, path = strategy.adopts, accepted.paths[name]
    if target is None:
        return
    if target == name:
        yield _report(accepted, path).key_or_top(("adopts",), "a strategy cannot adopt itself", "remove the line")
    elif target in names.strategies:
        message = f"'{target}' still exists, so its position cannot be adopted"
        yield _report(accepted, path).key_or_top(
            ("adopts",), message, f"remove strategies.d/{target}.yaml in the same step"
        )
    elif target in adopters:
        message = f"'{target}' is adopted twice"
        yield _report(accepted, path).key_or_top(("adopts",), message, f"{adopters[target]} adopts it too: remove one")
    adopters.setdefault(target, path)


def _market(
    accepted: Accepted, path: str, strategy: StrategyParams, keys: tuple[str | int, ...], name: str
) -> Iterator[Problem]:
    exchange = accepted.exchanges[name]
    if exchange.market == "spot" and strategy.wants_shorts():
        message = f"this strategy sells short, but '{name}' is a spot market"
        yield _report(accepted, path).key_or_top(keys, message, "use an exchange with  market: swap")
    if not isinstance(strategy, SingleExchange):
        return
    if isinstance(exchange.source, Generate) and strategy.feed is not None:
        message = f"'{name}' is a generated market, which has no {strategy.feed}"
        yield _report(accepted, path).key_or_top(("feed",), message, "write timeframe: 5m, or replay a recorded market")
    for index, symbol in enumerate(strategy.symbols):
        place = ("symbols", index)
        if isinstance(exchange.source, Generate) and symbol not in exchange.source.symbols:
            hint = f"it has {', '.join(exchange.source.symbols[:10])}"
            yield _report(accepted, path).key_or_top(place, f"exchange '{name}' does not generate {symbol}", hint)
        quote, counted = split_symbol(symbol)[1], account_currency(accepted.daemon, (exchange,))
        if quote != counted:
            message = f"{symbol} is paid in {quote}, but the money of '{name}' is counted in {counted}"
            yield _report(accepted, path).key_or_top(place, message, f"trade a symbol that is paid in {counted}")
        elif quote not in exchange.balances:
            message = f"exchange '{name}' holds no {quote} to trade {symbol} with"
            yield _report(accepted, path).key_or_top(place, message, "no entry can be paid", "warning")
        size = strategy.size
        if isinstance(size, NotionalSize) and size.amount.currency != quote:
            message = f"the size is in {size.amount.currency}, but {symbol} is paid in {quote}"
            yield _report(accepted, path).key_or_top(("size", "amount"), message, f"write it in {quote}")


def _history(
    accepted: Accepted,
    path: str,
    strategy: SingleExchange,
    warn_history: WarnHistory,
    told: dict[tuple[str, str, str], str],
) -> Iterator[Problem]:
    exchange = accepted.exchanges.get(strategy.exchange)
    if exchange is None or exchange.replay is None:
        return
    for index, symbol in enumerate(strategy.symbols):
        key = (strategy.exchange, symbol, strategy.series)
        if key not in told:
            told[key] = warn_history(exchange.replay, symbol, strategy.series)
        message, _, hint = told[key].partition("; ")
        if message:
            yield _report(accepted, path).key_or_top(("symbols", index), message, hint, "warning")


def _elsewhere(accepted: Accepted, names: Names, path: str, strategy: StrategyParams, read: Read) -> Iterator[Problem]:
    """Look at an exchange that an expression names, and at one whose funding it reads."""
    report, place = _report(accepted, path), (read.offset, read.length)
    if read.kind == "exchange" and read.name not in names.exchanges:
        message = f"exchange '{read.name}' does not exist"
        yield report.within(read.at, place, message, _hint(read.name, names.exchanges, "exchanges.d"))
    if read.kind != "funding":
        return
    for name in (read.name,) if read.name else [own for _, own in strategy.exchanges()]:
        exchange = accepted.exchanges.get(name)
        if exchange is not None and exchange.market == "spot":
            swaps = sorted(other for other, one in accepted.exchanges.items() if one.market == "swap")
            hint = f'read another exchange\'s: funding(exchange="{swaps[0] if swaps else "NAME"}")'
            yield report.within(read.at, place, f"funding is paid on swaps, and '{name}' is a spot market", hint)


def _metric(
    accepted: Accepted, path: str, strategy: StrategyParams, read: Read, warn_metric: WarnMetric | None
) -> Iterator[Problem]:
    """Warn of a metric that is not there, in the history that the strategy's exchange replays."""
    if warn_metric is None:
        return
    told = set()
    for _, name in strategy.exchanges():
        exchange = accepted.exchanges.get(name)
        replay = exchange.replay if exchange is not None else None
        folder = (replay and replay.data) or (accepted.daemon or DaemonSettings.model_validate({})).data
        told.add(warn_metric(folder, read.name, read.column))
    for one in sorted(told - {""}):
        message, _, hint = one.partition("; ")
        yield _report(accepted, path).within(read.at, (read.offset, read.length), message, hint, "warning")
