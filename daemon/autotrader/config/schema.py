"""JSON Schemas of every YAML kind, for editors: what completes a key and underlines a slip while it is typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from autotrader.config.daemon import DaemonSettings
from autotrader.config.exchanges import EXCHANGE_KINDS
from autotrader.config.model import Declared
from autotrader.config.risk import RiskLimits
from autotrader.config.strategy import StrategyParams

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas(kinds: Mapping[str, type[StrategyParams]]) -> Mapping[str, dict[str, Any]]:
    """Return each schema by its file's name: daemon, strategy (one of the given kinds), exchange and risk."""
    return {
        "daemon.json": _one(DaemonSettings, "The daemon's own settings"),
        "strategy.json": _any_of(kinds, "A strategy"),
        "exchange.json": _any_of(EXCHANGE_KINDS, "An exchange"),
        "risk.json": _one(RiskLimits, "Risk limits"),
    }


def _one(model: type[Declared], title: str) -> dict[str, Any]:
    return {"$schema": DIALECT, **_schema(model), "title": title}


def _any_of(models: Mapping[str, type[Declared]], title: str) -> dict[str, Any]:
    """Return a schema that the `kind` key directs, so that an editor tells only what concerns the written kind."""
    definitions: dict[str, Any] = {}
    rules: list[dict[str, Any]] = []
    for kind in sorted(models):
        schema = _schema(models[kind])
        definitions |= schema.pop("$defs", {})
        schema["properties"]["kind"] = {"const": kind, "description": "What it is."}
        schema["required"] = sorted({*schema.get("required", ()), "kind"})
        definitions[f"kind:{kind}"] = schema
        written = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
        rules.append({"if": written, "then": {"$ref": f"#/$defs/kind:{kind}"}})
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": sorted(models), "description": "What it is."}},
        "allOf": rules,
        "$defs": dict(sorted(definitions.items())),
    }


class _Written(GenerateJsonSchema):
    """Defaults as they are written in YAML (`30s`, not 30000), and exact numbers as numbers, not as text."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner: Any = schema["schema"]
        while "serialization" not in inner and "schema" in inner:
            inner = inner["schema"]
        show = inner.get("serialization", {}).get("function")
        if show is None or schema.get("default") is None:
            return super().default_schema(schema)
        return {**self.generate_inner(schema["schema"]), "default": show(schema["default"])}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        number: JsonSchemaValue = super().decimal_schema(schema)["anyOf"][0]
        return number


def _schema(model: type[Declared]) -> dict[str, Any]:
    schema: dict[str, Any] = _tidy(model.model_json_schema(by_alias=True, schema_generator=_Written))
    return schema


def _tidy(node: Any) -> Any:
    """Drop what YAML cannot say: an empty value is refused, so `null` is neither a type nor a default."""
    if isinstance(node, list):
        return [_tidy(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _tidy(part) for key, part in node.items() if not (key == "default" and part is None)}
    options = kept.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        options = [option for option in options if option != {"type": "null"}]
        kept.pop("anyOf")
        kept = {**options[0], **kept} if len(options) == 1 else {**kept, "anyOf": options}
    return kept
