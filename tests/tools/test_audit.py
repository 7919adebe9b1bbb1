"""The audit: a fault fails the build, and an answer that nobody gave is no answer."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import audit

LOCK = Path("requirements/runtime.txt")
FINE = {"name": "a", "version": "1", "vulns": []}
FAULT = {"id": "CVE-1", "fix_versions": ["2.1"], "aliases": [], "description": ""}
FAULTY = {"name": "b", "version": "2", "vulns": [FAULT]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


def answered(monkeypatch: pytest.MonkeyPatch, *packages: dict[str, Any]) -> None:
    said = json.dumps({"dependencies": packages, "fixes": []})
    ended = subprocess.CompletedProcess([], 0, said, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)


def test_a_known_fault_fails_and_names_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(monkeypatch, FINE, FAULTY, SKIPPED)
    assert audit.audit(LOCK) == 1
    told = capsys.readouterr().out
    assert "b 2: CVE-1, mended in 2.1" in told
    assert "2 of 3 checked, 1 known faults" in told


def test_nothing_known_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, FINE)
    assert audit.audit(LOCK) == 0


@pytest.mark.parametrize("packages", [(SKIPPED,), ()], ids=["all skipped", "nothing"])
def test_a_database_out_of_reach_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    packages: tuple[dict[str, Any], ...],
) -> None:
    answered(monkeypatch, *packages)
    assert audit.audit(LOCK) == 0
    told = capsys.readouterr().out
    assert told == f"audit: {LOCK}: NOT CHECKED, the database of advisories is out of reach\n"


def test_silence_and_junk_are_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("pip-audit", 1)

    monkeypatch.setattr(subprocess, "run", silent)
    assert audit.audit(LOCK) == 0
    broken = subprocess.CompletedProcess([], 1, "", "ConnectionError")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: broken)
    assert audit.audit(LOCK) == 0
    assert capsys.readouterr().out.count("NOT CHECKED") == 2
