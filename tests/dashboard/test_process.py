import asyncio
import socket
import sys
import urllib.request

import pytest
from structlog.testing import capture_logs

from autotrader.config.daemon import DaemonSettings
from autotrader.dashboard.process import start_page


def settings(port, **values):
    return DaemonSettings.model_validate({"dashboard": {"port": port}, **values})


async def test_a_page_is_served_where_it_says_and_ends_when_told(root):
    page = await start_page(root, settings(0, language="ko"))
    with await asyncio.to_thread(urllib.request.urlopen, page.url, timeout=30) as answer:
        assert "긴급 정지" in answer.read().decode()
    process = page._process
    await page.stop()
    assert process.returncode == 0
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(urllib.request.urlopen, page.url, timeout=5)


async def test_a_port_that_is_taken_costs_the_page_and_nothing_else(root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert await start_page(root, settings(taken.getsockname()[1])) is None


async def test_a_page_that_cannot_be_started_is_told_and_tried_again(root, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(root / "no-python-here"))
    with capture_logs() as logs:
        page = await start_page(root, settings(0))
        for _ in range(100):
            await asyncio.sleep(0)
    assert [one["event"] for one in logs][:1] == ["the dashboard's process cannot be started"]
    assert not page._keeper.done()
    await page.stop()
