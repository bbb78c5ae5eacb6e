"""ECharts as a script that can stand inside a page, from the copy that the dashboard's library brings along."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from autotrader.core.errors import AutotraderError

REPAIR = "install nicegui in the version of constraints.txt"


@cache
def script() -> str:
    """Return a module script that leaves `echarts` on the page. Raises AutotraderError where it cannot be had.

    nicegui ships ECharts as ES modules: an index, `import{aS as a}from"./index-X.js";export{a as echarts}`, and the
    program, which ends in `export{... _u as aS ...}`. The names change with every build, so they are followed.
    """
    try:
        known = [one for one in files("nicegui") or () if str(one).endswith("echart/dist/index.js")]
    except PackageNotFoundError as error:
        raise AutotraderError(f"reports draw with what nicegui brings, and it is not there; {REPAIR}") from error
    for index in (Path(str(one.locate())) for one in known):
        text = index.read_text(encoding="utf-8")
        if source := re.search(r'import\{(?P<names>[^}]*)\}from"\./(?P<file>[\w.-]+)"', text):
            program = (index.parent / source["file"]).read_text(encoding="utf-8")
            if made := inline(text, source["names"], program):
                return made
    raise AutotraderError(f"the charts inside nicegui are not as reports know them; {REPAIR}")


def inline(index: str, imported: str, program: str) -> str | None:
    """Return the program with its export of `echarts` turned into a global; None where it exports none."""
    local = _renamed(index, "echarts")
    outer = local and re.search(rf"(?:^|,)([\w$]+) as {re.escape(local)}(?:,|$)", imported)
    head, _, exports = program.rpartition("export{")
    name = outer and _renamed(f"{{{exports}", outer[1])
    if not name:
        return None
    safe = re.sub(r"<(?=/script|!--)", r"\\x3c", head, flags=re.IGNORECASE)  # inside a string either reads the same
    return f"{safe}\nglobalThis.echarts={name};"


def _renamed(exports: str, known: str) -> str | None:
    """Return the name inside a module of what it exports as `known`."""
    found = re.search(rf"[{{,]([\w$]+) as {re.escape(known)}[,}}]", exports)
    return found[1] if found else None
