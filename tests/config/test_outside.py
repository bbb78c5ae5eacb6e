"""What `check` says of exchanges, funding and metrics that an expression names: with its column, and what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotrader.app import Loader
from support.folders import rules, write
from support.metrics import candles, metric

ROOT = {
    "exchanges.d/paper.yaml": "kind: simulated\ngenerate: {seed: 7}\n",
    "exchanges.d/perp.yaml": "kind: simulated\nmarket: swap\ngenerate: {seed: 7}\n",
}


@pytest.fixture
def told(tmp_path: Path):
    def check(expression: str, *, timeframe: str = "5m", **files: str) -> list[str]:
        text = rules(symbols="BTC/USDT", timeframe=timeframe, filters=f"['{expression}']")
        loaded = Loader(write(tmp_path, {**ROOT, **files, "strategies.d/a.yaml": text}))()
        return [
            f"{one.column}:{one.length} {one.severity}: {one.message}; {one.hint}"
            for one in (*loaded.problems, *loaded.warnings)
        ]

    return check


def test_an_exchange_that_does_not_exist_is_told_with_a_suggestion(told):
    assert told('close > close(exchange="prep")') == [
        "35:6 error: exchange 'prep' does not exist; did you mean 'perp'?"
    ]


def test_what_is_declared_may_be_read(told):
    assert told('close > close(exchange="perp") and funding(exchange="perp", symbol="ETH/USDT") > 0') == []


@pytest.mark.parametrize(
    ("expression", "place"), [("funding() > 0", "12:9"), ('funding(exchange="paper") > 0', "12:25")]
)
def test_funding_of_a_spot_market_is_refused(told, expression, place):
    message = "funding is paid on swaps, and 'paper' is a spot market"
    assert told(expression) == [f'{place} error: {message}; read another exchange\'s: funding(exchange="perp")']


@pytest.mark.parametrize(("daemon", "lacks"), [("data: mine\n", False), ("data: other\n", True), ("", True)])
def test_history_in_the_daemons_own_folder_is_found_without_a_warning(told, tmp_path, daemon, lacks):
    candles(tmp_path / "mine", "binance", [1.0, 2.0])
    files = {"autotrader.yaml": daemon, "exchanges.d/paper.yaml": "kind: simulated\nreplay: {exchange: binance}\n"}
    warned = [one.partition("warning: ")[2] for one in told("close > 0", timeframe="1h", **files)]
    folder = "other" if daemon else "var/data"
    assert warned == [f"there is no history at {folder}; name the folder that holds candles/"] * lacks


def test_a_missing_metric_is_a_warning_in_the_daemons_history(told, tmp_path):
    (tmp_path / "var" / "data").mkdir(parents=True)
    assert told('onchain("btc", "fees") > 5') == [
        "12:22 warning: there is no onchain/btc.parquet in the history; there is no metric of that kind"
    ]
    metric(tmp_path / "var" / "data", "onchain/btc", ["2024-01-01"], blocks=[1])
    assert told('onchain("btc", "fees") > 5') == [
        "12:22 warning: onchain/btc.parquet has no column 'fees'; it has date, blocks"
    ]
    assert told('onchain("btc", "blocks") > 5') == []


def test_a_metric_lies_in_the_history_that_the_exchange_replays(told, tmp_path):
    metric(tmp_path / "other", "sentiment/fear_greed", ["2024-01-01"], value=[50])
    candles(tmp_path / "other", "x", [1.0, 2.0])
    paper = {"exchanges.d/paper.yaml": "kind: simulated\nreplay: {data: other, exchange: x}\n"}
    assert "sentiment/fear_greed.parquet" in told('sentiment("fear_greed") > 5')[0]
    assert [one for one in told('sentiment("fear_greed") > 5', **paper) if "fear_greed" in one] == []


def test_every_place_of_a_file_is_looked_at(tmp_path):
    text = rules(
        symbols="BTC/USDT",
        enter_long='close > close(exchange="a")',
        exit_long='close < close(exchange="b")',
        more='let:\n  x: close(exchange="c")\nfilters:\n  - close > close(exchange="d")\n',
    )
    problems = Loader(write(tmp_path, {**ROOT, "strategies.d/a.yaml": text}))().problems
    assert sorted(one.message for one in problems) == [f"exchange '{name}' does not exist" for name in "abcd"]
