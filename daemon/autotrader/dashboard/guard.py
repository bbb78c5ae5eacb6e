"""Stands in front of the page: foreign hosts and origins are refused, a password is asked where one is set."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autotrader.core.language import Language
from autotrader.dashboard.login import login_page
from autotrader.dashboard.sessions import SESSION_S, Attempts, Sessions
from autotrader.dashboard.words import Words, chosen

SESSION_COOKIE = "autotrader_session"
LANGUAGE_COOKIE = "autotrader_language"
MAX_FORM = 4_096
POLICY_VIOLATION = 1008
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::\d{1,5})?")

SECURITY_HEADERS: Mapping[str, str] = {
    # NiceGUI compiles its templates in the browser and styles inline; nothing may come from or go to elsewhere.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # `no-referrer` would turn the Origin of our own forms into null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """An ASGI layer around the whole page, its websocket included.

    Without a password the page is for this machine alone: a request must name a loopback host, so that no web site can
    reach it through a name of its own (DNS rebinding). With or without one, a request that a browser sends on behalf of
    another site (its `Origin` is not the host asked) is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        language: Language,
        sessions: Sessions | None,
        attempts: Attempts | None = None,
    ) -> None:
        self.app = app
        self._language = language
        self._sessions = sessions
        self._attempts = attempts or Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._foreign(headers)
        if refused is not None:
            await _refuse(refused, scope, receive, send)
            return
        sessions = self._sessions
        if sessions is None:
            await self.app(scope, receive, _secured(send))
            return
        token = cookies(headers).get(SESSION_COOKIE, "")
        if scope["type"] == "http" and scope["path"] in {"/login", "/logout"}:
            response = await self._door(sessions, scope, headers, token, receive)
            await response(scope, receive, _secured(send))
        elif sessions.valid(token):
            await self.app(scope, _while_valid(sessions, token, scope, receive), _secured(send))
        elif scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/":
            await RedirectResponse("/login", 303)(scope, receive, _secured(send))
        else:
            await _refuse(PlainTextResponse("log in first\n", 401), scope, receive, send)

    def _foreign(self, headers: Headers) -> Response | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or len(origins) > 1:
            return PlainTextResponse("a request names one host, and one origin at most\n", 400)
        if self._sessions is None and not is_loopback(hosts[0]):
            return PlainTextResponse(
                "this page answers on this machine alone; set dashboard.password in autotrader.yaml to open it\n", 421
            )
        if origins and not same_host(origins[0], hosts[0]):
            return PlainTextResponse("requests on behalf of other sites are refused\n", 403)
        return None

    async def _door(self, sessions: Sessions, scope: Scope, headers: Headers, token: str, receive: Receive) -> Response:
        words = Words(chosen(cookies(headers).get(LANGUAGE_COOKIE, ""), self._language))
        if scope["path"] == "/logout":
            if scope["method"] != "POST":
                return PlainTextResponse("log out with the page's button\n", 405)
            sessions.end(token)
            left = RedirectResponse("/login", 303)
            left.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
            return left
        if scope["method"] != "POST":
            return HTMLResponse(login_page(words, ""))
        form = await _form(receive)
        if form is None:
            return PlainTextResponse("a login form is small\n", 413)
        client = scope.get("client")
        address = client[0] if client else ""
        wait_s = self._attempts.wait_s(address)  # asked and counted without a pause between, so no burst slips through
        if wait_s:
            message = words("login.wait", seconds=wait_s)
            return HTMLResponse(login_page(words, message), 429, {"retry-after": str(wait_s)})
        if not sessions.right(form.get("password", "")):
            self._attempts.failed(address)
            return HTMLResponse(login_page(words, words("login.wrong")), 401)
        entered = RedirectResponse("/", 303)
        entered.set_cookie(
            SESSION_COOKIE, sessions.begin(), max_age=int(SESSION_S), httponly=True, samesite="strict",
            secure=scope["scheme"] == "https",
        )  # fmt: skip
        return entered


def is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine; the port may be a tunnel's."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1].strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def same_host(origin: str, host: str) -> bool:
    """Return whether an Origin header names the host and port that the request went to."""
    scheme, separator, place = origin.partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    if not separator or default is None:
        return False
    return place.lower().removesuffix(default) == host.lower().removesuffix(default)


def cookies(headers: Headers) -> dict[str, str]:
    """Return a request's cookies by name; those of a malformed header count as none."""
    jar = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


async def _form(receive: Receive) -> dict[str, str] | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return {}
        body += message.get("body", b"")
        if len(body) > MAX_FORM:
            return None
        if not message.get("more_body"):
            break
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=8)
    except ValueError:  # more fields than any form of ours has
        return None
    return {name: values[0] for name, values in fields.items()}


async def _refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await response(scope, receive, _secured(send))
        return
    await receive()
    await send({"type": "websocket.close", "code": POLICY_VIOLATION})


def _secured(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers[name] = value
            if headers.get("content-type", "").startswith("text/html"):
                headers["cache-control"] = "no-store"
        await send(message)

    return with_headers


def _while_valid(sessions: Sessions, token: str, scope: Scope, receive: Receive) -> Receive:
    """End a websocket's messages once its session was logged out or expired, whichever tab did it."""
    if scope["type"] != "websocket":
        return receive

    async def checked() -> Message:
        message = await receive()
        if message["type"] == "websocket.receive" and not sessions.valid(token):
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        return message

    return checked
