"""The server: aiohttp on loopback, in front of the exchange. It speaks Binance's spot interface."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from autotrader.core.clock import Clock
from autotrader.venues.emulator import wire
from autotrader.venues.emulator.asked import Params, check_signed
from autotrader.venues.emulator.connections import MAX_STREAMS, USER, Connection, Connections
from autotrader.venues.emulator.exchange import Exchange, Told
from autotrader.venues.emulator.faults import Faults, Rule
from autotrader.venues.emulator.orders import Refusal
from autotrader.venues.emulator.rest import Answers, Route
from autotrader.venues.emulator.state import State
from autotrader.venues.emulator.streams import Streams

HOST = "127.0.0.1"
PULSE_S = 0.1
MINUTE_MS = 60_000
MAX_CONNECTIONS = 300
MAX_BODY = 65_536
MAX_MESSAGE = 65_536
_ORDER_PATHS = frozenset({"/api/v3/order", "/api/v3/order/cancelReplace"})
_BUSY = (
    "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API."
)

_METHODS = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "klines": ("GET", "/api/v3/klines"),
    "trades.recent": ("GET", "/api/v3/trades"),
    "trades.aggregate": ("GET", "/api/v3/aggTrades"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "account.status": ("GET", "/api/v3/account"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
}


class Lost(Exception):
    """Raised where a request's connection is cut instead of an answer."""


class Server:
    """One exchange on one port."""

    def __init__(
        self, exchange: Exchange, clock: Clock, faults: Faults | None = None, state: State | None = None
    ) -> None:
        """Put a server in front of an exchange; what a state keeps is restored. Raises StoreError."""
        self.exchange, self._clock, self._faults = exchange, clock, faults or Faults()
        self._state = state
        self._answers, self._connections = Answers(exchange), Connections()
        self._streams = Streams(exchange, self._answers, self._connections)
        self._runner: web.AppRunner | None = None
        self._down_until_ms = 0
        self._weight: tuple[int, int] = (0, 0)
        self._ordered: deque[int] = deque(maxlen=wire.ORDER_LIMIT)
        exchange.on_told = self._on_told
        exchange.on_balances = self._on_balances
        if state is not None:
            state.restore(exchange)

    async def start(self, port: int = 0) -> int:
        """Listen on loopback and return the port; 0 takes a free one. Raises OSError where it is taken."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/ws-api/v3", self._interface)
        app.router.add_get("/ws", self._listen)
        app.router.add_get("/ws/{names:.+}", self._listen)
        app.router.add_get("/stream", self._listen)
        app.router.add_route("*", "/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Close every connection and the port."""
        for one in self._connections.all():
            one.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._state is not None:
            self._state.close(self.exchange)
            self._state = None

    async def run(self) -> None:
        """Move the market on with the clock, until cancelled."""
        while True:
            self.advance()
            await self._clock.sleep(PULSE_S)

    def advance(self) -> None:
        """Move the market on to the clock's time, and tell the streams."""
        happened = self.exchange.advance()
        self._save()
        self._streams.tell(happened)
        if down_ms := self._connections.restart_ms():
            self._go_down(down_ms)

    def _save(self) -> None:
        if self._state is not None:
            self._state.save(self.exchange)

    def listened(self) -> set[str]:
        """Return every stream that somebody listens to; `user` is the account's."""
        return self._connections.names()

    def _go_down(self, down_ms: int) -> None:
        self._down_until_ms = self._clock.now_ms() + down_ms
        for one in self._connections.all():
            one.abort()
            self._connections.remove(one)

    @property
    def _down(self) -> bool:
        return self._clock.now_ms() < self._down_until_ms

    def _demand_up(self) -> None:
        if self._down:
            raise Lost

    def _on_told(self, told: Told) -> None:
        if self._state is not None:
            self._state.note(told)
        one = self.exchange.market.traded[told.order.symbol_id]
        self._connections.push(USER, wire.execution(one, told))

    def _on_balances(self, assets: frozenset[str]) -> None:
        self._connections.push(USER, wire.position(self.exchange.account, assets, self._clock.now_ms()))

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path, method = request.path, request.method
        try:
            self._demand_up()
            route = self._answers.routes.get((method, path))
            if route is None:
                return web.Response(status=404, text="<html><body>404 Not found</body></html>")
            params = dict(request.query)
            if method != "GET":
                params |= {name: str(value) for name, value in (await request.post()).items()}
            body = await self._answer(route, method, path, params, request.headers.get("X-MBX-APIKEY", ""))
            return web.json_response(body, headers=self._headers())
        except Refusal as refused:
            return self._refused(refused)
        except Lost:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)

    async def _answer(self, route: Route, method: str, path: str, params: Params, key: str, *names: str) -> Any:
        """Return the answer to one request, after everything that goes wrong with it. Raises Refusal and Lost."""
        rules = self._faults.at(method, path, *names)
        for rule in rules:
            await self._suffer(rule)
        self._count(route.weight)
        if route.signed:
            check_signed(params, key, self._clock.now_ms())
        if path in _ORDER_PATHS and method == "POST":
            self._count_order()
            self.exchange.halve = any(rule.do == "half_fill" for rule in rules)
        try:
            body = route.answer(params)
        finally:
            self.exchange.halve = False
        self._save()
        if any(rule.do == "accept_and_lose_reply" for rule in rules):
            raise Lost
        return body

    async def _suffer(self, rule: Rule) -> None:
        match rule.do:
            case "drop" | "disconnect":
                raise Lost
            case "restart":
                self._go_down(rule.wait)
                raise Lost
            case "delay":
                await asyncio.sleep(rule.wait / 1000)
            case "code":
                raise Refusal(
                    rule.code,
                    "Timestamp for this request is outside of the recvWindow."
                    if rule.code == -1021
                    else "A fault on purpose.",
                )
            case "http":
                code, retry = (-1003, rule.retry_after_s) if rule.status in {418, 429} else (0, rule.retry_after_s)
                raise Refusal(code, _BUSY.format(limit=wire.WEIGHT_LIMIT), rule.status, retry)

    def _count(self, weight: int) -> None:
        minute = self._clock.now_ms() // MINUTE_MS
        used = self._weight[1] if self._weight[0] == minute else 0
        self._weight = (minute, used + weight)
        if used + weight > wire.WEIGHT_LIMIT:
            left_s = 60 - self._clock.now_ms() % MINUTE_MS // 1000
            raise Refusal(-1003, _BUSY.format(limit=wire.WEIGHT_LIMIT), 429, left_s)

    def _count_order(self) -> None:
        now = self._clock.now_ms()
        if len(self._ordered) == wire.ORDER_LIMIT and now - self._ordered[0] < wire.ORDER_LIMIT_S * 1000:
            text = f"Too many new orders; current limit is {wire.ORDER_LIMIT} orders per {wire.ORDER_LIMIT_S} SECOND."
            raise Refusal(-1015, text, 429, wire.ORDER_LIMIT_S)
        self._ordered.append(now)

    def _headers(self) -> dict[str, str]:
        return {"X-MBX-USED-WEIGHT": str(self._weight[1]), "X-MBX-USED-WEIGHT-1M": str(self._weight[1])}

    def _refused(self, refused: Refusal) -> web.Response:
        headers = self._headers()
        if refused.retry_after_s:
            headers["Retry-After"] = str(refused.retry_after_s)
        if not refused.code:
            return web.Response(
                status=refused.status, text="<html><body>Service unavailable</body></html>", headers=headers
            )
        return web.json_response({"code": refused.code, "msg": refused.text}, status=refused.status, headers=headers)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        """Serve the market's streams."""
        combined = request.path == "/stream"
        text = request.query.get("streams", "") if combined else request.match_info.get("names", "")
        names = [name for name in text.split("/") if self._streams.known(name)]
        return await self._serve(request, names, combined=combined)

    async def _interface(self, request: web.Request) -> web.StreamResponse:
        """Serve requests over a websocket, and the account's stream."""
        return await self._serve(request, [], combined=False, interface=True)

    async def _serve(
        self, request: web.Request, names: list[str], *, combined: bool, interface: bool = False
    ) -> web.StreamResponse:
        if self._down or len(self._connections) >= MAX_CONNECTIONS:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        socket = web.WebSocketResponse(heartbeat=20, max_msg_size=MAX_MESSAGE)
        await socket.prepare(request)
        one = Connection(socket, request.transport, self._faults, combined=combined)
        self._subscribe(one, names)
        self._connections.add(one)
        sender = asyncio.create_task(one.send())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await (self._call(one, message.data) if interface else self._command(one, message.data))
        except Lost:
            one.abort()
        finally:
            self._connections.remove(one)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
        return socket

    def _subscribe(self, one: Connection, names: list[str]) -> None:
        for name in names:
            self._streams.begin(name)
            one.names.add(name)

    async def _command(self, one: Connection, text: str) -> None:
        asked = _parsed(text)
        method, names, number = asked.get("method"), asked.get("params", []), asked.get("id")
        if method == "LIST_SUBSCRIPTIONS":
            one.answer({"result": sorted(one.names), "id": number})
            return
        if method not in {"SUBSCRIBE", "UNSUBSCRIBE"} or not isinstance(names, list):
            one.answer({"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": number})
            return
        names = [str(name) for name in names]
        if not all(map(self._streams.known, names)) or len(one.names) + len(names) > MAX_STREAMS:
            one.answer({"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": number})
            return
        if method == "SUBSCRIBE":
            self._subscribe(one, names)
        else:
            one.names.difference_update(names)
        one.answer({"result": None, "id": number})

    async def _call(self, one: Connection, text: str) -> None:
        asked = _parsed(text)
        number, method = asked.get("id"), str(asked.get("method", ""))
        given = asked.get("params") or {}
        params = {name: _as_text(value) for name, value in given.items()} if isinstance(given, dict) else {}
        try:
            result = await self._called(one, method, params)
        except Refusal as refused:
            error = {"code": refused.code or -1000, "msg": refused.text}
            one.answer({"id": number, "status": refused.status, "error": error, "rateLimits": []})
            return
        one.answer({"id": number, "status": 200, "result": result, "rateLimits": []})

    async def _called(self, one: Connection, method: str, params: Mapping[str, str]) -> Any:
        key = params.get("apiKey", "")
        match method:
            case "userDataStream.subscribe.signature" | "session.logon" | "userDataStream.subscribe":
                for rule in self._faults.at("WS", method, "/ws-api/v3"):
                    await self._suffer(rule)
                if method != "userDataStream.subscribe":
                    check_signed(params, key, self._clock.now_ms())
                if method == "session.logon":
                    return {"apiKey": key, "authorizedSince": self._clock.now_ms(), "returnRateLimits": False}
                one.names.add(USER)
                return {"subscriptionId": 0}
            case "userDataStream.unsubscribe":
                one.names.discard(USER)
                return {}
        if method not in _METHODS:
            raise Refusal(-1100, "Illegal characters found in parameter 'method'.")
        verb, path = _METHODS[method]
        return await self._answer(self._answers.routes[verb, path], verb, path, params, key, method)


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)
