"""The strict YAML reader: YAML 1.2 core values, exact numbers, marks, and hostile input that ends quickly."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrader.config.nodes import Mapping, Scalar, inside, lines_of, plain
from autotrader.config.yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, read


def value(text):
    document = read(f"key: {text}\n".encode())
    assert not document.flaws
    return plain(document.root)["key"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("09:30", "09:30"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-3", -3),
        ("1e-3", Decimal("0.001")),
        ("0.1", Decimal("0.1")),
        (".5", Decimal("0.5")),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_values_follow_the_core_rules_of_yaml_1_2(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@settings(deadline=None)
@given(st.decimals(min_value=Decimal("-1e15"), max_value=Decimal("1e15"), places=8))
def test_numbers_are_exact(number):
    assert value(format(number, "f")) == number


def test_a_byte_order_mark_is_skipped_and_columns_stay_right():
    document = read(b"\xef\xbb\xbfkey: 1\n")
    assert plain(document.root) == {"key": 1}
    assert document.root.entries["key"][0].span[:2] == (0, 0)


def test_marks_tell_key_and_value_apart():
    document = read("a:\n  b: {c: 한글}\n".encode())
    _, b = document.root.entries["a"]
    key, braces = b.entries["b"]
    _, word = braces.entries["c"]
    assert key.span == (1, 2, 1, 3)
    assert word.span == (1, 9, 1, 11)


def test_an_alias_repeats_its_value():
    document = read(b"a: &one [1, 2]\nb: *one\n")
    assert plain(document.root) == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"\n\n", b"---\n"])
def test_a_file_without_values_is_empty_and_not_wrong(data):
    document = read(data)
    assert not document.flaws
    assert document.root is None or plain(document.root) is None


def flaws(data):
    return [flaw.message for flaw in read(data).flaws]


def test_other_encodings_are_named():
    assert flaws("kind: rules".encode("utf-16")) == ["the file is UTF-16, not UTF-8"]
    document = read(b"name: a\nplace: caf\xe9\n")
    assert document.flaws[0].message == "byte 0xe9 at offset 18 is not UTF-8"
    assert document.flaws[0].span[:2] == (1, 10)


def test_control_characters_are_refused_at_their_place():
    flaw = read(b"a: 1\nb: x\x00y\n").flaws[0]
    assert flaw.message == "the character U+0000 is not allowed in YAML"
    assert flaw.span[:2] == (1, 4)


def test_all_structural_problems_are_told_at_once():
    data = b"a: 1\na: 2\n3: x\nb: !t y\nc: *z\nd: .nan\n"
    assert len(flaws(data)) == 5


def test_a_syntax_error_keeps_the_problems_before_it():
    assert flaws(b"a: 1\na: 2\nb: [\n")[0] == "duplicate key 'a'"


def test_nesting_is_bounded_at_its_limit():
    assert not flaws(b"k: " + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1))
    assert flaws(b"k: " + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) == [f"nesting is deeper than {MAX_DEPTH} levels"]


def test_aliases_cannot_nest_deeper_than_brackets_may():
    half = b"[" * 20 + b"1" + b"]" * 20
    data = b"a: &a " + half + b"\nb: " + b"[" * 20 + b"*a" + b"]" * 20
    assert flaws(data) == [f"the aliases here expand to more than {MAX_NODES} values or {MAX_DEPTH} levels"]


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 9)) for i in range(8)
)
HOSTILE = {
    "alias bomb": (BOMB, f"the aliases here expand to more than {MAX_NODES} values or {MAX_DEPTH} levels"),
    "100,000 brackets": (b"[" * 100_000, f"nesting is deeper than {MAX_DEPTH} levels"),
    "100,000 braces": (b"{" * 100_000, f"nesting is deeper than {MAX_DEPTH} levels"),
    "100,000 dashes": (b"- " * 100_000, f"nesting is deeper than {MAX_DEPTH} levels"),
    "100,000 question marks": (b"? " * 100_000, f"nesting is deeper than {MAX_DEPTH} levels"),
    "10 MB": (b"x" * 10_000_000, f"the file is larger than {MAX_BYTES // 1024} KiB"),
    "too many values": (b"[" + b"a," * 100_000 + b"]", f"more than {MAX_NODES} values in one file"),
    "too many problems": (b"a: 1\n" * 40_000, "more than 100 problems in this file"),
    "a number of 200,000 digits": (b"a: " + b"9" * 200_000, "is no sensible quantity"),
    "an open quote": (b'"' + b"\\\\" * 100_000, "this quote is never closed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused(name):
    data, message = HOSTILE[name]
    started_s = time.process_time()
    found = flaws(data)
    assert message in found[-1]
    assert time.process_time() - started_s < 10, "a blow-up takes minutes, or kills the process"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data):
    document = read(data)
    assert document.root is None or plain(document.root) is not None or isinstance(document.root, Scalar)


@settings(max_examples=300, deadline=None)
@given(st.text("{}[]:,-&*!|>'\"%@`#? \n\tab1${}()<", max_size=60))
def test_no_sequence_of_yaml_signs_crashes_the_reader(text):
    document = read(text.encode())
    for flaw in document.flaws:
        assert flaw.span is None or 0 <= flaw.span.line <= text.count("\n") + 1


def place(text, word):
    """Return where `word` of the first key's value is found to stand, and the same by searching the text."""
    document = read(text.encode())
    assert isinstance(document.root, Mapping)
    node = next(iter(document.root.entries.values()))[1]
    lines = lines_of(text)
    span, exact = inside(node, node.value.index(word), len(word), lines)
    line = next(number for number, line in enumerate(lines) if word in line)
    return (span.line, span.column, exact), (line, lines[line].index(word), True)


@pytest.mark.parametrize(
    "text",
    [
        "k: close > rsii(close)\n",
        "k: 'close > rsii(close)'\n",
        "k: 'it''s > rsii(close)'\n",
        'k: "close > rsii(close)"\n',
        "k: |\n  close > 1\n  and rsii(close)\n",
        "k: >\n  close > 1\n  and rsii(close)\n",
        "k: >-\n    close > 1 and\n    rsii(close)\n\nj: 1\n",
        "k: close > 1\n  and rsii(close)\n",
        "k: {a: 1}\n".replace("{a: 1}", "close > rsii(close) # comment"),
    ],
)
def test_a_word_inside_a_value_is_found_in_the_file(text):
    found, searched = place(text, "rsii")
    assert found == searched


def test_where_escapes_hide_the_place_the_start_is_given():
    found, _ = place('k: "tab\\t rsii"\n', "rsii")
    assert found == (0, 3, False)
