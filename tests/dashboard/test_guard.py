import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute

from autotrader.dashboard.guard import MAX_FORM, SESSION_COOKIE, Guard, is_loopback, same_host
from autotrader.dashboard.sessions import TRIES, Sessions

HERE = "http://127.0.0.1:8080"


async def index(_):
    return HTMLResponse("the page")


async def echo(socket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


APP = Starlette(routes=[Route("/", index, methods=["GET", "POST"]), WebSocketRoute("/ws", echo)])


class Browser:
    """Sends requests to a guarded page, keeping its cookies; websockets are driven message by message."""

    def __init__(self, sessions=None, base=HERE):
        self.app = Guard(APP, "en", sessions)
        self.base = base
        self.cookies = httpx.Cookies()

    def get(self, path, **values):
        return asyncio.run(self._request("GET", path, **values))

    def post(self, path, **values):
        return asyncio.run(self._request("POST", path, **values))

    async def _request(self, method, path, **values):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=self.base, cookies=self.cookies) as http:
            answer = await http.request(method, path, **values)
            self.cookies = http.cookies
        return answer

    def talk(self, *steps, **headers):
        """Open a websocket and take the steps: a text is sent, a function is called. Return the types answered."""
        wire = {"host": "127.0.0.1:8080", "origin": HERE, **headers}
        token = self.cookies.get(SESSION_COOKIE)
        if token:
            wire["cookie"] = f"{SESSION_COOKIE}={token}"
        return asyncio.run(self._talk(steps, [(name.encode(), value.encode()) for name, value in wire.items()]))

    async def _talk(self, steps, headers):
        left, answers = list(steps), []

        async def receive():
            if not answers and not started:
                started.append(True)
                return {"type": "websocket.connect"}
            while left and callable(left[0]):
                left.pop(0)()
            if left:
                return {"type": "websocket.receive", "text": left.pop(0)}
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(message):
            answers.append(message["type"])

        started = []
        scope = {"type": "websocket", "path": "/ws", "scheme": "ws", "headers": headers, "query_string": b"",
                 "subprotocols": []}  # fmt: skip
        await self.app(scope, receive, send)
        return answers


@pytest.fixture
def sessions():
    return Sessions("hunter2")


@pytest.fixture
def door(sessions):
    return Browser(sessions)


def log_in(door, password="hunter2"):
    return door.post("/login", data={"password": password})


# without a password: this machine alone


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:9000", "127.8.9.1", "[::1]:8080", "LOCALHOST"])
def test_a_loopback_host_is_served(host):
    assert Browser().get("/", headers={"host": host}).text == "the page"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "203.0.113.5", "0.0.0.0",
     "127.0.0.1@evil.example", "", "[::1", "l\N{CYRILLIC SMALL LETTER O}calhost", "evil.example@127.0.0.1"],
)  # fmt: skip
def test_a_foreign_host_is_refused_so_that_no_site_gets_in_by_rebinding_its_name(host):
    assert Browser().get("/", headers={"host": host.encode()}).status_code in {400, 421}


def test_a_request_with_two_hosts_is_refused():
    assert Browser().get("/", headers=[("host", "localhost"), ("host", "localhost")]).status_code == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:3000", "null", "http://localhost:8080"])
def test_a_post_on_behalf_of_another_origin_is_refused(origin):
    assert Browser().post("/", headers={"origin": origin}).status_code == 403


def test_a_post_of_our_own_origin_is_served():
    assert Browser().post("/", headers={"origin": HERE}).status_code == 200


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}])
def test_a_foreign_websocket_is_refused_before_it_opens(headers):
    assert Browser().talk("hello", **headers) == ["websocket.close"]


def test_our_own_websocket_is_served():
    assert Browser().talk("hello") == ["websocket.accept", "websocket.send"]


def test_without_a_password_there_is_no_login_page():
    assert Browser().get("/login").status_code == 404


def test_every_answer_forbids_frames_and_foreign_content():
    for answer in (Browser().get("/"), Browser().get("/", headers={"host": "evil.example"})):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_page_is_not_kept_in_a_cache():
    assert Browser().get("/").headers["cache-control"] == "no-store"


# with a password


def test_a_stranger_is_sent_to_the_login_page(door):
    answer = door.get("/")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login"
    assert 'type="password"' in door.get("/login").text


@pytest.mark.parametrize("path", ["/_nicegui/anything", "/api", "/ws", "/LOGIN", "/login/x"])
def test_a_stranger_gets_nothing_else(door, path):
    assert door.get(path).status_code == 401


def test_a_stranger_gets_no_websocket(door):
    assert door.talk("hello") == ["websocket.close"]


def test_the_right_password_opens_the_page(door):
    answer = log_in(door)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert door.get("/").text == "the page"


def test_the_cookie_is_secure_where_the_connection_is(sessions):
    assert "Secure" in log_in(Browser(sessions, "https://trader.example")).headers["set-cookie"]


@pytest.mark.parametrize("password", ["", "hunter", "hunter22", "비밀번호"])
def test_a_wrong_password_does_not(door, password):
    answer = log_in(door, password)
    assert answer.status_code == 401
    assert "That password is not right." in answer.text
    assert door.get("/").status_code == 303


def test_too_many_wrong_passwords_shut_the_door_even_to_the_right_one(door):
    for _ in range(TRIES):
        assert log_in(door, "wrong").status_code == 401
    answer = log_in(door)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")


def test_a_form_that_is_too_large_is_refused(door):
    assert log_in(door, "x" * (MAX_FORM + 1)).status_code == 413


def test_a_form_with_too_many_fields_is_refused(door):
    assert door.post("/login", content="&".join("a=1" for _ in range(50))).status_code == 413


def test_logging_out_ends_the_session_and_not_only_the_cookie(door):
    log_in(door)
    token = door.cookies[SESSION_COOKIE]
    assert door.post("/logout").status_code == 303
    door.cookies = httpx.Cookies({SESSION_COOKIE: token})
    assert door.get("/").status_code == 303


def test_logging_out_takes_a_post_so_that_no_link_can_do_it(door):
    log_in(door)
    assert door.get("/logout").status_code == 405
    assert door.get("/").status_code == 200


def test_a_login_from_another_site_is_refused(door):
    answer = door.post("/login", data={"password": "hunter2"}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403


def test_an_open_websocket_ends_when_its_session_does(door, sessions):
    log_in(door)
    token = door.cookies[SESSION_COOKIE]
    answers = door.talk("still here", lambda: sessions.end(token), "kill")
    assert answers == ["websocket.accept", "websocket.send"]


def test_the_login_page_speaks_the_chosen_language(door):
    door.cookies.set("autotrader_language", "ko")
    assert "비밀번호" in door.get("/login").text


def test_a_malformed_cookie_header_is_a_strangers(door):
    assert door.get("/", headers={"cookie": 'a=b; \x01\x02=;;; ="unterminated'}).status_code == 303


@given(st.text(max_size=60))
def test_no_text_crashes_the_checks_of_hosts_and_origins(text):
    is_loopback(text)
    same_host(text, "localhost")


def test_default_ports_are_the_same_whether_written_or_not():
    assert same_host("https://trader.example", "trader.example:443")
    assert same_host("http://trader.example:80", "trader.example")
    assert not same_host("http://trader.example:81", "trader.example")
