"""Every input that ever opened a new way through a reader, or broke one, is read again."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tools.fuzz.targets import TARGETS

CORPORA = Path(__file__).parent / "corpora"
KEPT_BYTES_MAX = 1_000_000


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_corpus_breaks_nothing(name: str) -> None:
    inputs = sorted((CORPORA / name).iterdir())
    assert inputs
    for file in inputs:
        TARGETS[name](file.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_and_the_longest_break_nothing(name: str) -> None:
    for data in (b"", b"\x00", b"<" * 20_000, b"[" * 20_000, b"9" * 20_000, b"\xff" * 20_000):
        TARGETS[name](data)


def test_the_corpora_are_small_and_each_has_its_target() -> None:
    assert {folder.name for folder in CORPORA.iterdir()} == set(TARGETS)
    assert sum(file.stat().st_size for file in CORPORA.rglob("*")) < KEPT_BYTES_MAX


def test_the_fuzzer_is_here() -> None:
    if find_spec("atheris") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no atheris in CI: nothing was fuzzed")
        pytest.skip("atheris has no wheel for this system: corpora are replayed, nothing is fuzzed")
