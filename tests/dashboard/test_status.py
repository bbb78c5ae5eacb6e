"""The page and the daemon agree on the status document: the canned one of these tests has the real one's shape."""

from zoneinfo import ZoneInfo

import pytest

from autotrader.app import make_daemon
from autotrader.dashboard.render import panels
from autotrader.dashboard.view import Snapshot, view_of
from autotrader.dashboard.words import Words

FILES = {
    "autotrader.yaml": "language: en\n",
    "exchanges.d/paper.yaml": (
        "kind: simulated\ngenerate: {seed: 7, symbols: [BTC/USDT]}\nbalances: {USDT: 10000}\n"
        "fees: {maker: 0.1%, taker: 0.1%}\n"
    ),
    "risk.d/default.yaml": "max_daily_loss: 3%\nmax_drawdown: 12%\nmax_order: 1000 USDT\nmax_open_positions: 4\n",
    "strategies.d/one.yaml": (
        "kind: rules\nexchange: paper\nsymbols: [BTC/USDT]\ntimeframe: 5m\ncapital: 50%\n"
        "enter_long: close > 0\nexit_long: close < 0\non_remove: close\n"
    ),
}


@pytest.fixture
async def daemon(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    daemon = make_daemon(tmp_path, with_page=False)
    await daemon.start()
    yield daemon
    await daemon.stop()


def shape(document):
    """The keys of a document and of what lies in it; what is keyed by a user's names counts as empty."""
    free = {"position", "paused", "limits", "own", "rates"}
    if isinstance(document, dict):
        return {key: {} if key in free else shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return shape(document[0]) if document and isinstance(document[0], dict) else None
    return None


async def test_the_real_status_has_the_shape_that_the_page_was_tested_with(daemon, worlds):
    real = await daemon.commands.handle("status", {})
    assert shape(real) == shape(worlds.STATUS)
    assert shape(await daemon.commands.handle("plan", {})) == shape(worlds.PLAN)


async def test_limits_are_told_as_they_are_declared_and_with_their_bounds(daemon):
    risk = (await daemon.commands.handle("status", {}))["risk"]
    assert risk["limits"] == {
        "max_daily_loss": "3%",
        "max_drawdown": "12%",
        "max_order": "1000",
        "max_open_positions": "4",
    }
    assert risk["used"]["max_exposure"] == {"value": risk["used"]["max_exposure"]["value"], "bound": None}
    assert risk["used"]["max_open_positions"]["value"] == "0"
    assert risk["used"]["max_open_positions"]["bound"] == "4"


async def test_the_page_shows_a_real_daemon(daemon):
    snapshot = Snapshot(
        status=await daemon.commands.handle("status", {}), positions=await daemon.commands.handle("positions", {})
    )
    made = panels(view_of(snapshot), Words("en"), ZoneInfo("UTC"))
    assert "one" in made.strategies
    assert "PAPER" in made.figures
    assert "Daily loss" in made.risk
