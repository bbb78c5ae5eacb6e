"""What changed between two sets of declarations, by name and by meaning, for plans, reloads and history. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Forms(Protocol):
    """Anything that holds canonical texts by `section/name`, as `Declarations` does."""

    @property
    def forms(self) -> Mapping[str, str]: ...


class Change(NamedTuple):
    """One value that differs: its keys joined by dots, and both sides as written (empty: not there)."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        if not self.old:
            return f"{self.path}: {self.new} (new)"
        return f"{self.path}: {self.old} -> {self.new or '(gone)'}"


@dataclass(frozen=True)
class SectionDiff:
    """The names of one section, sorted; `changed` says what differs in each."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    unchanged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diff:
    """What changed in each section; `daemon` lists the changes of autotrader.yaml."""

    daemon: tuple[Change, ...]
    strategies: SectionDiff
    exchanges: SectionDiff
    risk: SectionDiff

    def __bool__(self) -> bool:
        """Whether anything changed in meaning."""
        sections = (self.strategies, self.exchanges, self.risk)
        return bool(self.daemon) or any(part.added or part.removed or part.changed for part in sections)


def diff(old: Forms | None, new: Forms) -> Diff:
    """Return what changed from `old` to `new`; without an old one everything is added."""
    before = old.forms if old else {}
    daemon = changes(before.get("autotrader", new.forms["autotrader"]), new.forms["autotrader"])
    sections = (_section(name, before, new.forms) for name in ("strategies", "exchanges", "risk"))
    return Diff(daemon, *sections)


def changes(old: str, new: str) -> tuple[Change, ...]:
    """Return the values in which two canonical texts differ."""
    if old == new:
        return ()
    before, after = dict(_leaves(json.loads(old), "")), dict(_leaves(json.loads(new), ""))
    paths = [*before, *(path for path in after if path not in before)]
    return tuple(
        Change(path, before.get(path, ""), after.get(path, ""))
        for path in sorted(paths)
        if before.get(path) != after.get(path) and not _grew(path, before, after)
    )


def _grew(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether an empty mapping merely got its first keys, or lost its last; they tell it themselves."""
    here, there = (before, after) if path in before else (after, before)
    return here[path] == "{}" and path not in there and any(other.startswith(f"{path}.") for other in there)


def _section(section: str, old: Mapping[str, str], new: Mapping[str, str]) -> SectionDiff:
    prefix = f"{section}/"
    before = {name.removeprefix(prefix) for name in old if name.startswith(prefix)}
    after = {name.removeprefix(prefix) for name in new if name.startswith(prefix)}
    both = sorted(before & after)
    changed = {name: found for name in both if (found := changes(old[prefix + name], new[prefix + name]))}
    return SectionDiff(
        added=tuple(sorted(after - before)),
        removed=tuple(sorted(before - after)),
        changed=changed,
        unchanged=tuple(name for name in both if name not in changed),
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key in value:
            yield from _leaves(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield path, f"[{', '.join(_text(item) for item in value)}]"
    else:
        yield path, _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
