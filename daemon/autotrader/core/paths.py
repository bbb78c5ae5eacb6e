"""Where things lie in a configuration folder."""

from __future__ import annotations

from pathlib import Path

from autotrader.core.errors import AutotraderError


def find_root(start: Path) -> Path:
    """Return the configuration folder: where `autotrader.yaml` is, from a folder upwards."""
    for folder in (start, *start.parents):
        if (folder / "autotrader.yaml").is_file():
            return folder
    raise AutotraderError(f"there is no autotrader.yaml in {start} or above it; name the folder with -c DIR")


def given_root(path: Path) -> Path:
    """Return the configuration folder that somebody named. Raises AutotraderError where it is no folder."""
    if not path.is_dir():
        raise AutotraderError(f"{path} is not a folder; -c names the folder that holds autotrader.yaml")
    return path.resolve()


def pointer_of(root: Path) -> Path:
    """Return the file that says where the store of a folder lies, whatever its declarations say now."""
    return root / "var" / "store"


def store_of(root: Path) -> Path:
    """Return the store of a folder: where its daemon last kept it, else where it would by default."""
    pointer = pointer_of(root)
    return Path(pointer.read_text(encoding="utf-8").strip()) if pointer.is_file() else root / "var" / "autotrader.db"
