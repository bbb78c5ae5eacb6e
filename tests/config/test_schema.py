"""The editors' schemas say what the loader does."""

from __future__ import annotations

import json
import re

import pytest

from autotrader.config.schema import schemas


@pytest.fixture
def all_schemas(kinds):
    return schemas(kinds)


def test_every_kind_of_file_has_its_schema(all_schemas):
    assert set(all_schemas) == {"daemon.json", "strategy.json", "exchange.json", "risk.json"}
    json.dumps(all_schemas)


def objects(node):
    if isinstance(node, dict):
        if "properties" in node and "if" not in node and node.get("type") == "object":
            yield node
        for part in node.values():
            yield from objects(part)
    elif isinstance(node, list):
        for part in node:
            yield from objects(part)


def test_every_key_is_described_and_every_object_is_closed(all_schemas):
    for schema in all_schemas.values():
        for node in objects(schema):
            if "allOf" not in node:
                assert node["additionalProperties"] is False
            missing = [name for name, key in node["properties"].items() if not key.get("description")]
            assert not missing, (node.get("title"), missing)


def test_patterns_accept_their_own_examples_and_defaults(all_schemas):
    checked = 0
    for schema in all_schemas.values():
        for node in objects(schema):
            for key in node["properties"].values():
                for example in [*key.get("examples", ()), key.get("default")]:
                    if "pattern" in key and isinstance(example, str):
                        checked += 1
                        assert re.search(key["pattern"], example), key
    assert checked > 20


def test_defaults_are_written_as_in_yaml(all_schemas):
    risk = all_schemas["exchange.json"]["$defs"]["kind:simulated"]["properties"]
    assert (risk["latency"]["default"], risk["slippage"]["default"]) == ("50ms", "0.02%")


def test_no_schema_offers_an_empty_value(all_schemas):
    assert '"null"' not in json.dumps(all_schemas)


def test_every_reference_leads_somewhere(all_schemas):
    for schema in all_schemas.values():
        for reference in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)):
            assert reference in schema["$defs"]


def test_the_strategy_schema_is_directed_by_the_kind(all_schemas):
    schema = all_schemas["strategy.json"]
    assert schema["properties"]["kind"]["enum"] == ["grid", "rules"]
    assert "kind" in schema["$defs"]["kind:rules"]["required"]
    assert {"exchange", "symbols", "on_remove"} <= set(schema["$defs"]["kind:rules"]["required"])
