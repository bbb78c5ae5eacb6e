"""The types of declared values: quantities with units, names, symbols; each shows itself as it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, NoReturn

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from autotrader.config.model import called, trouble
from autotrader.core.units import (
    DURATION_MS,
    FEEDS,
    Money,
    parse_duration_ms,
    parse_fraction,
    parse_money,
    parse_speed,
    plain,
    split_symbol,
    timeframe_ms,
)

MAX_DURATION_MS = 3_660 * DURATION_MS["d"]
_NUMBER = r"[0-9]+(\.[0-9]+)?"
_SHARE_PATTERN = rf"^{_NUMBER} ?(%|bps)$"
_DURATION_PATTERN = rf"^{_NUMBER} ?(ms|s|m|h|d|w)$"
_MONEY_PATTERN = rf"^{_NUMBER} ?[A-Z][A-Z0-9]{{1,14}}$"


class Unit:
    """Marks a field whose YAML is a text with a unit; `parse` reads it, `show` writes it back, one text a value.

    `model_dump` therefore gives `2%`, `30s` and `1000 USDT`, which validate again to the same values.
    """

    def __init__(
        self,
        parse: Callable[[str], Any],
        show: Callable[[Any], str],
        bare: Callable[[str], str] | None,
        pattern: str,
        *examples: str,
    ) -> None:
        self._parse, self._show, self._bare = parse, show, bare
        self._pattern, self._examples = pattern, examples

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validated, serialization=core_schema.plain_serializer_function_ser_schema(self._show)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": self._pattern, "examples": list(self._examples)}

    def _validated(self, value: Any) -> Any:
        if isinstance(value, Money):
            value = str(value)
        if not isinstance(value, str):
            self._refuse(value)
        try:
            return self._parse(value)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            raise trouble(message, hint) from None

    def _refuse(self, value: Any) -> NoReturn:
        if self._bare and isinstance(value, (int, Decimal, float)) and not isinstance(value, bool):
            text = plain(Decimal(str(value)))
            raise trouble(f"'{text}' has no unit", self._bare(text))
        examples = " or ".join(self._examples)
        raise trouble(f"a text as {examples} is needed here, not {called(value)}")


def show_share(share: Decimal) -> str:
    """Return 0.02 as `2%`."""
    return f"{plain(share * 100)}%"


def show_duration(duration_ms: int) -> str:
    """Return milliseconds in the largest unit that holds them whole: 86400000 as `1d`. Weeks are days."""
    for unit in ("d", "h", "m", "s"):
        if duration_ms and duration_ms % DURATION_MS[unit] == 0:
            return f"{duration_ms // DURATION_MS[unit]}{unit}"
    return f"{duration_ms}ms"


def show_speed(speed: float) -> str:
    """Return 60.0 as `60x`, infinity as `max`."""
    return "max" if speed == float("inf") else f"{plain(Decimal(repr(speed)))}x"


def _share(low: str, high: str | None, *, over: bool = False) -> Callable[[str], Decimal]:
    least, most = Decimal(low) / 100, None if high is None else Decimal(high) / 100

    def parse(text: str) -> Decimal:
        share = parse_fraction(text)
        if share < least or (over and share == least):
            raise ValueError(f"'{text}' is too small; write {'more than' if over else 'at least'} {low}%")
        if most is not None and share > most:
            raise ValueError(f"'{text}' is too large; write at most {high}%")
        return share

    return parse


def _duration(low_ms: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        duration_ms = parse_duration_ms(text)
        if duration_ms < low_ms:
            raise ValueError(f"'{text}' is too short; write at least {show_duration(low_ms)}")
        if duration_ms > MAX_DURATION_MS:
            raise ValueError(f"'{text}' is too long; write at most {show_duration(MAX_DURATION_MS)}")
        return duration_ms

    return parse


def _money(text: str) -> Money:
    money = parse_money(text)
    if money.amount <= 0:
        raise ValueError(f"'{text}' is not a positive amount; write more than 0 {money.currency}")
    return money


def _money_or_share(text: str) -> Money | Decimal:
    if text.rstrip().endswith(("%", "bps")):
        return _share("0", None, over=True)(text)
    try:
        return _money(text)
    except ValueError as error:
        if "is not an amount" not in str(error):
            raise
        raise ValueError(f"'{text}' is neither money nor a share; write 1000 USDT, or 25% of equity") from None


def _timeframe(text: str) -> str:
    if text in FEEDS:
        raise ValueError(f"'{text}' is no timeframe but a feed; write feed: {text} instead of timeframe:")
    length_ms = timeframe_ms(text)
    if text.endswith(("d", "w")):
        return text
    for unit in ("d", "h", "m"):
        if length_ms % DURATION_MS[unit] == 0:
            return f"{length_ms // DURATION_MS[unit]}{unit}"
    return text


def _symbol(text: str) -> str:
    try:
        base, quote = split_symbol(text)
    except ValueError as error:
        upper = text.upper().replace("-", "/").replace("_", "/")
        if upper == text or upper.count("/") != 1:
            raise
        raise ValueError(f"{str(error).partition(';')[0]}; write {upper}") from None
    if base == quote:
        raise ValueError(f"'{text}' trades a currency against itself; write two different ones")
    return text


def _bare_share(text: str) -> str:
    value = Decimal(text)
    return f"write {text}% or {show_share(value)}" if 0 < value < 1 else f"write {text}%"


def _bare_money(text: str) -> str:
    return f"write {text} and its currency, as {text} USDT"


def _bare_duration(text: str) -> str:
    return f"write {text}s, {text}m or {text}h"


def _shown(value: Money | Decimal) -> str:
    return str(value) if isinstance(value, Money) else show_share(value)


Fraction = Annotated[
    Decimal, Unit(_share("0", None, over=True), show_share, _bare_share, _SHARE_PATTERN, "2%", "15bps")
]
"""More than nothing: `2%` is Decimal("0.02")."""

FractionOrZero = Annotated[Decimal, Unit(_share("0", "100"), show_share, _bare_share, _SHARE_PATTERN, "0.1%", "2bps")]
"""A fee or a slippage: from 0 % to 100 %."""

FractionBelowOne = Annotated[
    Decimal, Unit(_share("0", "99.99", over=True), show_share, _bare_share, _SHARE_PATTERN, "2%", "150bps")
]
"""A distance that a price can fall: over 0 % and under 100 %."""

Share = Annotated[Decimal, Unit(_share("0", "100", over=True), show_share, _bare_share, _SHARE_PATTERN, "20%", "100%")]
"""A part of a whole: over 0 % and at most 100 %."""

DurationMs = Annotated[int, Unit(_duration(1), show_duration, _bare_duration, _DURATION_PATTERN, "30s", "6h")]
"""A time that passes, in milliseconds."""

DurationOrZeroMs = Annotated[
    int, Unit(_duration(0), show_duration, lambda text: f"write {text}ms", _DURATION_PATTERN, "50ms", "0ms")
]
"""A latency, in milliseconds; may be none."""

MoneyAmount = Annotated[Money, Unit(_money, str, _bare_money, _MONEY_PATTERN, "1000 USDT")]
"""A positive amount of one currency."""

MoneyOrFraction = Annotated[
    Money | Decimal,
    Unit(
        _money_or_share,
        _shown,
        lambda text: f"write {text} USDT" + (f", or {text}% of equity" if 0 < Decimal(text) <= 100 else ""),
        rf"({_MONEY_PATTERN}|{_SHARE_PATTERN})",
        "1000 USDT",
        "25%",
    ),
]
"""Money, or a share of equity."""

Speed = Annotated[
    float, Unit(parse_speed, show_speed, lambda text: f"write {text}x", rf"^({_NUMBER}x|max)$", "1x", "60x", "max")
]
"""How much faster than the clock a replay runs; infinity is as fast as it can."""

TimeframeStr = Annotated[
    str, Unit(_timeframe, str, lambda text: f"write {text}m or {text}h", r"^[1-9][0-9]{0,3}(s|m|h|d|w)$", "5m", "1d")
]
"""A bar's length; `60m` becomes `1h`."""

SymbolStr = Annotated[
    str,
    Unit(
        _symbol,
        str,
        None,
        r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?$",
        "BTC/USDT",
    ),
]
"""Base and quote."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
FOLDER_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
CURRENCY_PATTERN = r"^[A-Z][A-Z0-9]{1,14}$"

NameStr = Annotated[str, Field(pattern=NAME_PATTERN)]
"""The name of a declaration: its file's name without the ending."""

CurrencyStr = Annotated[str, Field(pattern=CURRENCY_PATTERN)]
"""A currency's code, as USDT."""

PositiveDecimal = Annotated[Decimal, Field(gt=0)]
"""An exact number over zero."""


def instant_ms(text: str) -> int:
    """Return a date or a moment, UTC unless it says otherwise, in milliseconds. Raises ValueError where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a date; write 2024-06-01 or 2024-06-01T12:00, in UTC") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment.year < 2009:
        raise ValueError(f"'{text}' is before there were markets to replay; write a date from 2009 on")
    return int(moment.timestamp()) * 1000


def _show_instant(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


InstantMs = Annotated[
    int,
    Unit(
        instant_ms,
        _show_instant,
        None,
        r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?$",
        "2024-06-01",
    ),
]
"""A moment, UTC unless it says otherwise, in milliseconds."""
