"""The doctor's command: what it finds, line by line as it is found."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from autotrader.cli_output import bold, print_json
from autotrader.core.errors import AutotraderError

SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}
DONE, FAILED = 0, 1


def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything; 1 where something failed."""
    from autotrader.doctor import examine

    found = []
    for finding in examine(_root(arguments)):
        found.append(finding)
        if not arguments.json:
            remedy = f"\n        {finding.remedy}" if finding.remedy else ""
            sign = SIGNS[finding.state] if finding.state == "ok" else bold(SIGNS[finding.state])
            sys.stdout.write(f"{sign} {finding.what}: {finding.told}{remedy}\n")
            sys.stdout.flush()
    ok = all(finding.state != "failed" for finding in found)
    if arguments.json:
        print_json({"ok": ok, "findings": [finding._asdict() for finding in found]})
    elif not ok:
        sys.stderr.write("not fit to trade yet\n")
    return DONE if ok else FAILED


def _root(arguments: argparse.Namespace) -> Path | None:
    """Return the configuration folder; None where there is none, which is no error here."""
    from autotrader.core.paths import find_root, given_root

    if arguments.root is not None:
        return given_root(arguments.root)
    try:
        return find_root(Path.cwd())
    except AutotraderError:
        return None
