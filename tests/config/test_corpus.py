"""Every bad configuration of the corpus is refused with exactly its message, at exactly its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.case"))


def parts(case: Path) -> tuple[dict[str, str], list[str], str]:
    """Return a case's files, the files it removes, and the messages it expects."""
    head, *blocks = case.read_text(encoding="utf-8").split("\n--- ")
    assert head.endswith("."), f"{case.name} must begin with a sentence that names its cause"
    named = [block.partition("\n") for block in blocks]
    files = {name: body + "\n" * bool(body) for name, _, body in named if not name.startswith(("remove ", "expect"))}
    removed = [name.removeprefix("remove ") for name, _, _ in named if name.startswith("remove ")]
    return files, removed, named[-1][2].rstrip("\n")


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.stem)
def test_is_refused_with_its_message_at_its_place(case, folder, loading, corpus_render):
    files, removed, expected = parts(case)
    root = folder(files)
    for name in removed:
        (root / name).unlink()
    loaded = loading(root)
    told = corpus_render(loaded)
    if os.environ.get("CORPUS_WRITE"):  # rewrites the expectations, for a person to read in the diff
        case.write_text(case.read_text(encoding="utf-8").partition("\n--- expect\n")[0] + f"\n--- expect\n{told}\n")
        return
    assert told == expected
    assert loaded.warnings if loaded.declarations else loaded.problems


def test_the_corpus_holds_at_least_sixty_different_causes():
    messages = [parts(case)[2] for case in CORPUS]
    assert len(set(messages)) == len(messages) >= 60
