"""The loader: a configuration folder in, all declarations or all problems out; unchanged files are not read again."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from autotrader.config.canonical import canonical, digest
from autotrader.config.ccxt_exchange import CcxtExchange
from autotrader.config.daemon import DaemonSettings
from autotrader.config.exchange import SimulatedExchange
from autotrader.config.exchanges import Exchange
from autotrader.config.files import Signature, read_regular, signature
from autotrader.config.folder import Found, listing
from autotrader.config.references import Accepted, Names, WarnHistory, WarnMetric, cross_check
from autotrader.config.risk import RiskLimits
from autotrader.config.secrets import Redactor, SecretSource
from autotrader.config.strategy import StrategyParams
from autotrader.config.validate import Checked, Kinds, check
from autotrader.config.yaml import MAX_BYTES, Flaw
from autotrader.core.errors import Problem

RACY_NS = 100_000_000
"""A file that changed this shortly before it was read is not trusted: a later write may bear the same stamp."""


@dataclass(frozen=True)
class Declarations:
    """Everything that one configuration folder declares, validated; `forms` holds canonical texts by `section/name`."""

    daemon: DaemonSettings
    strategies: Mapping[str, StrategyParams]
    exchanges: Mapping[str, Exchange]
    risks: Mapping[str, RiskLimits]
    texts: Mapping[str, str] = field(repr=False)
    forms: Mapping[str, str] = field(repr=False)
    hash: str


class Loaded(NamedTuple):
    """What a load gave. `declarations` is None when there is any problem; `redactor` hides the secrets it looked up."""

    declarations: Declarations | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    files: tuple[str, ...]
    redactor: Redactor


class _Entry(NamedTuple):
    signature: Signature | None
    digest: bytes
    secret: bool
    checked: Checked


class LoadCache:
    """Remembers each file's outcome, so that a reload reads what changed; holds one outcome a file that exists.

    One cache serves one folder and one set of kinds. An object that did not change stays the same object.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def known(self, path: str) -> _Entry | None:
        return self._entries.get(path)

    def keep(self, entries: dict[str, _Entry]) -> None:
        self._entries = entries


def load(
    root: Path,
    kinds: Mapping[str, type[StrategyParams]],
    planned_kinds: Collection[str] = (),
    *,
    cache: LoadCache | None = None,
    environ: Mapping[str, str] = os.environ,
    warn_history: WarnHistory | None = None,
    warn_metric: WarnMetric | None = None,
) -> Loaded:
    """Return what a folder declares. Every problem of every file is found; nothing that a disk can hold raises."""
    found = listing(root)
    secrets = SecretSource(root, environ)
    cache = cache or LoadCache()
    entries: dict[str, _Entry] = {}
    problems = list(found.problems)
    for file in found.files:
        entry = _entry(root, file, Kinds(kinds, planned_kinds), secrets, cache.known(file.path))
        if isinstance(entry, Flaw):
            problems.append(Problem(file.path, 0, 0, entry.message, entry.hint))
        else:
            entries[file.path] = entry
            problems += entry.checked.problems
    cache.keep(entries)
    accepted = _gather(found.files, entries)
    problems += cross_check(accepted, _names(found.files), warn_history, warn_metric)
    errors = sorted((one for one in problems if one.severity == "error"), key=_place)
    warnings = sorted((one for one in problems if one.severity != "error"), key=_place)
    whole = None if errors else _declarations(found.files, entries, accepted)
    return Loaded(whole, tuple(errors), tuple(warnings), tuple(file.path for file in found.files), secrets.redactor())


def _place(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.message


def _entry(root: Path, file: Found, kinds: Kinds, secrets: SecretSource, known: _Entry | None) -> _Entry | Flaw:
    path = f"{root}/{file.path}"
    if known and known.signature and not known.secret and signature(path) == known.signature:
        return known
    started_ns = time.time_ns()
    got = read_regular(path, MAX_BYTES)
    if isinstance(got, Flaw):
        return got
    data, seen, _ = got
    settled = seen if max(seen.ctime_ns, seen.mtime_ns) < started_ns - RACY_NS else None
    content = hashlib.sha256(data).digest()
    if known and known.digest == content and not known.secret:
        return known._replace(signature=settled)
    asked = secrets.asked
    checked = check(file, data, kinds, secrets)
    secret = secrets.asked > asked
    if known and known.digest == content and checked == known.checked:
        checked = known.checked
    return _Entry(settled, content, secret, checked)


def _names(files: tuple[Found, ...]) -> Names:
    by_section: dict[str, set[str]] = {"strategies": set(), "exchanges": set(), "risk": set()}
    for file in files:
        by_section.setdefault(file.section, set()).add(file.name)
    return Names(by_section["strategies"], by_section["exchanges"], by_section["risk"])


def _gather(files: tuple[Found, ...], entries: Mapping[str, _Entry]) -> Accepted:
    daemon: DaemonSettings | None = None
    strategies: dict[str, StrategyParams] = {}
    exchanges: dict[str, Exchange] = {}
    risks: dict[str, RiskLimits] = {}
    paths: dict[str, str] = {}
    for file in files:
        declared = entries[file.path].checked.declared if file.path in entries else None
        if isinstance(declared, StrategyParams):
            strategies[file.name] = declared
            paths[file.name] = file.path
        elif isinstance(declared, SimulatedExchange | CcxtExchange):
            exchanges[file.name] = declared
            paths[f"exchanges/{file.name}"] = file.path
        elif isinstance(declared, RiskLimits):
            risks[file.name] = declared
            paths[f"risk/{file.name}"] = file.path
        elif isinstance(declared, DaemonSettings):
            daemon = declared
    texts = {path: entry.checked.text for path, entry in entries.items()}
    refused = {
        file.path
        for file in files
        if file.section == "strategies" and file.path in entries and entries[file.path].checked.declared is None
    }
    return Accepted(daemon, strategies, exchanges, risks, paths, texts, refused)


def _declarations(files: tuple[Found, ...], entries: Mapping[str, _Entry], accepted: Accepted) -> Declarations:
    daemon = accepted.daemon or DaemonSettings.model_validate({})
    forms = {f"{file.section}/{file.name}": entries[file.path].checked.form for file in files if file.section}
    forms["autotrader"] = canonical(daemon)
    return Declarations(
        daemon=daemon,
        strategies=MappingProxyType(dict(accepted.strategies)),
        exchanges=MappingProxyType(dict(accepted.exchanges)),
        risks=MappingProxyType(dict(accepted.risks)),
        texts=MappingProxyType(dict(accepted.texts)),
        forms=MappingProxyType(forms),
        hash=digest(forms),
    )
