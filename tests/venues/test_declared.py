"""A declared exchange becomes its venue and its account; ccxt is imported only where it is spoken to."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from autotrader.app import Loader, make_account, make_metrics, make_venue
from autotrader.app_venues import live_settings
from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.core.clock import SystemClock
from autotrader.core.errors import VenueError
from autotrader.core.events import Series
from support.exchange import SERIES, stage, write_history
from support.folders import write

LIVE = "kind: ccxt\nid: binance\norders: live\ncredentials:\n  key: ${env:REAL_KEY}\n  secret: ${env:REAL_SECRET}\n"
SETTINGS = {"autotrader.yaml": "mode: live\n", "risk.d/default.yaml": "max_open_positions: 8\n"}


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Give a function that returns what a folder with one real exchange declares."""
    for name in ("REAL_KEY", "REAL_SECRET"):
        monkeypatch.setenv(name, "a-secret-for-tests")

    def declare(real):
        loaded = Loader(write(tmp_path, {**SETTINGS, "exchanges.d/real.yaml": real}))()
        assert [one.render() for one in loaded.problems] == []
        return loaded.declarations

    return declare


async def test_a_live_exchange_is_an_account_and_its_market(tmp_path, declared):
    data = write_history(tmp_path / "data", SERIES)
    (tmp_path / "var").mkdir()  # the daemon has made it by then
    async with stage(data) as one:
        venue = make_venue(tmp_path, SystemClock(), "real", declared(f"{LIVE}url: http://127.0.0.1:{one.port}\n"))
        assert (venue.name, venue.market) == ("real", "spot")
        await venue.open()
        try:
            assert (await venue.instrument("BTC/USDT")).tick == Decimal("0.01")
            assert (await venue.balances())["USDT"].total == 100_000
            assert abs(venue.market_ms() - one.clock.now_ms()) < 60_000
            series = Series("real", "BTC/USDT", "1m")
            assert len(await venue.bars(series, end_ms=one.clock.now_ms(), limit=3)) == 3
            with pytest.raises(VenueError, match="does not trade XRP/USDT; it trades BTC/USDT, ETH/USDT, 2 in all"):
                await venue.subscribe({Series("real", "XRP/USDT", "1m")})
        finally:
            await venue.close()
    assert (tmp_path / "var" / "ccxt-real.db").is_file()


async def test_paper_orders_on_a_real_exchange_need_no_account_and_meet_its_quotes(tmp_path, declared):
    data = write_history(tmp_path / "data", SERIES)
    (tmp_path / "var").mkdir()
    text = "kind: ccxt\nid: binance\nbalances: {USDT: 500}\n"
    async with stage(data) as one:
        venue = make_venue(tmp_path, SystemClock(), "real", declared(f"{text}url: http://127.0.0.1:{one.port}\n"))
        await venue.open()
        try:
            assert venue.remote
            assert (await venue.instrument("BTC/USDT")).lot == Decimal("0.00001")
            assert {name: held.total for name, held in (await venue.balances()).items()} == {"USDT": 500}
        finally:
            await venue.close()
    assert (tmp_path / "var" / "paper-real.db").is_file()


def test_the_account_reckons_with_what_is_declared(tmp_path, declared):
    account = make_account("real", declared(f"{LIVE}market: swap\nleverage: 3\nbudget: 500 USDT\n"))
    assert (account.market, account.quote, account.leverage, account.budget) == ("swap", "USDT", 3, 500)
    assert account.cost == Decimal("0.0012")
    dearer = make_account("real", declared(f"{LIVE}fees: {{maker: 0.1%, taker: 0.3%}}\nslippage: 0bps\n"))
    assert (dearer.cost, dearer.budget) == (Decimal("0.003"), None)


def test_metrics_lie_in_the_daemons_history(tmp_path, declared):
    assert make_metrics(tmp_path, "real", declared(LIVE)).__reduce__()[1] == (tmp_path / "var/data",)


def test_trades_are_counted_by_their_ids_on_binance():
    spot, swap, okx = (
        live_settings("x", CcxtExchange(id=name, market=market))
        for name, market in (("binance", "spot"), ("binance", "swap"), ("okx", "swap"))
    )
    assert (spot.market, spot.ids_count, spot.from_id) == ("spot", True, "fromId")
    assert (swap.market, swap.ids_count, swap.from_id) == ("swap", True, "fromId")
    assert (okx.market, okx.ids_count, okx.from_id) == ("swap", False, "")


def test_reading_declarations_and_making_a_venue_import_no_ccxt(tmp_path, declared):
    declared(LIVE)
    code = (
        "import sys\nfrom pathlib import Path\nfrom autotrader.app import Loader, make_venue\n"
        "from autotrader.core.clock import SystemClock\n"
        f"root = Path({str(tmp_path)!r})\nmake_venue(root, SystemClock(), 'real', Loader(root)().declarations)\n"
        "print('ccxt' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
