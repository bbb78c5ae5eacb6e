"""The install script, into a staging folder: what it puts where, and what a second run leaves alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from autotrader.app import Loader

SCRIPT = Path(__file__).resolve().parents[2] / "systemd" / "install.sh"
DROP_IN = "etc/systemd/system/autotrader.service.d/credentials.conf"


@pytest.fixture
def stage(tmp_path):
    """Return a function that runs the script with a staging folder, and that folder."""

    def run(*arguments: str, expect: int = 0) -> str:
        environment = {**os.environ, "DESTDIR": str(tmp_path)}
        done = subprocess.run(
            [SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr

    return run, tmp_path


def test_unit_configuration_and_state_are_put_in_their_places(stage):
    run, root = stage
    run()
    unit = SCRIPT.parent / "autotrader.service"
    assert (root / "etc/systemd/system/autotrader.service").read_bytes() == unit.read_bytes()
    assert (root / "etc/autotrader/secrets").stat().st_mode & 0o777 == 0o700
    assert (root / "var/lib/autotrader").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/autotrader/var").readlink() == Path("/var/lib/autotrader")
    assert (root / "usr/local/bin/autotrader").readlink() == Path("/opt/autotrader/venv/bin/autotrader")


def test_what_is_installed_is_a_valid_configuration(stage):
    run, root = stage
    run()
    assert Loader(root / "etc" / "autotrader")().problems == ()


def test_a_second_run_leaves_declarations_alone(stage):
    run, root = stage
    run()
    mine = root / "etc/autotrader/autotrader.yaml"
    mine.write_text("language: ko\n")
    (root / "etc/autotrader/strategies.d/breakout.yaml").unlink()
    told = run()
    assert mine.read_text() == "language: ko\n"
    assert not (root / "etc/autotrader/strategies.d/breakout.yaml").exists()
    assert "your declarations stay as they are" in told


def test_every_secret_becomes_a_credential(stage):
    run, root = stage
    run()
    assert "LoadCredential" not in (root / DROP_IN).read_text()
    (root / "etc/autotrader/secrets/dashboard_password").write_text("correct-horse")
    run()
    line = "LoadCredential=dashboard_password:/etc/autotrader/secrets/dashboard_password\n"
    assert line in (root / DROP_IN).read_text()


def test_uninstalling_leaves_declarations_and_journal(stage):
    run, root = stage
    run()
    run("--uninstall")
    assert not (root / "opt/autotrader").exists()
    assert not (root / "etc/systemd/system/autotrader.service").exists()
    assert (root / "etc/autotrader/autotrader.yaml").is_file()
    assert (root / "var/lib/autotrader").is_dir()


def test_a_dry_run_touches_nothing(stage):
    run, root = stage
    told = run("--dry-run")
    assert list(root.iterdir()) == []
    assert "credentials.conf" in told


def test_a_wrong_word_is_refused_before_anything_happens(stage):
    run, root = stage
    assert "usage:" in run("--remove", expect=2)
    assert list(root.iterdir()) == []
