"""An exchange's REST interface on loopback: what is asked is kept, what is answered is written in the test."""

from __future__ import annotations

import json

from aiohttp import web

from autotrader.core.clock import SystemClock


class Loopback:
    """The server. `answers` gives by `METHOD /path` a value, or a function of what was asked; `asked` keeps all of it.

    A `Refusal` among them is answered with its status.
    """

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    async def __aenter__(self):
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    def told(self, place):
        """Return what was asked at a place, signatures left out, oldest first."""
        return [asked for at, asked in self.asked if at == place]

    async def _answer(self, request):
        body = await request.text()
        posted = json.loads(body) if body[:1] in {"{", "["} else dict(await request.post())
        asked = {**request.query, **posted} if isinstance(posted, dict) else posted
        place = f"{request.method} {request.path}"
        self.asked.append((place, asked))
        answer = self.answers[place]
        answer = answer(asked) if callable(answer) else answer
        if isinstance(answer, Refusal):
            return web.json_response(answer.value, status=answer.status)
        return web.json_response(answer)


class Refusal:
    """An answer with a status that says no."""

    def __init__(self, value, status=400):
        self.value, self.status = value, status


def now_ms():
    """Return the time that the exchange tells: the machine's own."""
    return SystemClock().now_ms()
