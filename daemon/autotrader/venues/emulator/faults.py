"""What goes wrong on purpose: rules that are asked at every request and every push, drawn from one seed."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from autotrader.config.files import read_regular
from autotrader.config.model import Declared, trouble
from autotrader.config.nodes import Mapping as MappingNode
from autotrader.config.nodes import plain
from autotrader.config.problems import Reporter
from autotrader.config.types import DurationMs, Fraction
from autotrader.config.yaml import MAX_BYTES, Flaw, read
from autotrader.core.errors import ConfigError, Problem

Deed = Literal[
    "drop",
    "delay",
    "duplicate",
    "reorder",
    "http",
    "code",
    "accept_and_lose_reply",
    "disconnect",
    "stale",
    "half_fill",
    "restart",
]
MAX_RULES = 200

PUSHES = "PUSH"
"""The method of what is sent unasked over a websocket."""


class Rule(Declared):
    """One fault: where, when and what."""

    on: str = Field(
        min_length=1,
        max_length=200,
        description="A REST path, a stream, `user` for the account's stream, or `ws` for every push; * stands for any.",
        examples=["/api/v3/order", "*@trade"],
    )
    method: str = Field(default="", max_length=20, description="The HTTP method; left out: any.")
    do: Deed = Field(description="What happens.")
    chance: Fraction | None = Field(default=None, description="How often, as 10%; left out: always.")
    every: int = Field(default=1, ge=1, le=10**9, description="Every how many calls that match.")
    first: int = Field(default=1, ge=1, le=10**9, alias="from", description="From which call on, counted from 1.")
    until: int | None = Field(default=None, ge=1, le=10**9, description="The last call; left out: no end.")
    wait: DurationMs = Field(default=1000, description="How long a delay or a restart takes.")
    status: int = Field(default=503, ge=400, le=599, description="The HTTP status of `http`.")
    retry_after_s: int = Field(default=1, ge=0, le=86_400, description="The Retry-After header of `http`.")
    code: int = Field(default=-1021, ge=-99_999, le=-1, description="Binance's error code of `code`.")

    @model_validator(mode="after")
    def _in_order(self) -> Rule:
        if self.until is not None and self.until < self.first:
            raise trouble("`until` comes before `from`", "write a later one, or leave it out", at=("until",))
        return self


class Plan(Declared):
    """A file of faults."""

    seed: int = Field(default=1, ge=0, le=2**32 - 1, description="The same seed gives the same faults.")
    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES, description="Every rule is asked, in order.")


class Faults:
    """Rules with their counts."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan = plan or Plan()
        self._draw = random.Random(self._plan.seed)  # noqa: S311 - faults on purpose, no secret
        self._calls = [0] * len(self._plan.rules)

    def at(self, method: str, *places: str) -> list[Rule]:
        """Return what goes wrong with one call, known under any of these names; each rule that matches counts it."""
        due = []
        for index, rule in enumerate(self._plan.rules):
            if rule.method and rule.method.upper() != method:
                continue
            if not any(fnmatchcase(place, rule.on) for place in places):
                continue
            self._calls[index] += 1
            call = self._calls[index]
            if call < rule.first or (rule.until is not None and call > rule.until):
                continue
            if (call - rule.first + 1) % rule.every:
                continue
            if rule.chance is not None and self._draw.random() >= rule.chance:
                continue
            due.append(rule)
        return due


def read_faults(path: Path) -> Faults:
    """Return the faults that a file declares. Raises ConfigError with every problem and its place."""
    found = read_regular(path, MAX_BYTES)
    if isinstance(found, Flaw):
        raise ConfigError([Problem(str(path), 0, 0, found.message, found.hint)])
    data = found[0]
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem(str(path), 0, 0, f"the file is larger than {MAX_BYTES} bytes", "split it")])
    document = read(data)
    report = Reporter(str(path), document)
    problems = [report.flaw(flaw) for flaw in document.flaws]
    if not problems:
        problems = report.empty_values()
    if not problems and not isinstance(document.root, MappingNode):
        problems = [Problem(str(path), 0, 0, "the file must hold keys and values", "write  rules:  and a list")]
    if problems or document.root is None:
        raise ConfigError(problems)
    try:
        return Faults(Plan.model_validate(plain(document.root)))
    except ValidationError as error:
        raise ConfigError(report.invalid(error, Plan, "a file of faults")) from None
