"""Backtests on what lies outside the bars: what the daemon fills, and refusals by name."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from autotrader.app import Loader, backtest_plan, optimize_question, run_backtest
from autotrader.backtest.trial import Bench, Task
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import HistoryError
from support.folders import write
from support.lived import lived, simulated, told
from support.metrics import T0, candles, metric, settled

DAYS = 30
START = "2024-01-06"
RULES = {
    "mood": """
exchange: spot
let: {mood: 'zscore(sentiment("fear_greed"), 3)', fees: 'close / onchain("btc", "fees")'}
enter_long: mood < 0 and fees > 0
exit_long: mood > 0
""",
    "premium": """
exchange: spot
let: {gap: 'zscore(basis(close, close(exchange="perp")), 12)', rate: 'sma(funding(exchange="perp"), 2)'}
enter_long: crosses_above(gap, 0) and rate > 0
exit_long: crosses_below(gap, 0)
""",
    "carry": """
exchange: perp
enter_long: funding() < 0
exit_long: funding() > 0
enter_short: funding() > 0.0001
exit_short: funding() < 0
""",
}
COMMON = "kind: rules\nsymbols: [BTC/USDT]\ntimeframe: 1h\ncapital: 40%\non_remove: close"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    data = tmp_path / "data"
    spot = 100 * np.exp(np.cumsum(random.normal(0, 0.01, 24 * DAYS)))
    candles(data, "spot", spot.round(2))
    candles(data, "perp", (spot * (1 + random.normal(0, 0.002, len(spot)))).round(2))
    settled(data, "perp", random.normal(0, 2e-4, 3 * DAYS).round(6))
    days = [str(np.datetime64("2023-12-28") + day) for day in range(DAYS) if day % 11]
    metric(data, "sentiment/fear_greed", days, value=random.integers(0, 100, len(days)))
    metric(data, "onchain/btc", days, fees=random.random(len(days)))
    exchange = "kind: simulated\nreplay: {data: data, speed: max, from: " + START + ", exchange: "
    files = {
        "autotrader.yaml": "dashboard: {port: 0}\n",
        "exchanges.d/spot.yaml": exchange + "spot}\n",
        "exchanges.d/perp.yaml": exchange + "perp}\nmarket: swap\n",
    }
    files |= {f"strategies.d/{name}.yaml": COMMON + text for name, text in RULES.items()}
    return write(tmp_path, files)


@pytest.mark.parametrize("name", [*RULES, ""])
async def test_the_backtest_fills_what_the_daemon_fills(root, name) -> None:
    for other in RULES:
        if name not in {"", other}:
            (root / f"strategies.d/{other}.yaml").unlink()
    until_ms = T0 + (DAYS - 1) * DAY_MS
    daemon, engine = told(await lived(root, until_ms), until_ms), told(simulated(root, until_ms), until_ms)
    assert len(daemon) > 6
    assert engine == daemon


@pytest.mark.parametrize("name", list(RULES))
def test_the_hash_of_the_data_covers_what_is_read_from_outside(root, name) -> None:
    before = run_backtest(root, [name]).data_hash
    data = root / "data"
    metric(data, "sentiment/fear_greed", ["2024-01-01", "2024-01-02", "2024-01-03"], value=[1, 2, 3])
    settled(data, "perp", np.full(9, 3e-4))
    assert run_backtest(root, [name]).data_hash != before


def test_what_is_missing_is_told_by_name(root) -> None:
    (root / "data/onchain/btc.parquet").unlink()
    loaded = Loader(root)()
    assert loaded.declarations is not None
    assert "onchain/btc.parquet" in loaded.warnings[0].message
    with pytest.raises(HistoryError, match=r"onchain/btc\.parquet"):
        backtest_plan(root, loaded.declarations, ["mood"])


def test_another_folder_of_history_brings_its_own_metrics(root, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    (root / "data").rename(other / "data")
    assert run_backtest(root, ["mood"], data=other / "data").trades


@pytest.mark.parametrize("name", list(RULES))
def test_a_search_in_another_process_reads_the_same(root, name) -> None:
    question = optimize_question(root, name)
    here, there = Bench(question), Bench(pickle.loads(pickle.dumps(question)))
    task = Task({"capital": "20%"}, question.span)
    tried = here.evaluate(task)
    assert tried.refused == ""
    assert there.evaluate(task).figures == tried.figures
    assert there.ground(question.span) == here.ground(question.span)
