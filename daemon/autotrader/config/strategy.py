"""What every strategy's file may say, whatever its kind: money, size, exits, execution, and its end."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from autotrader.config.exchange import Symbols
from autotrader.config.model import Declared, kind_of, trouble
from autotrader.config.types import (
    DurationMs,
    Fraction,
    FractionBelowOne,
    MoneyAmount,
    NameStr,
    PositiveDecimal,
    Share,
    TimeframeStr,
)
from autotrader.core.clock import DAY_MS
from autotrader.core.units import timeframe_ms

ExpressionStr = Annotated[str, Field(min_length=1, max_length=2000)]
"""An expression of the rules language; the kind's own validators compile it."""


def number_text(value: object) -> object:
    """Return a number as the expression that its text is, without exponent; any other value as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return value
    return f"{Decimal(str(value)):f}"


USUAL_BARS = 5000
"""The most bars a day of which the usual volume is known: as many as are kept of the history."""

NamedExpressionStr = Annotated[
    ExpressionStr, BeforeValidator(number_text, json_schema_input_type=ExpressionStr | Decimal)
]
"""An expression under a name of its own, which may be a bare number: `n: 12` says what `n: "12"` does."""


class PercentSize(Declared):
    kind: Literal["percent"] = Field(default="percent", description="A part of the strategy's share.")
    percent: Fraction = Field(
        default=Decimal(1), description="How much of the share one entry takes, as 100%; more where there is leverage."
    )


class FixedSize(Declared):
    kind: Literal["fixed"] = Field(description="The same amount each time.")
    amount: PositiveDecimal = Field(description="Base units, as 0.01.")


class NotionalSize(Declared):
    kind: Literal["notional"] = Field(description="The same money each time.")
    amount: MoneyAmount = Field(description="Money of the quote currency, as 500 USDT.")


class VolatilitySize(Declared):
    kind: Literal["volatility"] = Field(description="Less where the price moves more: risk x share / ATR(n).")
    risk: Share = Field(description="The part of the share that one ATR may cost, as 0.5%.")
    atr: int = Field(default=14, ge=2, le=1000, description="Bars of the average true range.")


class KellySize(Declared):
    kind: Literal["kelly"] = Field(description="A fraction of the Kelly stake of the strategy's own closed trades.")
    fraction: Share = Field(default=Decimal("0.5"), description="How much of the Kelly stake is taken, as 50%.")
    cap: Share = Field(default=Decimal("0.25"), description="The most of the share that one entry takes, as 25%.")
    min_trades: int = Field(
        default=30, ge=1, le=10_000, description="Closed trades before the stake is computed from them."
    )
    start: Share = Field(
        default=Decimal("0.05"), description="How much of the share one entry takes until there are so many, as 5%."
    )


Size = Annotated[
    Annotated[PercentSize, Tag("percent")]
    | Annotated[FixedSize, Tag("fixed")]
    | Annotated[NotionalSize, Tag("notional")]
    | Annotated[VolatilitySize, Tag("volatility")]
    | Annotated[KellySize, Tag("kelly")],
    Discriminator(kind_of),
]


class Exits(Declared):
    """Protective exits, measured from the entry's fill price."""

    stop_loss: FractionBelowOne | None = Field(default=None, description="Leave this far below the entry, as 2%.")
    take_profit: Fraction | None = Field(default=None, description="Leave this far above the entry, as 4%.")
    trailing_stop: FractionBelowOne | None = Field(
        default=None, description="Leave this far below the best price since, as 1.5%."
    )
    max_holding: DurationMs | None = Field(default=None, description="Leave after this time, as 24h.")


class MarketExecution(Declared):
    kind: Literal["market"] = Field(default="market", description="Take what the market offers.")


class LimitExecution(Declared):
    kind: Literal["limit"] = Field(description="Rest at the decision's price, repriced each bar.")
    post_only: bool = Field(
        default=False, description="Never take: an order that would take is refused, and tried again at the next look."
    )
    chase: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="How often at most an unfilled entry moves to the new price; 0 never; else no bound."
    )
    timeout: DurationMs = Field(default=30_000, description="How long an entry is tried, as 30s.")
    time_in_force: Literal["gtc", "ioc", "fok"] = Field(
        default="gtc",
        description="gtc rests; ioc takes what is there at once and drops the rest; fok takes all at once or nothing.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> LimitExecution:
        if self.time_in_force == "gtc":
            return self
        for key, given in (("post_only", self.post_only), ("chase", self.chase is not None)):
            if given:
                message = f"'{key}' and time_in_force: {self.time_in_force} exclude each other"
                raise trouble(message, "an order that fills at once or ends never rests; keep one of them", at=(key,))
        return self


class IcebergExecution(Declared):
    kind: Literal["iceberg"] = Field(description="Rest at the decision's price, a part after the other.")
    show: Share = Field(description="How much of the whole is shown at once, as 10%.")
    timeout: DurationMs = Field(default=3_600_000, description="How long an entry is tried, as 1h.")


class TwapExecution(Declared):
    kind: Literal["twap"] = Field(description="Take what the market offers in equal slices, spread over a time.")
    over: DurationMs = Field(description="The time from the first slice until what is left of an entry is dropped.")
    slices: int = Field(ge=2, le=1000, description="How many slices.")


class VwapExecution(Declared):
    kind: Literal["vwap"] = Field(
        description="Take what the market offers in slices as large as the volume usually is at their time of day."
    )
    over: DurationMs = Field(
        description="The time from the first slice until what is left of an entry is dropped; 1d at the most."
    )
    slices: int = Field(ge=2, le=24, description="How many slices.")

    @field_validator("over")
    @classmethod
    def _within_a_day(cls, value: int) -> int:
        if value > DAY_MS:
            raise trouble("a vwap follows the volume of one day", "write over: 24h or less, or kind: twap")
        return value


Execution = Annotated[
    Annotated[MarketExecution, Tag("market")]
    | Annotated[LimitExecution, Tag("limit")]
    | Annotated[IcebergExecution, Tag("iceberg")]
    | Annotated[TwapExecution, Tag("twap")]
    | Annotated[VwapExecution, Tag("vwap")],
    Discriminator(kind_of),
]


class Legs(Declared):
    """What becomes of a trade of several legs of which one fails or fills in part."""

    on_failure: Literal["complete_or_unwind", "unwind"] = Field(
        default="complete_or_unwind",
        description="complete_or_unwind: the missing leg within its bound, else the others back. unwind: back at once.",
    )
    bound: FractionBelowOne = Field(
        default=Decimal("0.003"), description="How much worse than decided a missing leg may be, as 30bps."
    )
    deadline: DurationMs = Field(default=5_000, description="When giving back begins at the latest, as 5s.")


class Read(NamedTuple):
    """Something outside a strategy's own market that one of its expressions names.

    `at` is the path of keys to the expression, `offset` and `length` the place inside its text. `name` is an exchange
    (for funding empty where it is the strategy's own), or a metric's file as `onchain/btc` with its `column`.
    """

    kind: Literal["exchange", "funding", "metric"]
    name: str
    column: str
    at: tuple[str | int, ...]
    offset: int
    length: int


class StrategyParams(Declared):
    """Base of every kind's Params: the whole file, for people."""

    kind: str = Field(description="The strategy's kind.")
    capital: Share = Field(description="The share of current equity that the strategy may use, as 20%.")
    size: Size = Field(default_factory=PercentSize, description="The size of one entry.")
    exits: Exits = Field(default_factory=Exits, description="Protective exits.")
    execution: Execution = Field(default_factory=MarketExecution, description="How a target becomes orders.")
    filters: Annotated[tuple[ExpressionStr, ...], Field(max_length=32)] = Field(
        default=(), description="Conditions that must all be true for an entry; they touch no exit."
    )
    risk: NameStr | None = Field(
        default=None,
        description="Limits of its own besides the account's: a file in risk.d, measured on its own trading.",
    )
    on_remove: Literal["hold", "close", "adopt"] = Field(
        description="What happens to an open position when this file goes: it is held, closed, or adopted by another."
    )
    adopts: NameStr | None = Field(default=None, description="The removed strategy whose position this one takes over.")

    def exchanges(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """Return the exchanges that this file names, each with the path of keys to its name."""
        return ()

    def reads(self) -> tuple[Read, ...]:
        """Return what the file's expressions name outside its own market."""
        return ()

    def wants_shorts(self) -> bool:
        """Whether this strategy may sell what it does not own; spot markets refuse that."""
        return False


class SingleExchange(StrategyParams):
    """A strategy on one exchange that reads bars, or each event of a feed as it comes."""

    exchange: NameStr = Field(description="The name of a file in exchanges.d.")
    symbols: Symbols = Field(description="What it trades, as [BTC/USDT]; its share is split evenly.")
    timeframe: TimeframeStr | None = Field(default=None, description="The bars on whose close it decides, as 5m.")
    feed: Literal["trades", "quotes", "book"] | None = Field(
        default=None, description="Instead of a timeframe: it decides on each trade, quote or change of the order book."
    )
    resolution: TimeframeStr | None = Field(
        default=None, description="Shorter bars that decide what happened inside its own, as 1m."
    )

    @model_validator(mode="after")
    def _bars_fit(self) -> SingleExchange:
        seen: set[str] = set()
        for index, symbol in enumerate(self.symbols):
            if symbol in seen:
                raise trouble(f"{symbol} is listed twice", "remove one", at=("symbols", index))
            seen.add(symbol)
        if self.timeframe is None and self.feed is None:
            raise trouble("it is not said what it decides on", "write timeframe: 5m, or feed: trades")
        if self.timeframe is not None and self.feed is not None:
            raise trouble("'timeframe' and 'feed' exclude each other", "keep one of them", at=("feed",))
        if self.resolution and self.timeframe is None:
            message, hint = "a feed has no bars that shorter ones could resolve", "remove it"
            raise trouble(message, hint, at=("resolution",))
        if self.resolution and self.timeframe is not None:
            own, finer = timeframe_ms(self.timeframe), timeframe_ms(self.resolution)
            if finer >= own or own % finer:
                message = f"{self.resolution} bars do not divide {self.timeframe} bars"
                raise trouble(message, "write a shorter timeframe that fits in whole", at=("resolution",))
        self._volume_is_known()
        return self

    def _volume_is_known(self) -> None:
        """Refuse a vwap whose usual volume cannot be told."""
        if self.execution.kind != "vwap":
            return
        length_ms = timeframe_ms(self.timeframe) if self.timeframe else 0
        if not length_ms or DAY_MS % length_ms or not 1 < DAY_MS // length_ms <= USUAL_BARS:
            message = f"the usual volume is known of bars of 18s to 12h that divide a day, not of {self.series}"
            raise trouble(message, "use another timeframe, or kind: twap", at=("execution", "kind"))

    @property
    def series(self) -> str:
        """The timeframe or the feed that it decides on."""
        return self.timeframe or self.feed or ""

    def exchanges(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        return ((("exchange",), self.exchange),)
