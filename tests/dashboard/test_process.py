import asyncio
import socket
import urllib.request

import pytest

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
