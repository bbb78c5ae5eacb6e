"""The page's process as the daemon meets it: these tests start it for real, without a browser."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest


@pytest.fixture
def started(worlds, root):
    running = []

    def start(**values):
        running.append(worlds.PageProcess(root, **values))
        return running[-1]

    yield start
    for page in running:
        page.stop()


def fetch(url, **headers):
    """Return status and text; it waits until the process answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_serves_the_page_on_the_inherited_socket_and_ends_in_order(started):
    page = started(language="ko")
    status, text = fetch(page.url)
    assert status == 200
    assert "긴급 정지" in text
    assert "https://" not in text.replace("https://nicegui.io", "").replace("https://www.w3.org", "")
    assert fetch(page.url, Host="evil.example")[0] == 421
    assert fetch(page.url, Origin="http://evil.example")[0] == 403
    page.process.terminate()
    assert page.process.wait(10) == 0
    assert page.stop() == ""


def test_it_ends_when_its_lifeline_closes(started):
    page = started(password="hunter2")
    assert "login" in fetch(page.url)[1]
    page.process.stdin.close()
    assert page.process.wait(10) == 0


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.DEVNULL)
sys.stdin.read()
"""
CHILD = """
from autotrader.dashboard.__main__ import die_with_parent
import signal, sys
die_with_parent()
print("armed", flush=True)
signal.pause()
"""


def test_it_dies_with_a_daemon_that_is_killed_whoever_holds_its_lifeline():
    script = f"CHILD = {CHILD!r}\n{PARENT}"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"armed\n"
        parent.kill()
        assert parent.wait(10) == -signal.SIGKILL
        assert parent.stdout.read() == b""  # the pipe ends when the child, its last writer, is gone
