"""Only what a broken time-skipping server broke is run again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lost_clock import EXIT_AGAIN, SAID

CONFTEST = 'pytest_plugins = ["tests.lost_clock"]\n'
BREAKS = f"def test_it():\n    print('{SAID}')\n    assert False\n\n\n"
FOLLOWS = "def test_the_next():\n    assert False\n\n\n"
PASSES = "def test_fine():\n    assert True\n\n\n"
ROOT = Path(__file__).parents[1]


def run(folder: Path, workers: int, **modules: str) -> int:
    """How a session of these modules ends."""
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in modules.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "--dist", "loadfile"]
    options = ["--rootdir", str(folder), "--confcutdir", str(folder), str(folder)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run([*command, *options], cwd=folder, env=environment, check=False).returncode


@pytest.mark.parametrize("workers", [0, 2])
def test_what_fails_on_it_asks_for_another_run(tmp_path: Path, workers: int) -> None:
    assert run(tmp_path, workers, one=PASSES + BREAKS + FOLLOWS, two=PASSES) == EXIT_AGAIN


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failure_elsewhere_is_a_failure(tmp_path: Path, workers: int) -> None:
    assert run(tmp_path, workers, one=BREAKS, two=FOLLOWS) == pytest.ExitCode.TESTS_FAILED
    assert run(tmp_path, workers, one=FOLLOWS + BREAKS, two=PASSES) == pytest.ExitCode.TESTS_FAILED


def test_that_all_is_well_stays_so(tmp_path: Path) -> None:
    assert run(tmp_path, 2, one=PASSES, two=PASSES) == pytest.ExitCode.OK
