"""A secret is looked up where it is named, and its value is shown nowhere."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.config.canonical import canonical
from autotrader.config.daemon import DaemonSettings
from autotrader.config.secrets import Secret, SecretSource, redactor

VALUE = "correct-horse"


def secret_file(root, name="token", value=VALUE, mode=0o600):
    (root / "secrets").mkdir(exist_ok=True)
    path = root / "secrets" / name
    path.write_text(value + "\n")
    path.chmod(mode)
    return path


def refusal(source, reference):
    with pytest.raises(LookupError) as caught:
        source.look_up(reference)
    return caught.value.args


def test_the_environment_is_looked_up(tmp_path):
    assert SecretSource(tmp_path, {"TOKEN": VALUE}).look_up("${env:TOKEN}").reveal() == VALUE


def test_a_file_in_secrets_is_looked_up_without_its_line_end(tmp_path):
    secret_file(tmp_path)
    assert SecretSource(tmp_path, {}).look_up("${file:token}").reveal() == VALUE


def test_a_systemd_credential_goes_first(tmp_path):
    secret_file(tmp_path)
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "token").write_text("from-systemd")
    source = SecretSource(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert source.look_up("${file:token}").reveal() == "from-systemd"


def test_a_file_that_cannot_even_be_looked_at_is_told_as_what_it_is(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").symlink_to("token")
    message, _ = refusal(SecretSource(tmp_path, {}), "${file:token}")
    assert message == "secrets/token is no secret: this symlink leads back to itself"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_refused_with_the_remedy(tmp_path, mode):
    secret_file(tmp_path, mode=mode)
    message, hint = refusal(SecretSource(tmp_path, {}), "${file:token}")
    assert message == f"secrets/token can be read by others (mode {mode:o})"
    assert hint == "chmod 600 secrets/token"


@pytest.mark.parametrize("name", ["file:../token", "file:a/b", "file:.hidden", "env:A-B", "x", "env:"])
def test_a_reference_cannot_lead_elsewhere(tmp_path, name):
    assert refusal(SecretSource(tmp_path, {}), f"${{{name}}}")[0] == "this is no reference to a secret"


def test_a_short_secret_is_refused_because_no_log_could_hide_it(tmp_path):
    message, _ = refusal(SecretSource(tmp_path, {"PIN": "123"}), "${env:PIN}")
    assert message == "the secret ${env:PIN} has fewer than 4 characters"


def test_a_folder_is_no_secret(tmp_path):
    (tmp_path / "secrets" / "token").mkdir(parents=True)
    message, _ = refusal(SecretSource(tmp_path, {}), "${file:token}")
    assert message == "secrets/token is no secret: this is a directory, not a file"


def test_a_binary_file_is_no_secret(tmp_path):
    secret_file(tmp_path).write_bytes(b"\xff\xfe\x00\x01")
    assert refusal(SecretSource(tmp_path, {}), "${file:token}")[0] == "secrets/token is not UTF-8 text"


def test_no_way_of_showing_a_secret_shows_its_value():
    secret = Secret("${env:TOKEN}", VALUE)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", repr([secret]), repr({"a": secret})]
    assert not [text for text in shown if VALUE in text]
    assert copy.deepcopy(secret) is copy.copy(secret) is secret
    assert not hasattr(secret, "__dict__")
    for export in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError):
            export(secret)


def test_a_declaration_shows_the_reference_only(tmp_path):
    source = SecretSource(tmp_path, {"PASSWORD": VALUE})
    tree = {"dashboard": {"password": "${env:PASSWORD}"}}
    settings = DaemonSettings.model_validate(tree, context={"secrets": source})
    assert settings.dashboard.password.reveal() == VALUE
    for text in (repr(settings), str(settings.model_dump()), settings.model_dump_json(), canonical(settings)):
        assert VALUE not in text
        assert "${env:PASSWORD}" in text


def test_no_error_shows_a_secret_that_was_written_out(folder, loading, corpus_render):
    root = folder({"autotrader.yaml": f"dashboard:\n  password:\n    {VALUE}\n  pasword: {VALUE}\n  secret: [\n"})
    assert VALUE not in corpus_render(loading(root))
    root = folder({"autotrader.yaml": f"dashboard:\n  password: {VALUE}\n  port: a\n"})
    assert VALUE not in corpus_render(loading(root))


def test_the_redactor_replaces_escaped_forms_too():
    redact = redactor({"${env:A}": 'pass"wörd/1', "${env:B}": 'pass"wörd/1-longer'})
    document = json.dumps({"a": 'pass"wörd/1'})
    text = f'{document} pass%22w%C3%B6rd%2F1 pass"wörd/1-longer'
    assert redact(text) == '{"a": "${env:A}"} ${env:A} ${env:B}'


@settings(deadline=None)
@given(st.text(min_size=4, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_redacted_text_never_holds_the_secret(value, before, after):
    redact = redactor({"${env:X}": value})
    assert value not in redact(before + value + after) or value in "${env:X}"


def test_a_load_gives_the_redactor_of_its_secrets(folder, loading):
    root = folder({"autotrader.yaml": "dashboard: {password: '${env:PASSWORD}'}\n"})
    loaded = loading(root, environ={"PASSWORD": VALUE})
    assert loaded.redactor(f"login {VALUE}") == "login ${env:PASSWORD}"
    assert loaded.declarations.daemon.dashboard.password.reveal() == VALUE


@pytest.mark.parametrize(
    "text",
    [
        "dashboard:\n  password:@VALUE\n",
        "dashboard:\n  password: @VALUE\n",
        "dashboard:\n  password: !VALUE x\n",
        "dashboard:\n  password: *VALUE\n",
        "dashboard:\n  password: [VALUE(a, b)]\n",
        "dashboard: {password:VALUE, port: 1}\n",
        "dashboard: {port: 1, password:VALUE}\n",
        "dashboard:\n  password: 'VALUE\n",
        "dashboard:\n  password: {VALUE: 1}\n",
        "dashboard:\n  password:\n    - VALUE\n    - VALUE: 1\n      VALUE: 2\n",
        "dashboard_password: VALUE\n",
        "dashboard:\n  password: |\n    VALUE\n   VALUE\n",
        "pasword:VALUE\n",
        "dashboard: {token: VALUE, token: VALUE}\n",
    ],
)
def test_no_message_repeats_a_secret_however_it_is_miswritten(folder, loading, corpus_render, text):
    told = corpus_render(loading(folder({"autotrader.yaml": text.replace("VALUE", VALUE)})))
    assert told
    assert VALUE not in told
    assert VALUE[:7] not in told


def test_a_number_as_a_secret_is_not_repeated_either(folder, loading, corpus_render):
    told = corpus_render(loading(folder({"autotrader.yaml": f"dashboard:\n  password: {'987654' * 8}\n"})))
    assert "98765" not in told
