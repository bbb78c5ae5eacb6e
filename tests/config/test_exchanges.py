"""What only all files together tell of real exchanges: the mode, limits, stops, money and history."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autotrader.config.exchanges import (
    BACKTEST_MONEY,
    balance_of,
    currency_of,
    equity_currency,
    fees_of,
    least_of,
    ledger_of,
    recorded,
)

ENVIRON = {"KEY": "the-key-itself", "SECRET": "the-secret-itself"}
ACCOUNT = "credentials:\n  key: ${env:KEY}\n  secret: ${env:SECRET}\n"
LIVE = {"autotrader.yaml": "mode: live\n", "risk.d/default.yaml": "max_open_positions: 8\n"}
REAL = "exchanges.d/real.yaml"


def live(id_: str, more: str = "") -> str:
    return f"kind: ccxt\nid: {id_}\norders: live\n{ACCOUNT}{more}"


@pytest.fixture
def told(folder, loading):
    """Give a function that returns what is told of some files: place, message and hint of each problem."""

    def tell(files, **more):
        loaded = loading(folder(files), environ=ENVIRON, **more)
        return [(one.file, one.line, one.message, one.hint) for one in (*loaded.problems, *loaded.warnings)]

    return tell


@pytest.fixture
def accepted(folder, loading):
    """Give a function that returns what some valid files declare."""

    def accept(files):
        loaded = loading(folder(files), environ=ENVIRON)
        assert [one.render() for one in loaded.problems] == []
        return loaded.declarations

    return accept


@pytest.fixture
def strategy(rules_text):
    """Give a function that writes a strategy on the real exchange."""
    return lambda symbol="BTC/USDT", more="": rules_text.replace("paper", "real").replace("BTC/USDT", symbol) + more


def test_real_orders_need_a_daemon_whose_mode_is_live(told):
    expected = (
        REAL,
        3,
        "real orders are declared, but the daemon's mode is paper",
        "say  mode: live  in autotrader.yaml, or  orders: paper",
    )
    assert told({REAL: live("binance")}) == [expected]
    assert told({REAL: live("binance"), "autotrader.yaml": "mode: paper\n"}) == [expected]
    assert told({REAL: live("binance"), **LIVE}) == []


def test_a_mode_that_cannot_be_read_is_told_alone(told):
    assert [one[0] for one in told({REAL: live("binance"), "autotrader.yaml": "mode: lively\n"})] == ["autotrader.yaml"]


def test_live_limits_may_have_another_name(told):
    mine = {"autotrader.yaml": "mode: live\nrisk: mine\n", "risk.d/mine.yaml": "max_open_positions: 8\n"}
    assert told({REAL: live("binance"), **mine}) == []


@pytest.mark.parametrize(
    ("id_", "market", "refused"),
    [("binance", "spot", 0), ("binance", "swap", 0), ("bybit", "swap", 0), ("bybit", "spot", 1)],
)
def test_a_stop_that_the_exchange_does_not_keep_is_to_be_accepted(told, strategy, id_, market, refused):
    more = f"market: {market}\n"
    stops = strategy(more="exits: {stop_loss: 2%, max_holding: 6h}\n")
    found = told({REAL: live(id_, more), "strategies.d/btc.yaml": stops, **LIVE})
    assert len(found) == refused
    for file, line, message, hint in found:
        assert (file, line) == ("strategies.d/btc.yaml", 9)
        assert message.startswith("'real' keeps no stop_loss")
        assert hint == "remove it, or say  unprotected: accept  in exchanges.d/real.yaml"
    assert told({REAL: live(id_, more + "unprotected: accept\n"), "strategies.d/btc.yaml": stops, **LIVE}) == []
    assert told({REAL: f"kind: ccxt\nid: {id_}\n{more}", "strategies.d/btc.yaml": stops, **LIVE}) == []


def test_with_a_timer_that_cancels_orders_no_stop_is_kept(told, strategy):
    stops = strategy(more="exits: {stop_loss: 2%}\n")
    for more, refused in (("", 0), ("cancel_after: 60s\n", 1), ("cancel_after: 60s\nunprotected: accept\n", 0)):
        assert len(told({REAL: live("kraken", more), "strategies.d/btc.yaml": stops, **LIVE})) == refused


def test_shorts_on_a_real_spot_market_are_refused(told, strategy):
    shorts = strategy(more="enter_short: close < 1\nexit_short: close > 1\n")
    (found,) = told({REAL: live("binance"), "strategies.d/btc.yaml": shorts, **LIVE})
    assert found[2] == "this strategy sells short, but 'real' is a spot market"
    assert told({REAL: live("binance", "market: swap\n"), "strategies.d/btc.yaml": shorts, **LIVE}) == []


@pytest.mark.parametrize(
    ("text", "symbol", "daemon", "currency"),
    [
        (live("upbit"), "BTC/KRW", "", "KRW"),
        (live("upbit"), "BTC/KRW", "currency: KRW\n", "KRW"),
        (live("upbit", "budget: 3000000 KRW\n"), "BTC/KRW", "", "KRW"),
        (live("binance"), "BTC/USDT", "", "USDT"),
        ("kind: ccxt\nid: upbit\nbalances: {KRW: 10000000}\n", "BTC/KRW", "", "KRW"),
        ("kind: ccxt\nid: upbit\nbalances: {KRW: 1000000, BTC: 1}\nbudget: 500000 KRW\n", "BTC/KRW", "", "KRW"),
        ("kind: ccxt\nid: binance\n", "BTC/USDT", "", "USDT"),
    ],
)
def test_the_money_of_a_real_exchange_is_counted_in_its_own_currency(
    accepted, strategy, text, symbol, daemon, currency
):
    settings = {"autotrader.yaml": f"mode: live\n{daemon}", "risk.d/default.yaml": "max_open_positions: 8\n"}
    declared = accepted({REAL: text, "strategies.d/btc.yaml": strategy(symbol), **settings})
    assert currency_of("real", declared) == currency


def test_without_strategies_it_is_counted_as_the_daemon_counts(accepted):
    files = {REAL: live("upbit"), "risk.d/default.yaml": "max_open_positions: 8\n"}
    assert currency_of("real", accepted({**files, "autotrader.yaml": "mode: live\n"})) == "USDT"
    assert currency_of("real", accepted({**files, "autotrader.yaml": "mode: live\ncurrency: KRW\n"})) == "KRW"


def test_two_currencies_on_one_real_exchange_are_refused_by_symbol(told, strategy):
    files = {
        REAL: live("upbit"),
        "strategies.d/a.yaml": strategy("BTC/KRW"),
        "strategies.d/b.yaml": strategy("ETH/USDT"),
        **LIVE,
    }
    (found,) = told(files)
    assert found[2:] == (
        "BTC/KRW is paid in KRW, but the money of 'real' is counted in USDT",
        "trade a symbol that is paid in USDT, or declare a budget in KRW in exchanges.d/real.yaml",
    )


def test_money_that_is_added_up_without_a_rate_is_warned_of(told, accepted, strategy, rules_text):
    files = {
        REAL: "kind: ccxt\nid: upbit\nbalances: {KRW: 10000000}\n",
        "strategies.d/a.yaml": strategy("BTC/KRW"),
        "strategies.d/b.yaml": rules_text,
    }
    (found,) = told(files)
    assert found[:2] == (REAL, 3)
    assert found[2] == "the money of 'real' is counted in KRW, equity in USDT"
    assert equity_currency(accepted(files)) == "USDT"


def test_history_that_a_backtest_would_need_is_a_warning(told, strategy):
    asked = []

    def warn(*where):
        asked.append(where)
        return "there is no history at there; name the folder that holds candles/"

    files = {REAL: live("binance", "market: swap\n"), "strategies.d/btc.yaml": strategy(), **LIVE}
    files["autotrader.yaml"] += "data: there\n"
    (found,) = told(files, warn_history=warn)
    assert asked == [("there", "binance-perp", "BTC/USDT", "5m")]
    assert found[2:] == ("there is no history at there", "a backtest needs it, trading does not")


def test_what_is_reckoned_until_the_exchange_tells(accepted):
    text = live("okx", "fees: {maker: 0.08%, taker: 0.1%}\n").replace(
        ACCOUNT, f"{ACCOUNT}  password: ${{env:SECRET}}\n"
    )
    declared = accepted({REAL: live("binance"), "exchanges.d/okx.yaml": text, **LIVE})
    real, okx, paper = (declared.exchanges[name] for name in ("real", "okx", "paper"))
    assert (fees_of(real).taker, fees_of(okx).maker, fees_of(paper).maker) == (
        Decimal("0.001"),
        Decimal("0.0008"),
        Decimal("0.001"),
    )
    assert (balance_of(real, "USDT"), balance_of(paper, "USDT"), balance_of(paper, "EUR")) == (BACKTEST_MONEY, 10000, 0)
    assert least_of(real) == 0
    assert recorded(real, declared.daemon) == ("var/data", "binance")
    assert recorded(paper, declared.daemon) is None
    assert [ledger_of(one) for one in (real, paper)] == ["live binance spot", "simulated spot"]


def test_a_missing_variable_below_credentials_is_named(folder, loading):
    (problem,) = loading(folder({REAL: live("binance"), **LIVE}), environ={"KEY": "the-key-itself"}).problems
    assert (problem.line, problem.message) == (6, "the environment variable SECRET is not set")
    assert problem.snippet == "  secret: ${env:SECRET}"


def test_a_key_that_is_written_out_below_credentials_is_not_shown(folder, loading):
    text = "kind: ccxt\nid: binance\ncredentials:\n  key: written-out-key\n  secret: |\n    word: ${env:KEY}\n"
    told = "\n".join(one.render() for one in loading(folder({REAL: text})).problems)
    assert "not written into a declaration" in told
    assert "written-out-key" not in told
    assert "word:" not in told
