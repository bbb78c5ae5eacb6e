"""`autotrader doctor`, on folders of every kind, and against an exchange on loopback that unmodified ccxt asks."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from types import SimpleNamespace

import pytest

from autotrader import cli, doctor
from support.exchange import SERIES, stage, write_history
from support.folders import write

EXCHANGE = (
    "kind: ccxt\nid: binance\norders: live\nunprotected: accept\n"
    'credentials: {key: "${env:DOCTORS_KEY}", secret: "${env:DOCTORS_KEY}"}\nurl: http://127.0.0.1:PORT\n'
)


@pytest.fixture
def examined(capsys):
    """Run the command and give its exit code and its findings by what they are about."""

    def run(*words: str):
        code = cli.main(["--json", "doctor", *words])
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] is (code == 0)
        return code, {one["what"]: one for one in told["findings"]}

    return run


def live(root, port):
    files = {"autotrader.yaml": "mode: live\n", "risk.d/default.yaml": "max_order: 100 USDT\nmax_daily_loss: 5%\n"}
    return write(root, files | {"exchanges.d/real.yaml": EXCHANGE.replace("PORT", str(port))})


def test_the_machine_is_examined_where_nothing_is_declared(examined, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, found = examined()
    assert code == 0
    assert list(found) == ["python", "clock", "disk", "durable writes", "gpu", "systemd", "configuration"]
    assert found["configuration"]["state"] == "warning"
    assert list(tmp_path.iterdir()) == []


def test_what_is_declared_wrong_fails_and_names_the_command_that_tells_more(examined, tmp_path):
    write(tmp_path, {"autotrader.yaml": "language: xx\n"})
    code, found = examined("-c", str(tmp_path))
    assert code == 1
    assert found["configuration"] == {
        "what": "configuration",
        "state": "failed",
        "told": "1 error",
        "remedy": "`autotrader check` tells each with its place",
    }


def test_people_are_told_line_by_line_with_the_remedy_below(tmp_path, capsys):
    write(tmp_path, {"autotrader.yaml": "language: xx\n"})
    assert cli.main(["-c", str(tmp_path), "doctor"]) == 1
    told = capsys.readouterr()
    assert "ok      python: 3." in told.out
    assert "FAILED  configuration: 1 error\n        `autotrader check`" in told.out
    assert told.err == "not fit to trade yet\n"


async def test_an_exchange_is_asked_for_its_time_its_markets_and_what_the_key_can_read(examined, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCTORS_KEY", "any key will do")
    data = write_history(tmp_path / "data", SERIES)
    async with stage(data) as one:
        root = live(tmp_path / "folder", one.port)
        code, found = await asyncio.to_thread(examined, "-c", str(root))
    assert code == 0
    assert found["exchange real"]["state"] == "ok"
    assert found["exchange real"]["told"].startswith(f"binance, {len(SERIES)} spot markets")
    assert found["exchange real clock"]["state"] == "warning"  # the emulator lives in the past
    assert found["exchange real key"]["state"] == "warning"
    assert "does not tell whether it may withdraw" in found["exchange real key"]["told"]
    assert found["daemon"]["told"] == "does not run on this folder"
    assert [path.name for path in root.iterdir() if path.name == "var"] == []


def test_an_exchange_that_does_not_answer_fails_with_what_it_was_asked(examined, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCTORS_KEY", "any key will do")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        code, found = examined("-c", str(live(tmp_path, nobody.getsockname()[1])))
    assert code == 1
    assert found["exchange real"]["state"] == "failed"
    assert "real fetch_time" in found["exchange real"]["told"]


@pytest.mark.parametrize(
    ("free", "state"),
    [(doctor.FULL_BYTES - 1, "failed"), (doctor.LOW_BYTES - 1, "warning"), (doctor.LOW_BYTES, "ok")],
)
def test_a_disk_that_fills_is_told_in_time(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    found = next(iter(one for one in doctor.examine(None) if one.what == "disk"))
    assert found.state == state
    assert bool(found.remedy) is (state != "ok")


def test_a_folder_that_cannot_be_written_fails(monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    found = {one.what: one for one in doctor.examine(None)}
    assert found["durable writes"].state == "failed"
    assert "No space left" in found["durable writes"].told


@pytest.mark.parametrize(("answer", "state"), [(doctor.TIME_ERROR, "warning"), (-1, "warning"), (0, "ok"), (1, "ok")])
def test_the_kernel_says_whether_its_clock_is_kept_right(monkeypatch, answer, state):
    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(adjtimex=lambda _: answer))
    assert next(one for one in doctor.examine(None) if one.what == "clock").state == state
