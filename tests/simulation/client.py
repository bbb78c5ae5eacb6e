"""The exchange as ccxt's asynchronous client shows it to one process, over a network that loses, delays and lies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ccxt.base import errors

from autotrader.runtime.protect import AGAIN_S
from simulation.exchange import APART, Exchange, Made, Placed
from simulation.network import Channel, Faults
from simulation.virtual import Mortal, Universe

ABILITIES = (
    "fetchTime", "fetchBalance", "fetchMyTrades", "fetchOpenOrders", "fetchClosedOrders", "fetchOrder", "cancelOrder",
    "createOrder", "fetchPositions", "fetchFundingHistory",
)  # fmt: skip

SEARCHES = {"fetch_time", "fetch_open_orders", "fetch_closed_orders"}
"""What is asked for no position in particular, and yet every order may wait for."""

SIGNED = {
    "create_order", "cancel_order", "fetch_order", "fetch_open_orders", "fetch_closed_orders", "fetch_my_trades",
    "fetch_balance", "fetch_positions", "fetch_funding_history",
}  # fmt: skip
WINDOW_MS, AHEAD_MS = 5_000, 1_000
"""How old a request may be, and how far ahead its time."""

OFF_S = 10.0
"""How long a client may take to learn the exchange's time again."""

EXCUSED_S = 75.0
"""How long after a request for a position was spoiled it need not be protected: it is looked up, a refusal believed."""

SILENT_S = 50.0
"""How long after its quotes were spoiled a symbol's price need not be known: silence is noticed late."""


def group_of(client_id: str) -> str:
    """Return the group in an id of ours: `at`, the group, a letter and a number; empty for a foreign id."""
    return client_id.rstrip("0123456789")[2:-1] if client_id.startswith("at") else ""


def _own(symbol: str) -> str:
    """Return our symbol for ccxt's, which for a swap ends with what it settles in."""
    return symbol.partition(":")[0]


def _shown(order: Placed, row: dict[str, Any], *, waiting: bool) -> dict[str, Any]:
    """Return an order's row as ccxt tells it, asked for among those that wait, or among the others.

    One of a list apart is told under the id that it waited under, both times.
    """
    row = dict(row)
    if not order.apart:
        return row
    row["id"] = order.apart
    if "ordId" in row["info"] and waiting:
        row["status"] = "closed"
    elif "ordId" in row["info"]:
        row["clientOrderId"] = f"drawn{order.id}"
        row["info"] = row["info"] | {"accFillSz": str(row["filled"])}
    return row


class Client:
    """What one process holds of the exchange. Requests that it made go on when it is dead; answers do not."""

    precisionMode = 4  # noqa: N815 - ccxt's own name

    def __init__(
        self,
        exchange: Exchange,
        faults: Faults,
        mortal: Mortal,
        trace: Callable[[str], None],
        *,
        account_streams: bool,
        excuse: Callable[[str, float], None],
        machine_ms: Callable[[], int],
    ) -> None:
        self._exchange, self._faults, self._mortal, self._trace = exchange, faults, mortal, trace
        self._universe: Universe = exchange.universe
        self.has = dict.fromkeys(ABILITIES, True) | {"watchMyTrades": account_streams, "watchOrders": account_streams}
        self.options: dict[str, Any] = {}
        self.markets = exchange.markets()
        self.last_response_headers: dict[str, str] = {}
        self.channels: dict[str, Channel] = {}
        self.keeps_stops = False
        self.shown: Callable[[str], None] = lambda _symbol: None
        self._excuse, self._machine_ms = excuse, machine_ms
        self._pending: Counter[str] = Counter()
        self._numbers = 0
        self.closed = False

    def busy(self, group: str) -> bool:
        """Tell whether something about a position's orders is under way."""
        return self._pending[group] > 0

    # requests

    async def _ask(self, method: str, act: Callable[[], Any], what: str = "", group: str = "") -> Any:
        self._mortal.alive()
        if method in {"create_order", "cancel_order"}:
            self._mortal.ordered()
        self._numbers += 1
        name = f"{method} {what}".strip()
        kind = self._faults.draw(method)
        if kind:
            self._trace(f"fault {kind}: {name}")
        if method in {"create_order", "cancel_order"}:
            self._exchange.asked_us = self._universe.now_us
        if kind and (group or method in SEARCHES):
            self._excuse(group, EXCUSED_S)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if kind == "lost":
            self._reply(answer, errors.NetworkError("connection reset"), self._faults.way(kind))
        elif not kind and method in SIGNED and self._off():
            self._trace(f"refused for its time: {name}")
            self._excuse("", OFF_S)
            refused = errors.InvalidNonce("-1021 timestamp for this request is outside of the recvWindow")
            self._reply(answer, refused, self._faults.way(""))
        elif kind != "hang":
            self._universe.after(self._faults.way(kind), lambda: self._arrive(name, act, kind, answer))
        self._pending[group] += 1
        try:
            return await answer
        finally:
            self._pending[group] -= 1

    def _off(self) -> bool:
        """Tell whether a request is signed for a time that the exchange does not take for its own."""
        off_ms = self._machine_ms() - self.options.get("timeDifference", 0) - self._universe.now_ms()
        return not -WINDOW_MS < off_ms < AHEAD_MS

    def _arrive(self, name: str, act: Callable[[], Any], kind: str, answer: asyncio.Future[Any]) -> None:
        """Let a request reach the exchange, whoever sent it and whether that one still lives."""
        result: Any
        if self._exchange.down:
            result = errors.ExchangeNotAvailable("503 the exchange restarts")
        elif kind == "rate":
            self.last_response_headers = {"Retry-After": str(self._universe.now_us % 7)}
            limited = self._faults.chance(0.7)
            result = errors.RateLimitExceeded("429") if limited else errors.DDoSProtection("418 banned for a while")
        elif kind == "nonce":
            result = errors.InvalidNonce("-1021 timestamp for this request is outside of the recvWindow")
        elif kind == "server" and self._faults.chance(0.5):
            result = errors.ExchangeNotAvailable("502 bad gateway")
        else:
            try:
                result = act()
            except errors.BaseError as error:
                result = error
            word = f"{type(result).__name__}: {result}" if isinstance(result, Exception) else "done"
            if name.startswith(("create", "cancel")):
                self._trace(f"{name}: {word}")
            if kind == "server":
                result = errors.ExchangeNotAvailable("504 gateway timeout; it may have executed")
            elif kind == "lost answer":
                result = errors.RequestTimeout("no answer")
            elif kind == "nonsense" and not isinstance(result, Exception):
                result = self._faults.nonsense(result)
        if kind != "hang after":
            self._reply(answer, result, self._faults.way(""))

    def _reply(self, answer: asyncio.Future[Any], result: Any, seconds: float) -> None:
        def tell() -> None:
            if self._mortal.dead or answer.done():
                return
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        self._universe.after(seconds, tell)

    async def load_markets(self) -> Any:
        return await self._ask("load_markets", self._exchange.markets)

    async def fetch_time(self) -> Any:
        return await self._ask("fetch_time", self._universe.now_ms)

    async def fetch_balance(self) -> Any:
        def act() -> Any:
            free, total = self._exchange.free(), dict(self._exchange.total)
            if self._exchange.swap:
                tied = sum(self._exchange.basis.values(), Decimal(0))
                free, total = {"USDT": free["USDT"]}, {"USDT": total["USDT"] + tied}
            return {
                "free": {name: float(amount) for name, amount in free.items()},
                "total": {name: float(amount) for name, amount in total.items()},
            }

        return await self._ask("fetch_balance", act)

    async def fetch_positions(self) -> Any:
        exchange = self._exchange

        def act() -> Any:
            return [
                {
                    "symbol": exchange.name(symbol),
                    "contracts": float(exchange.held(symbol) / exchange.size(symbol)),
                    "contractSize": float(exchange.size(symbol)),
                    "side": "long",
                    "entryPrice": float(exchange.basis[symbol] / exchange.held(symbol)),
                }
                for symbol in exchange.coins
                if exchange.held(symbol)
            ]

        return await self._ask("fetch_positions", act)

    async def fetch_funding_history(self, symbol: str | None, since: int, limit: int, params: Any) -> Any:  # noqa: ARG002 - a client's own signature
        exchange = self._exchange

        def act() -> Any:
            seen = [
                (number, one) for number, one in enumerate(exchange.settled) if one.seen_us <= self._universe.now_us
            ]
            rows = [
                {
                    "id": str(number), "symbol": exchange.name(one.symbol), "code": "USDT", "timestamp": one.ts_ms,
                    "amount": float(one.amount),
                }
                for number, one in seen
                if since <= one.ts_ms <= params["end"]
            ]  # fmt: skip
            return rows[:limit]

        return await self._ask("fetch_funding_history", act)

    def _told(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of an order or a trade with ccxt's symbol and in its units."""
        if not self._exchange.swap:
            return row
        size = self._exchange.size(row["symbol"])
        units = {key: float(Decimal(repr(row[key])) / size) for key in ("amount", "filled") if key in row}
        return row | units | {"symbol": self._exchange.name(row["symbol"])}

    async def create_order(
        self, symbol: str, kind: str, side: str, amount: float, price: float | None = None, params: Any = None
    ) -> Any:
        symbol = _own(symbol)
        stop = params.get("stopLossPrice") or params.get("triggerPrice")
        name = params["algoClOrdId" if "triggerPrice" in params else "clientOrderId"]

        def act() -> Any:
            try:
                order = self._exchange.create(
                    symbol,
                    kind,
                    1 if side == "buy" else -1,
                    Decimal(repr(amount)) * self._exchange.size(symbol),
                    None if price is None else Decimal(repr(price)),
                    name,
                    None if stop is None else Decimal(repr(stop)),
                    apart="triggerPrice" in params,
                    reduces=bool(params.get("reduceOnly")),
                )
            except errors.OrderImmediatelyFillable:
                self._excuse(f"stop {group_of(name)}", AGAIN_S)
                raise
            row = order.told[0 if self._faults.chance(0.3) else -1][1]
            return self._told(_shown(order, row, waiting=bool(order.apart)))

        waits = "" if stop is None else f", waits for {stop}"
        what = f"{name} {side} {amount} {symbol} at {price}{waits}"
        return await self._ask("create_order", act, what, group_of(name))

    async def cancel_order(self, number: str, symbol: str, params: Any = None) -> Any:  # noqa: ARG002 - a client's own signature
        order, waiting = self._order(number), bool((params or {}).get("trigger"))
        group = group_of(order.client_id) if order is not None else ""

        def act() -> Any:
            if order is not None and waiting and order.sent:
                raise errors.OrderNotFound(f"no waiting order {number}")
            canceled = self._exchange.cancel(order.id if order is not None else number)
            return self._told(_shown(canceled, canceled.told[-1][1], waiting=waiting))

        return await self._ask("cancel_order", act, number, group)

    def _order(self, number: str | None) -> Placed | None:
        return self._exchange.orders.get((number or "").removeprefix(APART))

    async def fetch_order(self, number: str | None, symbol: str, params: Any = None) -> Any:  # noqa: ARG002 - a client's own signature
        params = params or {}
        name, waiting = params.get("origClientOrderId") or params.get("clientOrderId"), bool(params.get("trigger"))
        known = self._order(number)
        group = group_of(known.client_id if known is not None else name or "")

        def act() -> Any:
            order = known or (self._exchange.by_client.get(name) if name else None)
            row = self._exchange.seen(order, self._faults.lag()) if order is not None else None
            sent = row is not None and (not row["info"] or "ordId" in row["info"])
            if order is None or row is None or bool(order.apart) < waiting or not (sent or waiting):
                raise errors.OrderNotFound(f"no order {number or name}")
            return self._told(_shown(order, row, waiting=waiting))

        return await self._ask("fetch_order", act, str(number or name), group)

    async def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,  # noqa: ARG002 - a client's own signature
        limit: int | None = None,  # noqa: ARG002 - a client's own signature
        params: Any = None,
    ) -> Any:
        waiting = bool((params or {}).get("trigger"))
        return await self._ask("fetch_open_orders", lambda: self._rows(symbol, 0, open_=True, waiting=waiting))

    async def fetch_closed_orders(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None
    ) -> Any:
        return await self._ask("fetch_closed_orders", lambda: self._rows(symbol, since or 0, open_=False)[:limit])

    def _rows(self, symbol: str | None, since_ms: int, *, open_: bool, waiting: bool = False) -> list[dict[str, Any]]:
        lag_s = self._faults.lag()
        found = [(one, self._exchange.seen(one, lag_s)) for one in self._exchange.orders.values()]
        rows = [
            _shown(one, row, waiting=waiting)
            for one, row in found
            if row is not None and (bool(one.apart) and "ordId" not in row["info"]) is waiting
        ]
        rows = [self._told(one) for one in rows]
        rows = [one for one in rows if symbol in {None, one["symbol"]}]
        return [one for one in rows if (one["status"] == "open") is open_ and one["timestamp"] >= since_ms]

    async def fetch_my_trades(self, symbol: str, since: int, limit: int, params: Any) -> Any:
        def act() -> Any:
            return [self._told(one) for one in self._exchange.listed(_own(symbol), since, params["until"], limit)]

        return await self._ask("fetch_my_trades", act, _own(symbol))

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",  # noqa: ARG002 - a client's own signature
        since: int | None = None,
        limit: int | None = None,
    ) -> Any:
        symbol = _own(symbol)

        def act() -> Any:
            bars = self._exchange.coins[symbol].bars
            return [list(bar) for bar in bars if bar[0] >= (since or 0)][:limit]

        return await self._ask("fetch_ohlcv", act, symbol)

    async def fetch_order_book(self, symbol: str, limit: int | None = None) -> Any:  # noqa: ARG002 - a client's own signature
        symbol = _own(symbol)

        def act() -> Any:
            quote = self.quote(symbol)
            return {"bids": [[quote["bid"], 5.0]], "asks": [[quote["ask"], 5.0]], "timestamp": quote["timestamp"]}

        return await self._ask("fetch_order_book", act, symbol)

    def quote(self, symbol: str) -> dict[str, Any]:
        """Return the best bid, which is the price, and the best ask, a step above it."""
        coin = self._exchange.coins[symbol]
        bid, ask, now_ms = float(coin.price), float(coin.price + coin.tick), self._universe.now_ms()
        return {"bid": bid, "bidVolume": 5.0, "ask": ask, "askVolume": 5.0, "timestamp": now_ms}

    # streams

    def channel(self, symbol: str) -> Channel:
        return self.channels.setdefault(symbol, Channel())

    async def watch_ohlcv(self, symbol: str, timeframe: str = "1m") -> Any:  # noqa: ARG002 - a client's own signature
        self._mortal.alive()
        return await self.channel(_own(symbol)).next()

    async def un_watch_ohlcv(self, symbol: str, timeframe: str = "1m") -> None:  # noqa: ARG002 - a client's own signature
        self.channel(_own(symbol)).up = False

    async def watch_bids_asks(self, symbols: list[str]) -> Any:
        self._mortal.alive()
        return await self.channel(f"quotes {_own(symbols[0])}").next()

    async def un_watch_bids_asks(self, symbols: list[str]) -> None:
        self.channel(f"quotes {_own(symbols[0])}").up = False

    async def watch_my_trades(self) -> Any:
        self._mortal.alive()
        return await self.channel("trades").next()

    async def watch_orders(self) -> Any:
        self._mortal.alive()
        return await self.channel("orders").next()

    def hear_account(self, order: Placed, made: Made | None) -> None:
        """Let the account's streams tell of a fill or of an order's end."""
        if made is not None:
            self.hear("trades", [self._told(made.row())])
        if order.sent:
            self.hear("orders", [self._told(_shown(order, order.told[-1][1], waiting=False))])

    def hear_quote(self, symbol: str) -> None:
        """Let a symbol's quote come."""
        name = self._exchange.name(symbol)
        if self.hear(f"quotes {symbol}", {name: self.quote(symbol) | {"symbol": name}}):
            self.shown(symbol)

    def hear(self, symbol: str, rows: Any) -> bool:
        """Let a message come of a symbol's candles or quotes, or of the account; tell whether it came whole, at once.

        Else something became of it.
        """
        channel = self.channels.get(symbol)
        if channel is None or not channel.up or self._mortal.dead:
            return False
        if self._universe.now_us < channel.quiet_until_us:
            return False
        kind = self._faults.stream()
        if kind:
            self._trace(f"fault {kind}: stream of {symbol}")
            self._excuse(symbol, SILENT_S)
        if kind == "drop":
            channel.drop()
        elif kind == "stale":
            channel.quiet_until_us = self._universe.now_us + 90_000_000
            self._excuse(symbol, 90.0)
        elif kind == "late message":
            self._universe.after(7.0, lambda: None if self._mortal.dead else channel.say(rows))
        elif kind == "bad message":
            channel.say(self._faults.nonsense(rows))
        elif kind != "dropped":
            channel.say(rows)
            if kind == "doubled":
                channel.say(rows)
        return kind in {"", "doubled"}

    async def close(self) -> None:
        self.closed = True
        for channel in self.channels.values():
            channel.drop()
