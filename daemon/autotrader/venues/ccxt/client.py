"""One exchange account through ccxt: a client that all strategies share, with bounds on all that it asks and takes.

Reads are asked again within a budget, with jittered exponential pauses; what changes something is sent once. Failures
open the venue's circuit breaker. Every answer is checked before anything believes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Literal, TypeVar, cast

import structlog

from autotrader.core.clock import Clock
from autotrader.core.errors import AmbiguousSubmit, BrokenInvariant, VenueError, VenueUnavailable
from autotrader.market.instrument import STEP, Instrument
from autotrader.venues.ccxt.answers import ZERO, mapping, maybe, number
from autotrader.venues.ccxt.breaker import Breaker
from autotrader.venues.ccxt.errors import Answer, answer_to, named, of_read, of_submit
from autotrader.venues.ccxt.quirks import LEAST_COST
from autotrader.venues.ccxt.server_time import ServerTime

T = TypeVar("T")
MAX_RATE_WAIT_S = 600.0
"""The longest pause that an exchange may ask for."""

MAX_WAITING = 256
"""Bound of the questions that are under way or wait for their turn."""

FIRST_MS = Decimal(1_000_000_000_000)
"""2001: an exchange that tells an earlier time tells none, and what is read by its clock would be read from there."""

log = structlog.get_logger("exchange")

TICK_SIZE, DECIMAL_PLACES = 4, 2
"""How ccxt says precision: as the step itself, or as digits after the point."""


@dataclass(frozen=True, slots=True)
class CcxtSettings:
    """One declared account. `url` replaces every host; secrets are kept out of the repr.

    `cancel_after_ms` is the time of the exchange's own timer that cancels open orders, 0 for none.
    """

    name: str
    id: str
    market: Literal["spot", "swap"] = "spot"
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = ""
    timeout_s: float = 10.0
    attempts: int = 4
    budget_s: float = 30.0
    concurrency: int = 8
    clock_every_s: float = 900.0
    cancel_after_ms: int = 0


class CcxtClient:
    """Asks one exchange. Errors are VenueUnavailable, VenueError and, for a submit, those that `errors` tells."""

    def __init__(
        self,
        settings: CcxtSettings,
        clock: Clock,
        make: Callable[[CcxtSettings], Any],
        random: Random,
        breaker: Breaker | None = None,
    ) -> None:
        self.settings, self.clock = settings, clock
        self.breaker = breaker or Breaker(clock)
        self._make, self._random = make, random
        self._exchange: Any = None
        self._gate = asyncio.Semaphore(settings.concurrency)
        self._waiting = 0
        self._time = ServerTime(clock, settings.clock_every_s)
        self._measuring: asyncio.Task[None] | None = None
        self.symbol_of: dict[str, str] = {}
        self._ccxt_symbol: dict[str, str] = {}
        self._size: dict[str, Decimal] = {}

    async def open(self) -> None:
        """Make the client, measure the clock, learn the markets. Raises VenueUnavailable."""
        self._exchange = self._make(self.settings)
        await self.measure_clock()
        await self.read("load_markets", check=self._learn)

    async def close(self) -> None:
        """Close the connections. What still waits for an answer gets an error."""
        exchange, self._exchange = self._exchange, None
        measuring, self._measuring = self._measuring, None
        if measuring is not None:
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)
        if exchange is not None:
            await exchange.close()

    @property
    def exchange(self) -> Any:
        """Ccxt's own client, for the streams; it shares this account's throttler. Raises VenueUnavailable if closed."""
        if self._exchange is None:
            raise VenueUnavailable(f"{self.settings.name} is not open")
        return self._exchange

    def can(self, method: str) -> bool:
        """Tell whether the exchange offers one of ccxt's unified methods, as `fetchOpenOrders`."""
        return bool(self.exchange.has.get(method))

    def now_ms(self) -> int:
        """Return the exchange's time, as it was last measured."""
        return self._time.now_ms()

    async def measure_clock(self) -> None:
        """Ask the exchange for its time. Raises VenueUnavailable."""
        if not self.exchange.has.get("fetchTime"):
            return
        place = f"{self.settings.name} fetch_time"

        def check(answer: object) -> int:
            return int(number({"time": answer}, "time", place, above=FIRST_MS))

        asked_s = self.clock.monotonic_s()
        self._time.told(await self.read("fetch_time", check=check), asked_s)

    async def read(
        self, method: str, *args: Any, check: Callable[[Any], T] | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """Ask and ask again within the budget; `check` reads the answer and raises VenueError where it makes no sense.

        Fit for what may be done twice without harm: questions, and cancels. Raises VenueUnavailable, UnknownOrder, or
        VenueError for a request that the exchange refuses.
        """
        place = f"{self.settings.name} {method}"
        begin_s = self.clock.monotonic_s()
        for attempt in range(1, self.settings.attempts + 1):
            try:
                answer = await self._once(method, args, params)
                return self._checked(answer, check)
            except (VenueUnavailable, BrokenInvariant):
                raise
            except Exception as error:  # each has its declared answer: asked again below, or raised
                pause_s = self._pause_s(error, attempt)
                spent_s = self.clock.monotonic_s() - begin_s
                told = error if isinstance(error, VenueError) else of_read(error, place)
                if pause_s is None:
                    raise told from error
                if attempt == self.settings.attempts or spent_s + pause_s > self.settings.budget_s:
                    if answer_to(error) is Answer.BACK_OFF:
                        self.breaker.trip(pause_s)
                    raise VenueUnavailable(f"{told}; asked {attempt} times") from error
                off = named(error, "InvalidNonce")
            await self.clock.sleep(pause_s)
            if off and method != "fetch_time":
                await self.measure_clock()
        raise BrokenInvariant(f"{place}: no attempt was declared")

    async def submit(
        self, method: str, *args: Any, check: Callable[[Any], T], params: Mapping[str, Any] | None = None
    ) -> T:
        """Send what must not be sent twice, once. Raises OrderRejected, AmbiguousSubmit, or VenueUnavailable unsent."""
        place = f"{self.settings.name} {method}"
        if self._time.doubted:
            await self.measure_clock()
        try:
            return cast("T", self._checked(await self._once(method, args, params), check))
        except (VenueUnavailable, BrokenInvariant):
            raise
        except VenueError as error:
            raise AmbiguousSubmit(f"{error}; the order may exist and is looked up by its id") from error
        except Exception as error:
            if named(error, "InvalidNonce"):
                self._time.doubt()
            raise of_submit(error, place) from error

    def ccxt_symbol(self, symbol: str) -> str:
        """Return ccxt's name of a symbol, which for a swap ends with what it settles in. Raises VenueError."""
        name = self._ccxt_symbol.get(symbol)
        if name is None:
            raise VenueError(f"{self.settings.name} does not list {symbol} as {self.settings.market}")
        return name

    def trades(self, symbol: str) -> bool:
        """Tell whether a symbol can be traded here."""
        return symbol in self._ccxt_symbol

    def size_of(self, symbol: str) -> Decimal:
        """Return how many coins one of the exchange's own units of a symbol is: 1, but for the contracts of some swaps.

        Amounts are coins everywhere here; what is sent and told through ccxt counts contracts.
        """
        if (known := self._size.get(symbol)) is not None:
            return known
        name, place = self._ccxt_symbol.get(symbol), f"{self.settings.name} {symbol}"
        market = {} if name is None else mapping(self.exchange.markets[name], place)
        counted = self.settings.market != "spot" and market.get("contractSize") is not None
        self._size[symbol] = size = number(market, "contractSize", place, above=ZERO) if counted else Decimal(1)
        return size

    def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's precision and minimums. Raises VenueError where they cannot be had or used."""
        name = self.ccxt_symbol(symbol)
        place = f"{self.settings.name} {symbol}"
        market = mapping(self.exchange.markets[name], place)
        size = self.size_of(symbol)
        steps = mapping(market.get("precision"), f"{place} precision")
        limits = mapping(market.get("limits") or {}, f"{place} limits")
        least = {key: mapping(limits.get(key) or {}, f"{place} limits {key}") for key in ("amount", "cost")}
        usual = LEAST_COST.get(self.settings.id, {}).get(str(market["quote"]), ZERO)
        min_notional = maybe(least["cost"], "min", place, least=ZERO) or usual
        return Instrument(
            exchange=self.settings.name,
            symbol=symbol,
            base=str(market["base"]),
            quote=str(market["quote"]),
            market=self.settings.market,
            tick=self._step(steps, "price", place),
            lot=self._step(steps, "amount", place) * size,
            cash=STEP,
            min_amount=(maybe(least["amount"], "min", place, least=ZERO) or ZERO) * size,
            min_notional=min_notional,
            min_exit=min_notional if self.settings.market == "spot" else ZERO,  # a swap excepts what only reduces
        )

    def ticks(self) -> dict[str, Decimal]:
        """Return the price step of every symbol that can be traded here; one that cannot be counted is left out."""
        found: dict[str, Decimal] = {}
        for symbol in self._ccxt_symbol:
            try:
                found[symbol] = self.instrument(symbol).tick
            except VenueUnavailable:
                raise
            except VenueError:  # its contracts or its prices cannot be counted here
                continue
        return found

    def _step(self, steps: Mapping[str, Any], key: str, place: str) -> Decimal:
        mode = getattr(self.exchange, "precisionMode", TICK_SIZE)
        if mode == TICK_SIZE:
            return number(steps, key, f"{place} precision", above=ZERO)
        if mode == DECIMAL_PLACES:
            return Decimal(1).scaleb(-int(number(steps, key, f"{place} precision")))
        raise VenueError(f"{place}: its prices have significant digits, not steps; they cannot be counted in ticks")

    def _learn(self, markets: Any) -> None:
        """Keep the names: our own of what is traded here (spot, or swaps that settle in their quote), else ccxt's."""
        self._size.clear()
        for name, one in mapping(markets, f"{self.settings.name} load_markets").items():
            market = mapping(one, f"{self.settings.name} load_markets {name}")
            symbol = f"{market.get('base')}/{market.get('quote')}"
            traded = market.get(self.settings.market) and market.get("active") is not False
            if self.settings.market == "swap":
                traded = traded and market.get("settle") == market.get("quote")
            self.symbol_of[name] = symbol if traded else name
            if traded:
                self._ccxt_symbol[symbol] = name

    async def _once(self, method: str, args: tuple[Any, ...], params: Mapping[str, Any] | None) -> Any:
        exchange = self.exchange
        if self._waiting >= MAX_WAITING:
            raise VenueUnavailable(f"{self.settings.name} has {self._waiting} questions waiting; no more are taken now")
        if not self.breaker.enter():
            wait_s = self.breaker.wait_s()
            raise VenueUnavailable(f"{self.settings.name} failed too often; it is asked again in {wait_s:.0f} s")
        self._waiting += 1
        try:
            if method != "fetch_time":
                self._keep_time()
            exchange.options["timeDifference"] = self._time.ahead_ms()  # what ccxt signs by
            function: Callable[..., Awaitable[Any]] = getattr(exchange, method)
            more = {} if params is None else {"params": dict(params)}
            async with self._gate, asyncio.timeout(self.settings.timeout_s):
                return await function(*args, **more)
        except asyncio.CancelledError:
            self.breaker.left()
            raise
        except Exception as error:
            self._count(error)
            raise
        finally:
            self._waiting -= 1

    def _checked(self, answer: Any, check: Callable[[Any], T] | None) -> Any:
        try:
            result = answer if check is None else check(answer)
        except VenueError:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        return result

    def _count(self, error: Exception) -> None:
        """Tell the breaker what an error says of the venue's health; a refusal is an answer."""
        answer = answer_to(error)
        if answer is Answer.PAUSE_VENUE:
            self.breaker.trip(self.breaker.longest_s)
        elif answer is Answer.REJECT:
            self.breaker.succeeded()
        elif answer is Answer.STOP:
            self.breaker.left()
        else:
            self.breaker.failed()

    def _pause_s(self, error: Exception, attempt: int) -> float | None:
        """Return how long to wait before asking again; None where asking again does not help."""
        jitter = 0.5 + self._random.random() / 2
        usual_s: float = min(0.25 * 2 ** (attempt - 1), 8.0) * jitter
        if isinstance(error, VenueError):  # an answer that makes no sense
            return usual_s
        answer = answer_to(error)
        if answer is Answer.BACK_OFF:
            return max(usual_s, self._retry_after_s())
        return usual_s if answer is Answer.RETRY else None

    async def pause(self, failures: int, longest_s: float) -> None:
        """Let half to all of a second pass, doubled with each failure in a row up to a bound."""
        await self.clock.sleep(min(2.0 ** min(failures, 16), longest_s) * (0.5 + self._random.random() / 2))

    def _retry_after_s(self) -> float:
        headers = getattr(self.exchange, "last_response_headers", None)
        if not isinstance(headers, Mapping):
            return 0.0
        told = next((value for key, value in headers.items() if str(key).lower() == "retry-after"), "0")
        return min(float(told), MAX_RATE_WAIT_S) if str(told).isdigit() else 0.0

    def _keep_time(self) -> None:
        """Have the clock measured again where that is due, beside whatever is asked."""
        if self._time.due() and (self._measuring is None or self._measuring.done()):
            self._measuring = asyncio.create_task(self._measure(), name=f"{self.settings.name} measures its clock")

    async def _measure(self) -> None:
        try:
            await self.measure_clock()
        except VenueError as error:
            self._time.failed()
            log.warning("an exchange does not say its time; the last measure stands", error=str(error))
