"""What money in one currency is worth in another, from prices that exchanges quote. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext
from typing import NamedTuple

PLACES = 28
"""Significant digits of a rate."""


class RateSource(NamedTuple):
    """A symbol whose price tells a rate; `inverse` where one over the price does."""

    exchange: str
    symbol: str
    inverse: bool


def rate_sources(quote: str, currency: str, own: str, exchanges: Iterable[str]) -> Iterator[RateSource]:
    """Yield where the price of `quote` money in `currency` may be told, the likeliest first.

    The exchange that holds the money comes first, then the others by name; on each the symbol itself, then its inverse.
    """
    for exchange in (own, *sorted(set(exchanges) - {own})):
        yield RateSource(exchange, f"{quote}/{currency}", inverse=False)
        yield RateSource(exchange, f"{currency}/{quote}", inverse=True)


def rate_of(price: Decimal, *, inverse: bool) -> Decimal | None:
    """Return what one unit is worth at a price; None where that is no price."""
    if not price.is_finite() or price <= 0:
        return None
    with localcontext() as context:
        context.prec = PLACES
        return 1 / price if inverse else +price
