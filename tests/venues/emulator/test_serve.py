"""The emulator's command, as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from autotrader import cli
from autotrader.core.clock import ManualClock
from autotrader.venues.emulator.serve import make_server
from support.exchange import NOW_MS


def command(*argv):
    return [sys.executable, "-m", "autotrader", "emulator", *map(str, argv)]


def test_it_serves_until_it_is_told_to_stop(recorded):
    run = subprocess.Popen(command("--data", recorded, "--port", 0, "--json"), stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(run.stdout.readline())
            assert lines[-1], "the emulator ended"
        told = json.loads("".join(lines))
        assert told["symbols"] == ["BTC/USDT", "ETH/USDT"]
        assert told["url"].startswith("http://127.0.0.1:")
        with urllib.request.urlopen(told["url"] + "/api/v3/time", timeout=10) as answer:
            assert abs(json.load(answer)["serverTime"] - told["market_ms"]) >= told["shift_days"] * 86_400_000
        os.kill(run.pid, signal.SIGTERM)
        assert run.wait(20) == 0
    finally:
        run.kill()
        run.communicate()


def test_the_account_can_buy_and_sell_everything_from_the_start(recorded):
    exchange = make_server(recorded, "binance", ManualClock(NOW_MS)).exchange
    for one in exchange.market.traded.values():
        base, quote = exchange.account.holding(one.base), exchange.account.holding(one.quote)
        worth = base.free * one.price(exchange.books[one.id].last.ticks)
        assert quote.free == 10_000
        assert 1000 < worth <= 10_000


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (("--data", "nowhere", "--port", "0"), "no candles"),
        (("--data", "nowhere", "--port", "0", "--exchange", "kraken"), "there is no emulator of 'kraken'"),
        (("--data", "nowhere", "--port", "0", "--faults", "nothing.yaml"), "nothing.yaml"),
    ],
)
def test_what_cannot_begin_says_why(argv, word, capsys):
    assert cli.main(["emulator", *argv]) == 1
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--port", "x"), ("--port", "70000"), ("--port", "1", "--balance", "USDT")])
def test_wrong_usage_is_told(more, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["emulator", "--data", "nowhere", *more])
    assert ended.value.code == 2
    assert capsys.readouterr().err
