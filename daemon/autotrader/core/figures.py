"""Figures as people read them: money, prices, shares and moments. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

Number = Decimal | float | int | str


def money(value: Number | None) -> str:
    """Return `1,234.50`."""
    return NOTHING if value is None else _minus(f"{Decimal(str(value)):,.2f}")


def signed(value: Number | None) -> str:
    """Return money with its sign, and zero without one: `+1,234.50`, `0.00`."""
    if value is None:
        return NOTHING
    text = f"{Decimal(str(value)):+,.2f}"
    return "0.00" if text in {"+0.00", "-0.00"} else _minus(text)


def price(value: Number | None) -> str:
    """Return a price with the places that its size asks for: two from 1,000 up, four from 1 up, else eight."""
    if value is None:
        return NOTHING
    exact = Decimal(str(value))
    places = 2 if abs(exact) >= 1_000 else 4 if abs(exact) >= 1 or not exact else 8
    return _minus(f"{exact:,.{places}f}")


def fee(value: Number | None) -> str:
    """Return a fee: four places, or eight where those would hide it."""
    if value is None:
        return NOTHING
    exact = Decimal(str(value))
    return _minus(f"{exact:,.{4 if abs(exact) >= Decimal('0.01') or not exact else 8}f}")


def amount(value: Number | None) -> str:
    """Return base units exactly, without trailing zeros."""
    if value is None:
        return NOTHING
    text = f"{Decimal(str(value)):,.8f}".rstrip("0").rstrip(".")
    return _minus(text)


def share(value: Number | None, places: int = 2) -> str:
    """Return a fraction as a signed percentage: `+1.25%`."""
    if value is None:
        return NOTHING
    text = f"{Decimal(str(value)) * 100:+.{places}f}%"
    return text[1:] if not Decimal(text[:-1]) else _minus(text)


def direction(value: Number | None) -> str:
    """Return the class that colours a gain or a loss: `up`, `down`, or nothing for zero."""
    if value is None or not (exact := Decimal(str(value))):
        return ""
    return "up" if exact > 0 else "down"


def moment(ts_ms: int, zone: ZoneInfo) -> str:
    """Return a moment whole: `2024-11-30 23:55:00 KST`; an en dash for none."""
    if not ts_ms:
        return NOTHING
    return datetime.fromtimestamp(ts_ms / 1000, tz=zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def short_moment(ts_ms: int, zone: ZoneInfo) -> str:
    """Return a moment as tables show it: `11-30 23:55:00`."""
    return datetime.fromtimestamp(ts_ms / 1000, tz=zone).strftime("%m-%d %H:%M:%S") if ts_ms else NOTHING


def wall_ms(ts_ms: int, zone: ZoneInfo) -> int:
    """Return the milliseconds at which a UTC clock would show what the zone's clock shows at that moment."""
    offset = datetime.fromtimestamp(ts_ms / 1000, tz=zone).utcoffset() or timedelta(0)
    return ts_ms + int(offset.total_seconds() * 1000)


def length(seconds: float) -> str:
    """Return a length of time in its two largest units: `3d 4h`, `5m 7s`."""
    left = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
