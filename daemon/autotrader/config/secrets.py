"""Secrets: looked up where a declaration names them, never shown anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from autotrader.config.files import read_regular
from autotrader.config.yaml import Flaw

MAX_SECRET_BYTES = 64 * 1024
MIN_SECRET_CHARACTERS = 4
"""A shorter secret could not be kept out of a log without mangling every other word; it is refused."""

PATTERN = r"^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[A-Za-z0-9_][A-Za-z0-9_.-]*)\}$"
_REFERENCE = re.compile(r"\$\{(env|file):([A-Za-z0-9_][A-Za-z0-9_.-]*)\}")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Redactor = Callable[[str], str]


class Secret:
    """A secret's value, which only `reveal` gives away; everything else shows its reference."""

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str, value: str) -> None:
        self.reference = reference
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    def __str__(self) -> str:
        return self.reference

    def __format__(self, spec: str) -> str:
        return format(self.reference, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.reference, self._value) == (other.reference, other._value)

    def __hash__(self) -> int:
        return hash(self.reference)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: the process that needs it looks it up itself")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": PATTERN, "examples": ["${file:dashboard_password}", "${env:TOKEN}"]}


class SecretSource:
    """Where secrets come from: the environment, systemd's credentials, and `secrets/` in the configuration folder."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self._root = root
        self._environ = environ
        self._found: dict[str, str] = {}
        self.asked = 0

    def look_up(self, reference: str) -> Secret:
        """Return the secret that `${env:NAME}` or `${file:NAME}` names. Raises LookupError with message and hint."""
        self.asked += 1
        match = _REFERENCE.fullmatch(reference)
        if not match or (match[1] == "env" and not _ENVIRONMENT_NAME.fullmatch(match[2])):
            hint = "write ${env:NAME} or ${file:NAME}"
            if reference.startswith("${"):
                raise LookupError("this is no reference to a secret", hint)
            hint = "put it into secrets/NAME, chmod 600 it, and write ${file:NAME}"
            raise LookupError("a secret is not written into a declaration", hint)
        value = self._from_environment(match[2]) if match[1] == "env" else self._from_file(match[2])
        if len(value) < MIN_SECRET_CHARACTERS:
            found = "is empty" if not value else f"has fewer than {MIN_SECRET_CHARACTERS} characters"
            raise LookupError(f"the secret {reference} {found}", "give it a longer value")
        self._found[reference] = value
        return Secret(reference, value)

    def redactor(self) -> Redactor:
        """Return the function that replaces every secret found so far, escaped forms too, by its reference."""
        return redactor(self._found)

    def _from_environment(self, name: str) -> str:
        value = self._environ.get(name)
        if value is None:
            raise LookupError(f"the environment variable {name} is not set", f"set {name} before the daemon starts")
        return value

    def _from_file(self, name: str) -> str:
        credentials = self._environ.get("CREDENTIALS_DIRECTORY")
        if credentials and _lies_there(Path(credentials) / name):
            return _text(read_regular(Path(credentials) / name, MAX_SECRET_BYTES), name, private=False)
        path = self._root / "secrets" / name
        if not _lies_there(path):
            hint = f"create secrets/{name} with the value and chmod 600 it"
            raise LookupError(f"there is no secret file secrets/{name}", hint)
        return _text(read_regular(path, MAX_SECRET_BYTES), name, private=True)


def redactor(values: Mapping[str, str]) -> Redactor:
    """Return a function that replaces secret values by their references, JSON- and URL-escaped forms too."""
    forms: dict[str, str] = {}
    for reference, value in values.items():
        for form in (
            value,
            json.dumps(value)[1:-1],
            json.dumps(value, ensure_ascii=False)[1:-1],
            quote(value, safe=""),
        ):
            forms[form] = reference
    if not forms:
        return str
    pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda match: forms[match[0]], text)


def _lies_there(path: Path) -> bool:
    """Whether there is such a file; one that may not even be looked for is left to the reading, which tells why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _text(found: tuple[bytes, object, int] | Flaw, name: str, *, private: bool) -> str:
    where = f"secrets/{name}" if private else f"the credential {name}"
    if isinstance(found, Flaw):
        raise LookupError(f"{where} is no secret: {found.message}", found.hint)  # noqa: TRY004  a bad file, no bad type
    data, _, mode = found
    if private and mode & 0o077:
        raise LookupError(f"{where} can be read by others (mode {mode:o})", f"chmod 600 {where}")
    if len(data) > MAX_SECRET_BYTES:
        raise LookupError(f"{where} is larger than {MAX_SECRET_BYTES // 1024} KiB", "a secret is one short text")
    try:
        return data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise LookupError(f"{where} is not UTF-8 text", "save it as plain text") from None


def _validated(value: Any, info: core_schema.ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    source = (info.context or {}).get("secrets")
    if not (isinstance(value, str) and isinstance(source, SecretSource)):
        message, hint = "a secret is not written into a declaration", "write ${env:NAME} or ${file:NAME}"
        raise PydanticCustomError("declared", "{message}", {"message": message, "hint": hint})
    try:
        return source.look_up(value)
    except LookupError as error:
        message, hint = error.args
        raise PydanticCustomError("declared", "{message}", {"message": message, "hint": hint}) from None
