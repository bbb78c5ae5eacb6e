"""The contract's own files: those whose time has come are accepted as they stand, the others refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CONTRACT = {
    "risk.d/default.yaml": """\
max_order: 1000 USDT
max_position: 25%                # of equity, for one symbol
max_exposure: 100%
max_open_positions: 8
max_orders_per_minute: 60
price_collar: 2%                 # refuse an order this far from the last price
max_daily_loss: 3%
max_drawdown: 12%
stale_data: 30s                  # no new orders on data older than this
cooldown: {losses: 3, within: 6h, pause: 2h}
on_breach: pause                 # pause | close
""",
    "exchanges.d/paper.yaml": """\
kind: simulated                  # the embedded default: no key, no network
market: spot                     # spot | swap
replay:                          # recorded history; or  generate: {seed: 7, symbols: [BTC/USDT, ETH/USDT]}
  data: ../data                  # paths are relative to the configuration folder
  exchange: binance
  speed: 60x                     # 1x | 60x | max
balances: {USDT: 10000}
fees: {maker: 0.1%, taker: 0.1%}
latency: 50ms
slippage: 2bps
""",
    "exchanges.d/perp.yaml": """\
kind: simulated
market: swap                     # shorts, leverage, funding from the recorded rates, liquidation
replay: {data: ../data, exchange: binance-perp, speed: 60x}
balances: {USDT: 10000}
fees: {maker: 0.02%, taker: 0.05%}
leverage: 1                      # the most a position may use; 1 unless said otherwise
latency: 50ms
slippage: 2bps
""",
    "exchanges.d/binance.yaml": """\
kind: ccxt
id: binance
market: spot                     # spot | swap | future
orders: paper                    # paper: the venue's live market data, simulated fills | live
credentials:
  key: ${env:BINANCE_KEY}
  secret: ${file:binance_secret}
# url: http://127.0.0.1:9100     # point ccxt at a test network or at `autotrader emulator`
""",
    "exchanges.d/upbit.yaml": """\
kind: ccxt
id: upbit
orders: paper
""",
}
SHARED = Path(os.environ.get("AUTOTRADER_DATA", Path(__file__).parents[3] / "shared" / "data")).parent / "contract"


@pytest.mark.parametrize("name", CONTRACT)
def test_is_accepted_as_it_stands(folder, loading, name):
    original = SHARED / name
    text = original.read_text(encoding="utf-8") if original.is_file() else CONTRACT[name]
    root = folder({name: text, "secrets/binance_secret": "a-secret-for-tests"})
    (root / "secrets/binance_secret").chmod(0o600)
    loaded = loading(root, environ={"BINANCE_KEY": "a-key-for-tests"})
    assert not loaded.problems
    assert loaded.declarations


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("strategies.d/quick.yaml", "kind: scalping\n", "strategy kind 'scalping' is not built yet"),
        ("models.d/btc.yaml", "kind: lightgbm\n", "models are not built yet"),
    ],
)
def test_what_comes_later_is_refused_by_name(folder, loading, name, text, message):
    assert [problem.message for problem in loading(folder({name: text})).problems] == [message]


def test_of_the_daemons_settings_only_what_comes_later_is_refused(folder, loading):
    root = folder(
        {
            "autotrader.yaml": "mode: paper\ntimezone: Asia/Seoul\nlanguage: ko\ncurrency: USDT\n"
            "store: var/autotrader.db\ndata: var/data\nrisk: default\n"
            "reload:\n  confirm: loosening\n  probation: 30m\n"
            "dashboard:\n  host: 127.0.0.1\n  port: 8080\n  password: ${file:dashboard_password}\n"
            "telegram:\n  token: ${env:TELEGRAM_TOKEN}\n  chats: [123456789]\n"
        }
    )
    (root / "secrets").mkdir()
    (root / "secrets" / "dashboard_password").touch(0o600)
    (root / "secrets" / "dashboard_password").write_text("long-enough")
    told = [problem.message for problem in loading(root).problems]
    assert told == ["'telegram' is not built yet"]
