"""Write the reference tables of docs/ from the code: every key, command and feature, so that none goes undocumented.

`python tools/reference.py` puts each table between its markers, `<!-- begin NAME -->` and `<!-- end NAME -->`.
tests/docs proves that what stands there is current.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autotrader import cli
from autotrader.config.daemon import DaemonSettings, ReloadSettings
from autotrader.config.schema import schemas
from autotrader.features.catalogue import FAMILIES as FEATURE_FAMILIES
from autotrader.features.catalogue import PLANNED as PLANNED_FEATURES
from autotrader.features.catalogue import PRICE_DOCS
from autotrader.features.feature import Feature
from autotrader.features.outside import CALLS
from autotrader.strategies import registry

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("configuration.md", "commands.md", "expressions.md")
_BLOCK = re.compile(r"(<!-- begin (?P<name>[a-z-]+) -->\n).*?(<!-- end (?P=name) -->)", re.DOTALL)


class Key(NamedTuple):
    """One key of a file as its table shows it; `path` is dotted from the top of the file."""

    path: str
    value: str
    default: str
    meaning: str


def keys(schema: Mapping[str, Any]) -> Iterator[Key]:
    """Return every key of one file's JSON Schema, nested ones after their parent."""
    definitions = schema.get("$defs", {})
    yield from _keys(schema, definitions, "")


def _keys(node: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[Key]:
    required = node.get("required", ())
    for name, written in node["properties"].items():
        path = f"{prefix}{name}"
        inner = [_resolved(part, definitions) for part in written.get("oneOf", [written])]
        nested = [part for part in inner if "properties" in part]
        value = "a mapping" if nested else _value(written)
        default = "required" if name in required else _default(written)
        yield Key(path, value, default, written.get("description", ""))
        for part in nested:
            kind = part["properties"].get("kind", {}).get("const")
            for key in _keys(part, definitions, f"{path}."):
                if kind and key.path == f"{path}.kind":
                    yield key._replace(value=f"`{kind}`", default="")
                else:
                    yield key._replace(meaning=f"{kind}: {key.meaning}") if kind else key


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    return definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _value(node: Mapping[str, Any]) -> str:
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    if node.get("examples"):
        return "as " + ", ".join(f"`{example}`" for example in node["examples"])
    match node.get("type"):
        case "array":
            inner = node.get("items", {}).get("examples")
            return f"a list, as `[{', '.join(inner)}]`" if inner else "a list of texts"
        case "integer" | "number":
            low, high = node.get("minimum", node.get("exclusiveMinimum")), node.get("maximum")
            bounds = f", {low} to {high}" if high is not None else f", {low} or more" if low is not None else ""
            return ("a whole number" if node["type"] == "integer" else "a number") + bounds
        case "boolean":
            return "`true`, `false`"
        case "object":
            return "a mapping"
    return "text"


def _default(node: Mapping[str, Any]) -> str:
    value = node.get("default")
    if value in (None, "", [], {}) and value is not False:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{key}: {part}" for key, part in value.items()) + "}`"
    return f"`[{', '.join(value)}]`" if isinstance(value, list) else f"`{value}`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [f"| {' | '.join(names)} |", f"| {' | '.join('---' for _ in names)} |"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _of_keys(schema: Mapping[str, Any]) -> str:
    rows = ((f"`{key.path}`", key.value, key.default, key.meaning) for key in keys(schema))
    return _table(("key", "value", "default", "meaning"), rows)


def _planned_keys() -> str:
    kinds = {f"kind: {kind}": "the other strategy kinds come later" for kind in sorted(registry.PLANNED)}
    rows = [
        (where, f"`{name}`", why)
        for where, names in {
            "autotrader.yaml": DaemonSettings.planned,
            "autotrader.yaml, `reload`": ReloadSettings.planned,
            "strategies.d": kinds,
            "models.d": {"every file": "models come later"},
        }.items()
        for name, why in names.items()
    ]
    return _table(("where", "what", "why"), rows)


def commands() -> Mapping[str, argparse.ArgumentParser]:
    """Return every command of the command line by its name."""
    for action in cli._parser()._actions:  # noqa: SLF001 - argparse and cli offer no other way to list commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return action.choices
    raise LookupError("the command line has no commands")


def _of_commands(*, planned: bool) -> str:
    rows = []
    for name, parser in commands().items():
        if (name in cli.PLANNED) == planned:
            usage = f"`{' '.join((name, *_arguments(parser)))}`" if not planned else f"`{name}`"
            rows.append((usage, parser.description or ""))
    return _table(("command", "what it does"), rows)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001
        if action.dest in {"help", "root", "json"}:
            continue
        if not action.option_strings:
            word = str(action.metavar or action.dest).upper()
            yield {"?": f"[{word}]", "*": f"[{word} ...]"}.get(str(action.nargs), word)
        else:
            word = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
            yield f"[{action.option_strings[0]}{word}]"


def _ordinary(feature: Feature) -> tuple[float, ...]:
    """Return a feature's default parameters, 20 where there is none."""
    return tuple((int if one.whole else float)(one.default or 20) for one in feature.params)


def _of_features() -> str:
    parts = []
    for family in FEATURE_FAMILIES:
        title = (family.__doc__ or "").partition(":")[0]
        rows = (
            (
                f"`{one.signature}`",
                one.summary,
                f"`{one.formula}`",
                "; ".join(f"`{param.name}`: {param.doc.rstrip('.')}" for param in one.params),
                one.unit,
                str(one.warmup(*_ordinary(one))),
                one.source,
            )
            for one in family.FEATURES
        )
        head = ("call", "what it is", "formula", "parameters", "unit", "first value", "source")
        parts.append(f"### {title}\n\n" + _table(head, rows))
    return "\n".join(parts)


def _of_outside() -> str:
    rows = ((f"`{one.signature}`", one.summary, one.known, one.unit) for one in CALLS.values())
    return _table(("call", "what it is", "known", "unit"), rows)


def _planned_features() -> str:
    reasons: dict[str, list[str]] = {}
    for name, why in PLANNED_FEATURES.items():
        reasons.setdefault(why, []).append(f"`{name}`")
    return _table(("names", "why"), ((" ".join(names), why) for why, names in reasons.items()))


def blocks() -> Mapping[str, str]:
    """Return the text that belongs between each pair of markers, by its name."""
    every = schemas(registry.params())
    strategy, exchange = every["strategy.json"], every["exchange.json"]
    found = {
        "daemon-keys": _of_keys(every["daemon.json"]),
        "exchange-keys": _of_keys({**exchange, **exchange["$defs"]["kind:simulated"]}),
        "ccxt-keys": _of_keys({**exchange, **exchange["$defs"]["kind:ccxt"]}),
        "risk-keys": _of_keys(every["risk.json"]),
        "planned-keys": _planned_keys(),
        "commands": _of_commands(planned=False),
        "planned-commands": _of_commands(planned=True),
        "prices": _table(("name", "what it is"), ((f"`{name}`", text) for name, text in PRICE_DOCS.items())),
        "outside": _of_outside(),
        "features": _of_features(),
        "planned-features": _planned_features(),
    }
    for kind in registry.params():
        found[f"{kind.replace('_', '-')}-keys"] = _of_keys({**strategy, **strategy["$defs"][f"kind:{kind}"]})
    return found


def filled(text: str) -> str:
    """Return a page with the current text between each pair of markers. Raises KeyError for an unknown name."""
    made = blocks()
    return _BLOCK.sub(lambda block: f"{block[1]}\n{made[block['name']]}\n{block[3]}", text)


def main() -> None:
    for name in PAGES:
        page = DOCS / name
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
