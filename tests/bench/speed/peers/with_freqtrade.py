"""freqtrade: W1 and W4 through its `Backtesting`, on an exchange object that never calls out."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import rules
from freqtrade.enums import RunMode
from freqtrade.exchange.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.strategy import IStrategy
from harness import Run, serve
from workloads import FAST, FEE, MAX_OPEN, SLOW, STAKE, START_CASH, Outcome

import market


def listed(coin: str) -> dict:
    """Return a market as ccxt describes one."""
    return {
        "id": f"{coin}USD",
        "symbol": f"{coin}/USD",
        "base": coin,
        "quote": "USD",
        "active": True,
        "spot": True,
        "type": "spot",
        "precision": {"price": 1e-8, "amount": 1e-8},
        "limits": {"amount": {"min": None, "max": None}, "cost": {"min": None, "max": None}, "price": {}},
        "info": {},
    }


class Cross(IStrategy):
    """The cross of two averages."""

    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi: dict = {}  # noqa: RUF012 - the framework's own way
    stoploss = -0.99
    process_only_new_candles = True

    def populate_indicators(self, dataframe, metadata):  # noqa: ARG002 - freqtrade names it
        close = dataframe["close"]
        enter, leave = rules.crossings(rules.ema(close, FAST), rules.ema(close, SLOW))
        return dataframe.assign(enter_long=enter.astype(int), exit_long=leave.astype(int))

    def populate_entry_trend(self, dataframe, metadata):  # noqa: ARG002 - freqtrade names it
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):  # noqa: ARG002 - freqtrade names it
        return dataframe


class OneUnit(Cross):
    """W1: a stake of one unit's price buys one unit."""

    def custom_stake_amount(self, current_rate, **_):
        return current_rate


def configuration(folder: Path, pairs: list[str], strategy: type[Cross], most: int) -> dict:
    return {
        "strategy": strategy.__name__,
        "strategy_path": str(Path(__file__).parent),
        "timeframe": "1m",
        "stake_currency": "USD",
        "stake_amount": STAKE,
        "dry_run": True,
        "dry_run_wallet": START_CASH,
        "max_open_trades": most,
        "fee": FEE,
        "runmode": RunMode.BACKTEST,
        "trading_mode": "spot",
        "margin_mode": "",
        "exchange": {"name": "binance", "pair_whitelist": pairs, "pair_blacklist": [], "enable_ws": False},
        "pairlists": [{"method": "StaticPairList", "allow_inactive": True}],
        "user_data_dir": folder,
        "datadir": folder,
        "dataformat_ohlcv": "feather",
        "dataformat_trades": "feather",
        "export": "none",
        "entry_pricing": {"price_side": "same"},
        "exit_pricing": {"price_side": "same"},
    }


def prepared(symbols: dict[str, market.Bars], strategy: type[Cross], most: int) -> Run:
    logging.disable(logging.WARNING)
    frames = {}
    for coin, bars in symbols.items():
        frame = pd.DataFrame(bars._asdict())
        frame.insert(0, "date", pd.to_datetime(frame.pop("ts"), unit="ms", utc=True))
        frames[f"{coin}/USD"] = frame
    folder = market.CACHE / "freqtrade"
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(folder, list(frames), strategy, most)
    exchange = Exchange(config, validate=False)
    exchange._markets = {f"{coin}/USD": listed(coin) for coin in symbols}
    engine = Backtesting(config, exchange)
    dates = next(iter(frames.values()))["date"]

    def run() -> Outcome:
        engine._set_strategy(engine.strategylist[0])
        processed = engine.strategy.advise_all_indicators({pair: frame.copy() for pair, frame in frames.items()})
        done = engine.backtest(processed, dates.iloc[0], dates.iloc[-1])
        trades = done["results"]
        return Outcome((trades["exit_reason"] != "force_exit").sum(), done["final_balance"])

    return run


NOTES = {
    "W1": "sells what is open at the end, with its fee",
    "W4": "every exit of an open comes before its entries, so their places are free at once; sized at the fill",
}

if __name__ == "__main__":
    prepare = {
        "W1": lambda: prepared({"BTC": market.bars()}, OneUnit, 1),
        "W4": lambda: prepared(market.slices(), Cross, MAX_OPEN),
    }
    serve("freqtrade", prepare, NOTES)
