"""What of a real exchange may change while the daemon runs, and what a name in the journal stands for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from autotrader.app import Loader
from autotrader.config.diff import diff
from autotrader.core.errors import AutotraderError
from autotrader.risk.limits import Limits
from autotrader.runtime.account import Account
from autotrader.runtime.plan import make_plan, restart_only
from support.folders import folder, rules, write
from support.harness import Harness

LIVE = (
    "kind: ccxt\nid: upbit\norders: live\nunprotected: accept\n"
    "credentials:\n  key: ${env:REAL_KEY}\n  secret: ${env:REAL_SECRET}\n"
)
SETTINGS = {"autotrader.yaml": "mode: live\ndashboard: {port: 0}\n", "risk.d/default.yaml": "max_open_positions: 8\n"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REAL_KEY", "REAL_SECRET", "OTHER_KEY"):
        monkeypatch.setenv(name, "not-to-be-shown")


@pytest.fixture
def declared(tmp_path: Path):
    """Give a function that writes one real exchange and its strategies, and returns what they declare."""

    def declare(real: str = LIVE, **strategies: str):
        for path in tmp_path.glob("strategies.d/*.yaml"):
            path.unlink()
        files = {f"strategies.d/{name}.yaml": text for name, text in strategies.items()}
        write(tmp_path, {**SETTINGS, "exchanges.d/real.yaml": real, **files})
        loaded = Loader(tmp_path)()
        assert [one.render() for one in loaded.problems] == []
        return loaded.declarations

    return declare


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ("id: upbit", "id: bithumb", "id"),
        ("orders: live", "orders: paper", "orders"),
        ("kind: ccxt", "kind: ccxt\nurl: http://127.0.0.1:9100", "url"),
        ("kind: ccxt", "kind: ccxt\nbudget: 1000 KRW", "budget"),
        ("kind: ccxt", "kind: ccxt\nfees: {maker: 0.05%, taker: 0.05%}", "fees.maker"),
        ("unprotected: accept\n", "", "unprotected"),
        ("${env:REAL_KEY}", "${env:OTHER_KEY}", "credentials.key"),
    ],
)
def test_a_real_exchange_changes_only_by_a_restart(declared, before, after, path) -> None:
    old, new = declared(), declared(LIVE.replace(before, after))
    told = restart_only(diff(old, new), new)
    assert f"exchanges.d/real.yaml: '{path}' changes only by a restart" in told
    assert "not-to-be-shown" not in "".join(told)


def test_the_mode_changes_only_by_a_restart(declared, tmp_path: Path) -> None:
    old = declared(LIVE.replace("orders: live", "orders: paper"))
    write(tmp_path, {"autotrader.yaml": "mode: paper\ndashboard: {port: 0}\n"})
    new = Loader(tmp_path)().declarations
    assert restart_only(diff(old, new), new) == ["autotrader.yaml: 'mode' changes only by a restart"]


def test_an_account_is_not_counted_in_another_currency_while_it_runs(declared) -> None:
    """The currency of a live account without a budget is that of its symbols."""
    won = rules(exchange="real", symbols="BTC/KRW")
    old, new = declared(), declared(a=won)
    account = Account("real", "spot", "USDT", Decimal("0.001"))
    trader = SimpleNamespace(limits=Limits(), own={}, equity=lambda: Decimal(0))
    loop = SimpleNamespace(desk=SimpleNamespace(legs={}), trader=trader, accounts={"real": account})
    assert make_plan(loop, 1, old, new, diff(old, new), {}).refused == [
        "exchanges.d/real.yaml: its money is counted in USDT; in KRW it is only after a restart"
    ]
    account.quote = "KRW"
    assert make_plan(loop, 1, old, new, diff(old, new), {}).refused == []
    assert make_plan(loop, 1, new, old, diff(new, old), {}).refused == []


async def test_a_name_with_fills_on_paper_is_not_taken_for_a_real_account(tmp_path: Path) -> None:
    always = rules(enter_long="close > 0", exit_long="close < 0", exits="")
    one = Harness(folder(tmp_path, {"a": always}, speed="1x", recorded=False))
    await one.start()
    await one.bars(3)
    assert one.daemon.journal.progress_of("paper").fill_id
    await one.stop()
    write(tmp_path, {**SETTINGS, "exchanges.d/paper.yaml": LIVE.replace("upbit", "binance")})
    expected = "the journal's fills under this name are of 'simulated spot', not 'live binance spot'; rename the file"
    with pytest.raises(AutotraderError, match=expected):
        await one.start()
    await one.die()
