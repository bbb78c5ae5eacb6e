"""What an API key may do, where its exchange tells: one that may withdraw money is refused before anything trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from autotrader.core.errors import VenueError
from autotrader.venues.ccxt.answers import mapping, rows, text
from autotrader.venues.ccxt.client import CcxtClient


class Rights(NamedTuple):
    """Whether a key may withdraw, and whether it may trade the market that is declared."""

    withdraw: bool
    trade: bool


def _binance(answer: object, market: str, place: str) -> Rights:
    told = mapping(answer, place)
    right = "enableSpotAndMarginTrading" if market == "spot" else "enableFutures"
    return Rights(_flag(told, "enableWithdrawals", place), _flag(told, right, place))


def _okx(answer: object, _market: str, place: str) -> Rights:
    accounts = rows(mapping(answer, place).get("data"), f"{place} data")
    if not accounts:
        raise VenueError(f"{place}: 'data' is empty; what this key may do is not known")
    rights = {one.strip() for one in text(accounts[0], "perm", f"{place} data").split(",")}
    return Rights("withdraw" in rights, "trade" in rights)


def _bybit(answer: object, market: str, place: str) -> Rights:
    told = mapping(mapping(answer, place).get("result"), f"{place} result")
    rights = mapping(told.get("permissions"), f"{place} permissions")
    wallet, traded = rights.get("Wallet") or [], rights.get("Spot" if market == "spot" else "ContractTrade") or []
    return Rights("Withdraw" in wallet, bool(traded) and told.get("readOnly") in {0, "0"})


def _coinbase(answer: object, _market: str, place: str) -> Rights:
    told = mapping(answer, place)
    return Rights(_flag(told, "can_transfer", place), _flag(told, "can_trade", place))


ASKED: Mapping[str, tuple[str, Callable[[object, str, str], Rights]]] = {
    "binance": ("sapi_get_account_apirestrictions", _binance),
    "binanceusdm": ("sapi_get_account_apirestrictions", _binance),
    "okx": ("private_get_account_config", _okx),
    "bybit": ("private_get_v5_user_query_api", _bybit),
    "coinbase": ("v3_private_get_brokerage_key_permissions", _coinbase),
}
"""By exchange, ccxt's method that tells a key's rights and what reads its answer."""


async def check_rights(client: CcxtClient) -> None:
    """Refuse a key that may withdraw, or that may not trade. Raises VenueError, or VenueUnavailable unanswered.

    Nothing is asked without credentials, or where another host is declared: test networks do not tell.
    """
    settings = client.settings
    asked = ASKED.get(settings.id)
    if asked is None or settings.url or not settings.credentials:
        return
    method, read = asked
    place = f"{settings.name} {method}"
    rights: Rights = await client.read(method, check=lambda answer: read(answer, settings.market, place))
    if rights.withdraw:
        raise VenueError(f"{place}: this key may withdraw money; make one that may only read and trade, and use it")
    if not rights.trade:
        raise VenueError(f"{place}: this key may not trade {settings.market}; allow it at the exchange")


def _flag(told: Mapping[str, Any], key: str, place: str) -> bool:
    """Return a flag that must be told. Raises VenueError."""
    value = told.get(key)
    if not isinstance(value, bool):
        raise VenueError(f"{place}: '{key}' is {value!r}, neither true nor false; what this key may do is not known")
    return value
