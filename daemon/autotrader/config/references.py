"""What only all the files together can tell: names that must exist, owners that must be one, markets that must fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.config.daemon import DaemonSettings
from autotrader.config.exchanges import Exchange, currency_of, equity_currency, generated, is_live, recorded
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

WarnHistory = Callable[[str, str, str, str], str]
"""Says what a data folder lacks of an exchange's symbol and timeframe; nothing where it has them. Given by the app."""

WarnMetric = Callable[[str, str, str], str]
"""Says what a data folder lacks of a metric's file and column; nothing where it has them. Given by the app."""


STOPS = ("stop_loss", "take_profit", "trailing_stop")
"""The protective exits: those that an exchange itself must keep, or nobody does while the daemon is away."""


class Names(NamedTuple):
    """Every declared name, those of refused files too, so that one mistake is not told twice."""

    strategies: Collection[str]
    exchanges: Collection[str]
    risks: Collection[str]


class Accepted(NamedTuple):
    """The objects that were accepted one by one, with the texts and paths of their files."""

    daemon: DaemonSettings | None
    strategies: Mapping[str, StrategyParams]
    exchanges: Mapping[str, Exchange]
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
    yield from _limits(accepted, equity_currency(accepted))
    yield from _live(accepted, names)
    yield from _added_up(accepted)
    yield from _refused(accepted, names)
    adopters: dict[str, str] = {}
    told: dict[tuple[str, str, str], str] = {}
    for name, strategy in accepted.strategies.items():
        path = accepted.paths[name]
        if strategy.risk is not None and strategy.risk not in names.risks:
            message = f"risk profile '{strategy.risk}' does not exist"
            yield _report(accepted, path).key_or_top(("risk",), message, _hint(strategy.risk, names.risks, "risk.d"))
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


def _live(accepted: Accepted, names: Names) -> Iterator[Problem]:
    """Yield what must be said before real orders may leave."""
    daemon = accepted.daemon
    if daemon is None and MAIN in accepted.texts:  # it was refused, so what it says is not known
        return
    if daemon is not None and daemon.mode == "live":
        if daemon.risk == "default" and "default" not in names.risks:
            message = "mode: live needs risk limits, and there are none"
            yield _report(accepted, MAIN).key_or_top(("mode",), message, "write risk.d/default.yaml")
        return
    for name, exchange in accepted.exchanges.items():
        if is_live(exchange):
            message = "real orders are declared, but the daemon's mode is paper"
            hint = "say  mode: live  in autotrader.yaml, or  orders: paper"
            yield _report(accepted, accepted.paths[f"exchanges/{name}"]).key_or_top(("orders",), message, hint)


def _added_up(accepted: Accepted) -> Iterator[Problem]:
    """Warn of exchanges whose money is of another currency than the equity that it is added to."""
    used = {name for one in accepted.strategies.values() for _, name in one.exchanges()} & accepted.exchanges.keys()
    whole = equity_currency(accepted)
    for name in sorted(used):
        own = currency_of(name, accepted)
        if own != whole:
            message = f"the money of '{name}' is counted in {own}, equity in {whole}"
            hint = f"the daemon asks the exchanges for {own}/{whole} or {whole}/{own}; a backtest adds them as they are"
            report = _report(accepted, accepted.paths[f"exchanges/{name}"])
            yield report.key_or_top(("balances",), message, hint, "warning")


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
    yield from _unprotected(accepted, path, strategy, name)
    if not isinstance(strategy, SingleExchange):
        return
    drawn = generated(exchange)
    if drawn and strategy.feed is not None:
        message = f"'{name}' is a generated market, which has no {strategy.feed}"
        yield _report(accepted, path).key_or_top(("feed",), message, "write timeframe: 5m, or replay a recorded market")
    for index, symbol in enumerate(strategy.symbols):
        place = ("symbols", index)
        if drawn and symbol not in drawn.symbols:
            hint = f"it has {', '.join(drawn.symbols[:10])}"
            yield _report(accepted, path).key_or_top(place, f"exchange '{name}' does not generate {symbol}", hint)
        quote, counted = split_symbol(symbol)[1], currency_of(name, accepted)
        if quote != counted:
            message = f"{symbol} is paid in {quote}, but the money of '{name}' is counted in {counted}"
            hint = f"trade a symbol that is paid in {counted}"
            if isinstance(exchange, CcxtExchange):
                money = "balances" if exchange.orders == "paper" else "a budget"
                hint += f", or declare {money} in {quote} in {accepted.paths[f'exchanges/{name}']}"
            yield _report(accepted, path).key_or_top(place, message, hint)
        elif not is_live(exchange) and quote not in exchange.balances:
            message = f"exchange '{name}' holds no {quote} to trade {symbol} with"
            yield _report(accepted, path).key_or_top(place, message, "no entry can be paid", "warning")
        size = strategy.size
        if isinstance(size, NotionalSize) and size.amount.currency != quote:
            message = f"the size is in {size.amount.currency}, but {symbol} is paid in {quote}"
            yield _report(accepted, path).key_or_top(("size", "amount"), message, f"write it in {quote}")


def _unprotected(accepted: Accepted, path: str, strategy: StrategyParams, name: str) -> Iterator[Problem]:
    """Yield the stops that an exchange would not keep, unless it is declared that they need not be kept there."""
    exchange = accepted.exchanges[name]
    if not isinstance(exchange, CcxtExchange) or exchange.orders != "live":
        return
    if exchange.keeps_stops or exchange.unprotected == "accept":
        return
    for key in STOPS:
        if getattr(strategy.exits, key) is not None:
            message = f"'{name}' keeps no {key}: nothing guards the position there while the daemon is away"
            hint = f"remove it, or say  unprotected: accept  in {accepted.paths[f'exchanges/{name}']}"
            yield _report(accepted, path).key_or_top(("exits", key), message, hint)


def _history(
    accepted: Accepted,
    path: str,
    strategy: SingleExchange,
    warn_history: WarnHistory,
    told: dict[tuple[str, str, str], str],
) -> Iterator[Problem]:
    exchange = accepted.exchanges.get(strategy.exchange)
    source = recorded(exchange, accepted.daemon) if exchange is not None else None
    if source is None:
        return
    for index, symbol in enumerate(strategy.symbols):
        key = (strategy.exchange, symbol, strategy.series)
        if key not in told:
            told[key] = warn_history(source.data, source.exchange, symbol, strategy.series)
        message, _, hint = told[key].partition("; ")
        if isinstance(exchange, CcxtExchange):
            hint = "a backtest needs it, trading does not"
        if message:
            yield _report(accepted, path).key_or_top(("symbols", index), message, hint, "warning")


def _folder(accepted: Accepted, exchange: Exchange | None) -> str:
    """Return the folder of history behind an exchange: the one that it replays, else the daemon's own."""
    source = recorded(exchange, accepted.daemon) if exchange is not None else None
    return source.data if source else (accepted.daemon or DaemonSettings.model_validate({})).data


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
        told.add(warn_metric(_folder(accepted, exchange), read.name, read.column))
    for one in sorted(told - {""}):
        message, _, hint = one.partition("; ")
        yield _report(accepted, path).within(read.at, (read.offset, read.length), message, hint, "warning")
