"""One daemon an account: the lock is the kernel's, so it ends with its holder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from autotrader.core.errors import LockHeld, StoreError
from autotrader.runtime.lock import FileLock

HOLDER = """
import sys
from pathlib import Path
from autotrader.runtime.lock import FileLock
lock = FileLock(Path(sys.argv[1]), "the store")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    path = tmp_path / "var" / "a.lock"
    first = FileLock(path, "the store a.db")
    with pytest.raises(LockHeld, match=f"the store a.db is already in use .* process id {os.getpid()};"):
        FileLock(path, "the store a.db")
    first.release()
    FileLock(path, "the store a.db").release()


def test_what_locks_is_its_owners_alone(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock", "x")
    assert stat.S_IMODE((tmp_path / "a.lock").stat().st_mode) == 0o600
    lock.release()


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(LockHeld, match=f"process id {holder.pid};"):
        FileLock(path, "the store")
    holder.kill()
    holder.communicate()
    FileLock(path, "the store").release()


def test_an_old_process_id_is_written_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.write_text("12345678901234567890\n")
    lock = FileLock(path, "x")
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_where_no_file_can_be_it_is_told_with_words(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(StoreError, match=r"the store cannot be locked: .*name a writable `store`"):
        FileLock(tmp_path / "var" / "a.lock", "the store")
