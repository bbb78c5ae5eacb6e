"""The systemd unit: its keys, its rating, and that the tools of systemd find nothing wrong where they are there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "autotrader.service"
GPU = SYSTEMD / "gpu.conf"

ANALYZE = shutil.which("systemd-analyze")
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "LockPersonality": "yes",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
}


def parsed(path: Path) -> dict[str, list[str]]:
    """Return every key of a unit with its values in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    return parsed(UNIT)


def test_it_is_ready_when_it_says_so_and_alive_as_long_as_it_says_so(unit):
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert int(unit["WatchdogSec"][0]) >= 30


def test_a_reload_checks_first_and_then_waits_for_the_outcome(unit):
    check, reload = unit["ExecReload"]
    assert check.endswith(" check")
    assert reload.endswith(" reload --wait")


def test_a_crash_starts_it_again_within_bounds(unit):
    assert unit["Restart"] == ["on-failure"]
    assert int(unit["RestartSec"][0]) > 0
    assert int(unit["StartLimitBurst"][0]) > 3  # so that exits only, which comes after three, is reached
    assert unit["StartLimitIntervalSec"]


def test_it_is_a_user_of_its_own_that_writes_to_its_own_folders_only(unit):
    assert unit["User"] == unit["StateDirectory"] == unit["ConfigurationDirectory"] == ["autotrader"]
    assert unit["StateDirectoryMode"] == ["0700"]
    assert "ReadWritePaths" not in unit


def test_its_memory_tasks_and_files_are_bounded(unit):
    assert {"MemoryMax", "TasksMax", "LimitNOFILE", "TimeoutStartSec", "TimeoutStopSec"} <= set(unit)


@pytest.mark.parametrize(("key", "value"), HARDENED.items())
def test_it_may_touch_little(unit, key, value):
    assert unit[key] == [value]


def test_code_that_is_made_at_run_time_may_run(unit):
    assert "MemoryDenyWriteExecute" not in unit


def test_the_gpu_drop_in_opens_only_what_a_gpu_needs(unit):
    drop_in = parsed(GPU)
    assert set(drop_in) == {"PrivateDevices", "PrivateUsers", "ProcSubset", "DeviceAllow"}
    assert all(value.startswith("char-nvidia") for value in drop_in["DeviceAllow"])
    assert unit["DevicePolicy"] == ["closed"]


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(("drop_in", "at_most"), [(None, 1.5), (GPU, 2.0)], ids=["bare", "with a GPU"])
def test_its_exposure_is_rated_low(tmp_path, drop_in, at_most):
    """Where systemd's own tool is missing, the keys that make up the rating must at least all be there."""
    text = UNIT.read_text(encoding="utf-8") + (drop_in.read_text(encoding="utf-8") if drop_in else "")
    path = tmp_path / "autotrader.service"
    path.write_text(text, encoding="utf-8")
    if ANALYZE is None:
        assert set(HARDENED) <= set(parsed(path))
        return
    told = analyzed("security", "--offline=true", "--no-pager", str(path)).stdout
    rating = re.search(r"exposure level for \S+: (\d+\.\d+)", told)
    assert rating is not None
    assert float(rating[1]) <= at_most


def test_systemd_understands_every_line(tmp_path):
    """Where systemd's own tool is missing, every line must at least be a comment, a section or a key."""
    if ANALYZE is None:
        lines = UNIT.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line and not re.match(r"#|\[[A-Z]\w+\]$|[A-Z]\w+=", line)] == []
        return
    text = re.sub(r"^(Exec\w+=\+?)/opt/\S+", r"\1/bin/true", UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path = tmp_path / "autotrader.service"
    path.write_text(text, encoding="utf-8")
    told = analyzed("verify", "--man=no", str(path))
    complaints = [line for line in told.stderr.splitlines() if str(path) in line or path.name in line]
    assert complaints == []
