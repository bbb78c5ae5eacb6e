"""Quantities carry units: what `2%`, `15bps`, `1000 USDT`, `30s` and `60x` mean, exactly."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_PERCENT = re.compile(rf"({_NUMBER})\s*(%|bps)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_MONEY = re.compile(rf"({_NUMBER})\s*([A-Z][A-Z0-9]{{1,14}})")
_SPEED = re.compile(r"(\d+(?:\.\d+)?)x")
_TIMEFRAME = re.compile(r"([1-9]\d{0,3})(s|m|h|d|w)")

FEEDS = ("trades", "quotes", "book")
"""Streams of events; they stand where a timeframe does, and their "bars" have no length: each is one moment."""

BOOK_DEPTH = 20
"""Levels of each side that are kept of a recorded order book, and that a strategy may ask for."""

DURATION_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class Money(NamedTuple):
    """An exact amount of one currency."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency}"


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(value: Decimal) -> str:
    """Return money and amounts as people and JSON read them: at most 8 places, no exponent."""
    rounded = f"{value:.8f}".rstrip("0").rstrip(".")
    return "0" if rounded in {"-0", ""} else rounded


def exact(text: str) -> Decimal:
    """Return a number's text as a Decimal. Raises ValueError beyond 25 digits or beyond 1e±18 in size.

    The bounds keep every later sum exact in Decimal's 28 digits, and keep `1e999999999` from filling the memory.
    """
    value = Decimal(text) if len(text) <= 40 else Decimal(0)
    if len(text) > 40 or len(value.as_tuple().digits) > 25 or (value and abs(value.adjusted()) > 18):
        raise ValueError(
            f"'{text[:24]}…' is no sensible quantity; numbers have at most 25 digits and lie within 1e18"
            if len(text) > 24
            else f"'{text}' is no sensible quantity; numbers lie within 1e18"
        )
    return value


def parse_fraction(text: str) -> Decimal:
    """Return `2%` as 0.02 and `15bps` as 0.0015. Raises ValueError for anything else."""
    match = _PERCENT.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is not a share; write it with its unit, as 2% or 15bps")
    return exact(match[1]) / (100 if match[2] == "%" else 10_000)


def parse_duration_ms(text: str) -> int:
    """Return `30s`, `6h`, `1d` in milliseconds. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is not a duration; write a number and ms, s, m, h, d or w, as 30s or 6h")
    value = exact(match[1]) * DURATION_MS[match[2]]
    if value != value.to_integral_value():
        raise ValueError(f"'{text}' is finer than a millisecond")
    return int(value)


def parse_money(text: str) -> Money:
    """Return `1000 USDT` as an amount and its currency. Raises ValueError for anything else."""
    match = _MONEY.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is not an amount of money; write the number and its currency, as 1000 USDT")
    return Money(exact(match[1]), match[2])


def parse_speed(text: str) -> float:
    """Return `60x` as 60.0 and `max` as infinity. Raises ValueError for anything else."""
    if text.strip() == "max":
        return float("inf")
    match = _SPEED.fullmatch(text.strip())
    if not match or exact(match[1]) <= 0:
        raise ValueError(f"'{text}' is not a speed; write 1x, 60x or max")
    return float(match[1])


@lru_cache(maxsize=256)
def timeframe_ms(timeframe: str) -> int:
    """Return the length of a bar, `5m` or `1d`, in milliseconds; 0 for a feed. Raises ValueError for anything else."""
    if timeframe in FEEDS:
        return 0
    match = _TIMEFRAME.fullmatch(timeframe)
    if not match:
        raise ValueError(f"'{timeframe}' is not a timeframe; write a whole number and s, m, h, d or w, as 5m or 1d")
    return int(match[1]) * DURATION_MS[match[2]]


def split_symbol(symbol: str) -> tuple[str, str]:
    """Return base and quote of `BTC/USDT`. Raises ValueError for anything else."""
    match = re.fullmatch(r"([A-Z0-9]{1,20})/([A-Z0-9]{1,20})(?::[A-Z0-9]{1,20})?", symbol)
    if not match:
        raise ValueError(f"'{symbol}' is not a symbol; write base and quote with a slash, as BTC/USDT")
    return match[1], match[2]
