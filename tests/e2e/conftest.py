"""Fixtures of the browser tests: Debian's Chromium, and the small world of the page's own tests."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def worlds():
    name = "dashboard_world"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "dashboard" / "world.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="module")  # no wider: its event loop must be gone when the tests of other modules run theirs
def chromium():
    """A browser. Install it with `apt-get install chromium`."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "there is no chromium on this machine: apt-get install -y chromium fonts-noto-cjk"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()
