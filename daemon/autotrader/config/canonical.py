"""One text for each meaning: comments, order of keys, spelling of units and left-out defaults make no difference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from autotrader.core.units import plain


def canonical(declared: BaseModel) -> str:
    """Return a validated object as stable JSON: defaults filled in, one spelling a quantity, secrets by reference."""
    return json.dumps(tree(declared), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def tree(declared: BaseModel) -> dict[str, Any]:
    """Return a validated object as plain values; a key without a value is left out."""
    return {key: _plain(value) for key, value in declared.model_dump(by_alias=True, exclude_none=True).items()}


def digest(forms: Mapping[str, str]) -> str:
    """Return the hash of canonical forms by name, as hexadecimal SHA-256."""
    total = hashlib.sha256()
    for name in sorted(forms):
        for part in (name, forms[name]):
            data = part.encode()
            total.update(len(data).to_bytes(8, "big"))
            total.update(data)
    return total.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
