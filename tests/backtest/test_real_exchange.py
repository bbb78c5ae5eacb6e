"""A backtest of a real exchange takes its recorded history, and what is declared of money and costs."""

from __future__ import annotations

import pytest

from autotrader.app import run_backtest
from support.exchange import SERIES, write_history
from support.folders import rules, write

PAPER = "kind: ccxt\nid: binance\nfees: {maker: 0.2%, taker: 0.2%}\n"


@pytest.fixture
def root(tmp_path):
    write_history(tmp_path / "history", SERIES)
    files = {
        "autotrader.yaml": "data: history\n",
        "exchanges.d/real.yaml": PAPER,
        "strategies.d/a.yaml": rules(exchange="real", symbols="BTC/USDT"),
    }
    return write(tmp_path, files)


def test_it_reads_what_lies_under_the_exchanges_id(root):
    (one,) = run_backtest(root).strategies
    assert one.bars > 0
    assert one.start_equity == 10_000
    assert one.fees > 0


def test_another_folder_of_history_may_stand_in(root, tmp_path):
    (here,) = run_backtest(root).strategies
    (tmp_path / "history").rename(tmp_path / "elsewhere")
    (there,) = run_backtest(root, data=tmp_path / "elsewhere").strategies
    assert (here.bars, here.final_equity) == (there.bars, there.final_equity)


def test_declared_fees_are_paid(root):
    (dear,) = run_backtest(root).strategies
    write(root, {"exchanges.d/real.yaml": PAPER.replace("0.2%", "0.1%")})
    (cheap,) = run_backtest(root).strategies
    assert cheap.fees < dear.fees
