"""One file's bytes to one validated object, or to every problem that the file has by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from autotrader.config.canonical import canonical
from autotrader.config.daemon import DaemonSettings
from autotrader.config.exchanges import EXCHANGE_KINDS
from autotrader.config.folder import Found
from autotrader.config.model import Declared, called
from autotrader.config.nodes import Mapping as MappingNode
from autotrader.config.nodes import Span, plain
from autotrader.config.problems import Reporter
from autotrader.config.risk import RiskLimits
from autotrader.config.secrets import SecretSource
from autotrader.config.strategy import StrategyParams
from autotrader.config.wording import did_you_mean, shown
from autotrader.config.yaml import Document, read
from autotrader.core.errors import Problem


class Kinds(NamedTuple):
    """The strategy kinds that exist, and those that are known but not built yet."""

    built: Mapping[str, type[StrategyParams]]
    planned: Collection[str]


class Checked(NamedTuple):
    """What one file gave: its text, its object (None: refused) with its canonical form, and its problems."""

    text: str
    declared: Declared | None
    form: str
    problems: tuple[Problem, ...]


def check(found: Found, data: bytes, kinds: Kinds, secrets: SecretSource) -> Checked:
    """Return what one file declares. Never raises for anything that a file can contain."""
    document = read(data)
    report = Reporter(found.path, document)
    problems = [report.flaw(flaw) for flaw in document.flaws]
    if found.section == "models":
        later = Problem(found.path, 0, 0, "models are not built yet", "move the file away until they are")
        return Checked(document.text, None, "", (later, *problems))
    if not document.complete:
        return Checked(document.text, None, "", tuple(problems))
    if document.root is None or plain(document.root) is None:
        return _empty(found, document, problems)
    problems += report.empty_values()
    declared, more = _validated(found, document, report, kinds, secrets)
    problems += more
    if problems or declared is None:
        return Checked(document.text, None, "", tuple(problems))
    return Checked(document.text, declared, canonical(declared), ())


def _empty(found: Found, document: Document, problems: list[Problem]) -> Checked:
    if not found.section and not problems:
        settings = DaemonSettings.model_validate({})
        return Checked(document.text, settings, canonical(settings), ())
    if found.section:
        problems.append(Problem(found.path, 0, 0, "the file is empty", "write the declaration, or remove the file"))
    return Checked(document.text, None, "", tuple(problems))


def _validated(
    found: Found, document: Document, report: Reporter, kinds: Kinds, secrets: SecretSource
) -> tuple[Declared | None, list[Problem]]:
    root = document.root
    if not isinstance(root, MappingNode):
        value = plain(root) if root is not None else None
        hint = "write one  key: value  a line"
        if isinstance(value, str) and ":" in value:
            hint = "write a space after each colon"
        start = root.span if root is not None else Span(0, 0, 0, 1)
        one_line = Span(start.line, start.column, start.line, start.column + 1)
        return None, [report.at(one_line, f"the file must hold keys and values, not {called(value)}", hint)]
    chosen = _model(found, root, report, kinds)
    if isinstance(chosen, Problem):
        return None, [chosen]
    model, noun = chosen
    if model is None:
        return None, []
    try:
        return model.model_validate(plain(root), context={"secrets": secrets}), []
    except ValidationError as error:
        return None, report.invalid(error, model, noun)


def _model(
    found: Found, root: MappingNode, report: Reporter, kinds: Kinds
) -> tuple[type[Declared] | None, str] | Problem:
    if not found.section:
        return DaemonSettings, "the daemon's settings"
    if found.section == "risk":
        return RiskLimits, "the risk limits"
    built: Mapping[str, type[Declared]] = kinds.built
    planned = dict.fromkeys(kinds.planned, "it comes with the other strategy kinds")
    noun = "strategy"
    if found.section == "exchanges":
        built, planned, noun = EXCHANGE_KINDS, {}, "exchange"
    return _by_kind(root, report, built, planned, noun)


def _by_kind(
    root: MappingNode, report: Reporter, built: Mapping[str, type[Declared]], planned: Mapping[str, str], noun: str
) -> tuple[type[Declared] | None, str] | Problem:
    article = "an" if noun[0] in "aeiou" else "a"
    if "kind" not in root.entries:
        if root.incomplete or root.broken:
            return None, ""
        start = Span(root.span.line, root.span.column, root.span.line, root.span.column + 1)
        meant = did_you_mean("kind", root.entries)
        hint = f"is '{shown(meant)}' meant?" if meant else f"the kinds are {', '.join(built)}"
        return report.at(start, f"'kind' is missing in {article} {noun}", hint)
    node = root.entries["kind"][1]
    kind = plain(node)
    if node.broken:
        return None, ""
    if not isinstance(kind, str):
        return report.at(node.span, f"'kind' must be text, not {called(kind)}", f"the kinds are {', '.join(built)}")
    if kind in built:
        return built[kind], f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind} {noun}"
    if kind in planned:
        return report.at(node.span, f"{noun} kind '{kind}' is not built yet", planned[kind])
    meant = did_you_mean(kind, (*built, *planned))
    hint = f"did you mean '{meant}'?" if meant else f"the kinds are {', '.join((*built, *planned))}"
    return report.at(node.span, f"there is no {noun} kind '{shown(kind)}'", hint)
