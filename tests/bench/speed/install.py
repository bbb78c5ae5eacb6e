"""Install the peers of the speed bench below `.bench/peers`: `install.py`, or `install.py extra freqtrade`.

`extra` is the extra `peers` of pyproject.toml at the versions of constraints.txt: those peers live with what autotrader
itself pins. Each of the others wants other versions and gets an environment of its own, pinned in `peers/*.txt`.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from engines import ENGINES, EXTRA, HERE, PRODUCT, REPOSITORY

from market import CACHE

EXTRA_NEEDS = ("numpy", "pandas", "numba")
"""What the bench's own modules import beside the peers."""


def wanted(environment: str) -> list[str]:
    """Return pip's words for an environment."""
    if environment != EXTRA:
        return ["-r", str(HERE / "peers" / f"{environment}.txt")]
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["peers"]
    return ["-c", str(REPOSITORY / "constraints.txt"), *EXTRA_NEEDS, *declared]


def install(environment: str) -> bool:
    """Make or renew an environment; False where pip could not."""
    place = CACHE / "peers" / environment
    subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.run([*pip, *wanted(environment)], check=False).returncode == 0


def main() -> None:
    known = dict.fromkeys(one.environment for one in ENGINES if one.environment != PRODUCT)
    asked = sys.argv[1:] or list(known)
    for name in asked:
        if name not in known:
            sys.exit(f"there is no environment '{name}'; there are {', '.join(known)}")
    failed = [name for name in asked if not install(name)]
    if failed:
        sys.exit(f"not installed: {', '.join(failed)}")
    print(f"installed below {Path(CACHE) / 'peers'}: {', '.join(asked)}")


if __name__ == "__main__":
    main()
