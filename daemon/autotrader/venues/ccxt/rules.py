"""What an exchange demands of an order that ccxt does not tell: price steps, least costs, and how a coin is bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from autotrader.core.errors import VenueError
from autotrader.execution.orders import BUY, OrderRequest
from autotrader.venues.ccxt.answers import mapping, number
from autotrader.venues.ccxt.client import CcxtClient

BUYS_BY_COST = frozenset({"upbit"})
"""Exchanges whose market buys take money, not an amount: there a market buy is a limit order that takes at once."""

ROOM = Decimal("0.005")
"""How far above the best ask such a limit order may take."""

_WON = ((1_000_000, 1_000), (500_000, 500), (100_000, 100), (50_000, 50), (10_000, 10), (5_000, 5), (100, 1))
_BELOW = [(Decimal(10) ** power, Decimal(10) ** (power - 2)) for power in range(1, -6, -1)]
_DOLLARS = [(Decimal(10) ** power, Decimal(10) ** (power - 3)) for power in range(1, -5, -1)]

STEPS: Mapping[str, Mapping[str, Sequence[tuple[Decimal, Decimal]]]] = {
    "upbit": {"KRW": [*((Decimal(least), Decimal(step)) for least, step in _WON), *_BELOW], "USDT": _DOLLARS}
}
"""Price steps that grow with the price, by exchange and quote currency, each with the least price that it holds for.

Upbit: "KRW market information" and "USDT market information", docs.upbit.com. A few of its coins have finer ones.
"""


def stepped(exchange: str, request: OrderRequest) -> OrderRequest:
    """Return an order whose price stands on its exchange's steps: a buy not above what was asked, a sell not below."""
    if request.price is None:
        return request
    rounding = ROUND_FLOOR if request.side == BUY else ROUND_CEILING
    return request._replace(price=_on_step(exchange, request.symbol, request.price, rounding))


async def bound(client: CcxtClient, request: OrderRequest) -> Decimal:
    """Return the most that a buy at the market may pay for a coin: ROOM above the best ask, on the exchange's steps.

    Raises VenueUnavailable, or VenueError where nothing is offered.
    """
    place = f"{client.settings.name} fetch_order_book"

    def check(answer: object) -> Decimal | None:
        asks = mapping(answer, place).get("asks")
        return number({"price": asks[0][0]}, "price", place, above=Decimal(0)) if asks else None

    ask: Decimal | None = await client.read("fetch_order_book", client.ccxt_symbol(request.symbol), check=check)
    if ask is None:
        raise VenueError(f"{place}: nobody offers {request.symbol} now")
    return max(_on_step(client.settings.id, request.symbol, ask * (1 + ROOM), ROUND_FLOOR), ask)


def _on_step(exchange: str, symbol: str, price: Decimal, rounding: str) -> Decimal:
    table = STEPS.get(exchange, {}).get(symbol.split("/")[1], ())
    step = next((step for least, step in table if price >= least), None)
    return price if step is None else (price / step).to_integral_value(rounding) * step
