"""The shipped strategies over recorded and generated markets, to the last digit.

A difference here means that strategies trade differently than before. If that is meant, run this file with
UPDATE_GOLDEN=1 and tell it in CHANGELOG.md under "Changes trading behaviour".
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from autotrader.app import run_backtest
from autotrader.backtest.summary import trade_rows
from autotrader.config.types import instant_ms
from support.folders import REPOSITORY, history

GOLDEN = Path(__file__).with_name("golden.json")
RECORDED = {
    "binance-2024h2": ("binance", "2024-07-01", "2024-11-30"),
    "binance-2023": ("binance", "2023-01-10", "2023-06-30"),
}
GENERATED = {"generated": ("", "2024-01-01", "2024-02-01")}
CASES = GENERATED | (RECORDED if history() else {})
FIVE_MINUTES = ("breakout", "btc-trend", "dip-in-uptrend")


def configured(root: Path, exchange: str) -> Path:
    """Copy what is shipped; of recorded history only five-minute bars are there, for those that read them."""
    for name in ("strategies.d", "exchanges.d", "risk.d"):
        shutil.copytree(REPOSITORY / name, root / name)
    (root / "autotrader.yaml").write_text("currency: USDT\n")
    if exchange:
        paper = root / "exchanges.d" / "paper.yaml"
        paper.write_text(
            "kind: simulated\nmarket: spot\nbalances: {USDT: 10000}\nfees: {maker: 0.1%, taker: 0.1%}\nslippage: 2bps\n"
            f"replay: {{data: {history()}, exchange: {exchange}, speed: max}}\n"
        )
        for path in (root / "strategies.d").iterdir():
            if path.stem in FIVE_MINUTES:
                lines = [line for line in path.read_text().splitlines() if not line.startswith("resolution")]
                path.write_text("\n".join(lines) + "\n")
            else:
                path.unlink()
    return root


def told(root: Path, since: str, until: str) -> dict[str, list]:
    result = run_backtest(root, from_ms=instant_ms(since), to_ms=instant_ms(until))
    found = {}
    for one in result.runs:
        trades = result.trades_of(one.name)
        rows = "\n".join(",".join(map(str, row)) for row in trade_rows(result, trades))
        found[one.name] = [
            len(trades.pnl),
            str(one.final_equity),
            hashlib.blake2b(rows.encode(), digest_size=8).hexdigest(),
        ]
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_shipped_strategies_trade_as_they_did(tmp_path, case) -> None:
    exchange, since, until = CASES[case]
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    found = told(configured(tmp_path, exchange), since, until)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(known | {case: found}, indent=1, sort_keys=True) + "\n")
        known = json.loads(GOLDEN.read_text())
    assert found == known[case]
    assert sum(trades for trades, _, _ in found.values()) > 10
