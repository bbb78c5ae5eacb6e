"""An account of the real client on an exchange that runs on loopback."""

from __future__ import annotations

from random import Random

from autotrader.core.clock import SystemClock
from autotrader.venues.ccxt.account import CcxtAccount
from autotrader.venues.ccxt.client import CcxtClient, CcxtSettings
from autotrader.venues.ccxt.make import make_exchange


class AheadClock(SystemClock):
    """The machine's clock, ahead by as much as the test says."""

    ahead_ms = 0

    def now_ms(self):
        return super().now_ms() + self.ahead_ms


def unthrottled(settings):
    """Return ccxt's own client, which asks as fast as it can: the server is ours."""
    made = make_exchange(settings)
    made.enableRateLimit = False
    return made


def account_at(server, folder, clock=None, **fields):
    """Return an account that is not open yet; each request is tried once."""
    settings = CcxtSettings(name="real", url=server.url, attempts=1, **fields)
    client = CcxtClient(settings, clock or AheadClock(), unthrottled, Random(1))
    return CcxtAccount(client, folder / "ccxt-real.db")
