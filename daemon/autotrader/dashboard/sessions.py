"""Who may see the page: signed sessions and counted attempts. Everything it remembers is bounded."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

SESSION_S = 12 * 3600.0
MAX_ENDED = 1_024
MAX_TOKEN = 200
TRIES, ALL_TRIES = 5, 60
WINDOW_S = 60.0
MAX_ADDRESSES = 1_024

Clock = Callable[[], float]


class Sessions:
    """Tokens `expiry.nonce.signature`, signed with a secret that lives as long as this process."""

    def __init__(self, password: str, clock: Clock = time.monotonic) -> None:
        self._password = _digest(password)
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}

    def right(self, password: str) -> bool:
        """Return whether this is the password, in a time that tells nothing about it."""
        return hmac.compare_digest(_digest(password), self._password)

    def begin(self) -> str:
        """Return a new session's token."""
        body = f"{int(self._clock() + SESSION_S)}.{secrets.token_urlsafe(18)}"
        return f"{body}.{self._sign(body)}"

    def valid(self, token: str) -> bool:
        """Return whether a token is ours, not expired and not logged out."""
        body, _, signature = token[:MAX_TOKEN].rpartition(".")
        if not hmac.compare_digest(self._sign(body).encode(), signature.encode()):
            return False
        return int(body.partition(".")[0]) > self._clock() and signature not in self._ended

    def end(self, token: str) -> None:
        """Log a session out."""
        if not self.valid(token):
            return
        now_s = self._clock()
        self._ended = {one: until_s for one, until_s in self._ended.items() if until_s > now_s}
        if len(self._ended) >= MAX_ENDED:  # a new secret ends every session at once, this one too
            self._secret, self._ended = secrets.token_bytes(32), {}
            return
        self._ended[token.rpartition(".")[2]] = now_s + SESSION_S

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()


class Attempts:
    """Counts wrong passwords in a sliding minute: a few an address, more from all of them together."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._by_address: OrderedDict[str, list[float]] = OrderedDict()
        self._all: list[float] = []

    def wait_s(self, address: str) -> int:
        """Return how many seconds an address must wait before it may try again; 0 where it may now."""
        since_s = self._clock() - WINDOW_S
        mine = [at for at in self._by_address.get(network(address), []) if at > since_s]
        everyone = [at for at in self._all if at > since_s]
        waits = [many[-most] - since_s for many, most in ((mine, TRIES), (everyone, ALL_TRIES)) if len(many) >= most]
        return int(max(waits)) + 1 if waits else 0

    def failed(self, address: str) -> None:
        """Count a wrong password."""
        now_s, where = self._clock(), network(address)
        self._all = [*self._all, now_s][-ALL_TRIES:]
        self._by_address[where] = [*self._by_address.get(where, []), now_s][-TRIES:]
        self._by_address.move_to_end(where)
        while len(self._by_address) > MAX_ADDRESSES:
            self._by_address.popitem(last=False)


def network(address: str) -> str:
    """Return what attempts are counted by: an IPv4 address, or the /64 that one IPv6 subscriber owns."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()
