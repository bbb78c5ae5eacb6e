"""Client order ids that follow from what caused the order, so that the same cause can never order twice."""

from __future__ import annotations

import base64
import hashlib

MAX_CLIENT_ID = 36
"""The shortest limit among the exchanges we know of (Binance spot), but for those that get a `short_id`."""


def group_id(run: str, owner: str, exchange: str, symbol: str, entry_id: int) -> str:
    """Return the name of one entry: all orders that build, guard and end the same position share it.

    `run` names the journal, so that two journals on one account never collide.
    """
    text = "|".join((run, owner, exchange, symbol, str(entry_id)))
    digest = hashlib.blake2b(text.encode(), digest_size=10).digest()
    return base64.b32encode(digest).decode().lower()


def client_id(group: str, purpose: str, attempt: int) -> str:
    """Return the id of the nth order of a purpose (`e` entry, `x` exit, `s` slot, `p` stop) in a group."""
    identity = f"at{group}{purpose}{attempt}"
    if len(identity) > MAX_CLIENT_ID:
        raise ValueError(f"client id '{identity}' is longer than {MAX_CLIENT_ID} characters")
    return identity


def short_id(identity: str, longest: int) -> str:
    """Return a client id for an exchange whose ids hold no more than `longest` characters: the same for the same id."""
    if len(identity) <= longest:
        return identity
    digest = hashlib.blake2b(identity.encode(), digest_size=longest * 5 // 8).digest()
    return base64.b32encode(digest).decode().lower().rstrip("=")


def guard_id(group: str) -> str:
    """Return the id under which a venue reports the protective exit of a group."""
    return f"at{group}g"
