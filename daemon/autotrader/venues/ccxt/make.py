"""Makes ccxt's own client from a declared account: our ids, no broker's mark, bounded answers, one declared host."""

from __future__ import annotations

import importlib
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.core.errors import VenueError
from autotrader.venues.ccxt.client import CcxtSettings

MAX_BODY_BYTES = 32 * 1024 * 1024
"""The largest answer that is read; the longest in use is an exchange's list of markets, about 20 MB."""

_NAMES = {"key": "apiKey", "secret": "secret", "password": "password", "uid": "uid"}


def settings_of(name: str, declared: CcxtExchange) -> CcxtSettings:
    """Return what a declaration says, its secrets revealed. Raises VenueError for a market that is not traded yet."""
    if declared.market == "future":
        raise VenueError(f"{name}: futures with an end are not traded yet; write market: swap")
    return CcxtSettings(
        name=name,
        id=declared.id,
        market=declared.market,
        credentials=declared.credentials.revealed() if declared.credentials else {},
        url=declared.url,
        cancel_after_ms=declared.cancel_after or 0,
    )


class BoundedResponse(aiohttp.ClientResponse):
    """An answer that stops being read where it grows past the bound."""

    async def read(self) -> bytes:
        if self._body is None:
            parts: list[bytes] = []
            size = 0
            while part := await self.content.readany():
                size += len(part)
                if size > MAX_BODY_BYTES:
                    self.close()
                    raise VenueError(f"{self.url.host}{self.url.path} answered more than {MAX_BODY_BYTES} bytes")
                parts.append(part)
            self._body = b"".join(parts)
        return self._body


def make_exchange(settings: CcxtSettings) -> Any:
    """Return the client, its streams included where ccxt has them. Call it on the event loop. Raises VenueError."""
    made = _class_of(settings)(
        {
            "enableRateLimit": True,
            "timeout": int(settings.timeout_s * 1000),
            "newUpdates": True,
            "aiohttp_trust_env": False,
            **{_NAMES[name]: value for name, value in settings.credentials.items()},
        }
    )
    made.options["defaultType"] = settings.market
    made.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    made.options["fetchCurrencies"] = False
    if settings.id == "binance":
        made.options["fetchMarkets"] = {"types": ["spot"] if settings.market == "spot" else ["linear"]}
        made.options["fetchMargins"] = False
        # By REST ccxt asks for aggregate trades, which have ids of their own: the stream must be of the same ones.
        for stream in ("watchTrades", "watchTradesForSymbols", "unWatchTrades", "unWatchTradesForSymbols"):
            made.options[stream] = {"name": "aggTrade"}
    unmark(made)
    if settings.url:
        point_at(made, settings.url)
    made.session = _session(settings.url)
    made.own_session = True
    return made


def unmark(exchange: Any) -> None:
    """Take out the marks by which ccxt earns a commission from a broker: ids of orders are ours, whole."""
    for name in ("broker", "brokerId", "partner", "affiliateId", "sdkReferral"):
        exchange.options.pop(name, None)


def point_at(exchange: Any, url: str) -> None:
    """Rewrite every address of a client to one host, streams included, so that nothing falls through to a real one."""
    base = urlsplit(url)
    exchange.urls = _rewritten(exchange.urls, base.scheme, base.netloc, base.path.rstrip("/"))
    exchange.hostname = base.netloc


def _rewritten(value: Any, scheme: str, host: str, path: str) -> Any:
    if isinstance(value, dict):
        return {key: _rewritten(one, scheme, host, path) for key, one in value.items()}
    if isinstance(value, list):
        return [_rewritten(one, scheme, host, path) for one in value]
    if not isinstance(value, str) or "://" not in value:
        return value
    parts = urlsplit(value)
    if parts.scheme in {"ws", "wss"}:
        scheme = "wss" if scheme == "https" else "ws"
    return urlunsplit((scheme, host, path + parts.path, parts.query, parts.fragment))


def _session(url: str) -> aiohttp.ClientSession:
    """Return a session with bounded answers; with a declared host it refuses to ask any other one."""
    traces = []
    if url:
        allowed = urlsplit(url).hostname

        async def guard(_session: Any, _context: Any, params: aiohttp.TraceRequestStartParams) -> None:
            if params.url.host != allowed:
                raise VenueError(f"asked {params.url.host}, though everything was declared to go to {allowed}")

        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(guard)
        traces.append(trace)
    return aiohttp.ClientSession(response_class=BoundedResponse, trace_configs=traces, trust_env=False)


def _class_of(settings: CcxtSettings) -> Any:
    for module in ("ccxt.pro", "ccxt.async_support"):
        found = getattr(importlib.import_module(module), settings.id, None)
        if found is not None:
            return found
    raise VenueError(f"{settings.name}: ccxt has no exchange '{settings.id}'")
