"""NautilusTrader: W1 on its backtest engine, with its own averages and a cash account."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
from harness import Run, serve
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy
from workloads import FAST, FEE, SLOW, START_CASH, Outcome

import market

VENUE = Venue("SIM")
PLACES = 8
"""Decimals of the recorded prices; some carry all of them."""


def instrument() -> CurrencyPair:
    fee = Decimal(str(FEE))
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol("BTCUSD"), VENUE),
        raw_symbol=Symbol("BTCUSD"),
        base_currency=BTC,
        quote_currency=USD,
        price_precision=PLACES,
        size_precision=0,
        price_increment=Price(10**-PLACES, PLACES),
        size_increment=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=fee,
        taker_fee=fee,
    )


class Cross(Strategy):
    """W1; a market order sent at a close fills at that close, as the engine knows no event between it and the next."""

    def __init__(self, traded: CurrencyPair, bar_type: BarType):
        super().__init__()
        self.traded, self.bar_type = traded, bar_type
        self.quick, self.lazy = ExponentialMovingAverage(FAST), ExponentialMovingAverage(SLOW)
        self.before, self.known, self.held, self.closed = 0.0, False, False, 0

    def on_start(self):
        self.register_indicator_for_bars(self.bar_type, self.quick)
        self.register_indicator_for_bars(self.bar_type, self.lazy)
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: Bar):  # noqa: ARG002 - the averages have seen it
        now = self.quick.value - self.lazy.value
        if self.known:
            if not self.held and self.before <= 0.0 < now:
                self.send(OrderSide.BUY)
                self.held = True
            elif self.held and self.before >= 0.0 > now:
                self.send(OrderSide.SELL)
                self.held = False
                self.closed += 1
        self.before, self.known = now, self.lazy.initialized

    def send(self, side: OrderSide):
        self.submit_order(self.order_factory.market(self.traded.id, side, Quantity.from_int(1)))


def w1() -> Run:
    bars = market.bars()
    traded = instrument()
    bar_type = BarType.from_str(f"{traded.id}-1-MINUTE-LAST-EXTERNAL")
    frame = pd.DataFrame(bars._asdict(), pd.DatetimeIndex(bars.ts * 1_000_000, tz="UTC")).drop(columns="ts")
    data = BarDataWrangler(bar_type, traded).process(frame)

    def run() -> Outcome:
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
        money = [Money(START_CASH, USD)]
        engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, money)
        engine.add_instrument(traded)
        engine.add_data(data, sort=False)
        strategy = Cross(traded, bar_type)
        engine.add_strategy(strategy)
        engine.run()
        account = engine.cache.account_for_venue(VENUE)
        held = account.balance_total(BTC)
        units = held.as_double() if held else 0.0
        equity = account.balance_total(USD).as_double() + units * bars.close[-1]
        engine.dispose()
        return Outcome(strategy.closed, equity)

    return run


NOTES = {"W1": "a market order fills at the deciding close; fees are rounded to cents"}

if __name__ == "__main__":
    serve("NautilusTrader", {"W1": w1}, NOTES)
