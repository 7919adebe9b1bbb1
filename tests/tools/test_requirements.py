"""The lock files: all dependencies, hashed, and no word on where packages come from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = PROJECT["dependencies"]
LOCKS = {"runtime.txt": RUNTIME, "dev.txt": RUNTIME + PROJECT["optional-dependencies"]["dev"]}


def blocks(lock: str) -> list[str]:
    text = (ROOT / "requirements" / lock).read_text()
    return re.split(r"^(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_it_names_no_registry(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links| @ ", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_with_hashes(lock: str) -> None:
    for block in filter(None, blocks(lock)):
        assert re.match(r"[a-z0-9.\[\],-]+==\S+ ", block)
        assert "--hash=sha256:" in block


@pytest.mark.parametrize("lock", LOCKS)
def test_it_has_every_dependency(lock: str) -> None:
    locked = {re.split(r"[\[=]", block)[0] for block in blocks(lock)}
    asked = {re.split(r"[\[=<>;]", name)[0] for name in LOCKS[lock]}
    assert asked <= locked
