"""Habits of the house that no other tool checks."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio import activity

from activities.benefits import Benefits
from activities.channel import Channel
from activities.reconciliation import Reconciler
from activities.records import Records
from activities.webhooks import Webhooks

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "activities", "api", "db", "domain", "simulator", "telemetry", "tools", "wechat", "workflows",
)  # fmt: skip
FILES = sorted(path for package in PACKAGES for path in ROOT.glob(f"{package}/**/*.py"))
LINES_MAX = 600
SANDBOXED = sorted(ROOT.glob("workflows/*.py"))
HEAVY = {"sqlalchemy", "sqlmodel", "httpx", "fastapi", "db", "wechat"}


def test_a_file_fits_one_sitting() -> None:
    long = {
        path.relative_to(ROOT): count
        for path in FILES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert long == {}


def test_packages_that_workflows_import_start_nothing() -> None:
    inits = [ROOT / name / "__init__.py" for name in ("activities", "domain", "workflows")]
    assert [path for path in inits if path.read_text(encoding="utf-8").strip()] == []


@pytest.mark.parametrize("path", SANDBOXED, ids=lambda path: path.stem)
def test_the_sandbox_loads_nothing_heavy(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed_through = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    exempt = {id(one) for node in passed_through for one in ast.walk(node)}
    bare = {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and id(node) not in exempt
    }
    assert bare & (HEAVY | {"activities", "domain"}) == set()


@pytest.mark.parametrize("owner", [Benefits, Channel, Reconciler, Records, Webhooks])
def test_no_activity_is_torn_out_of_what_its_thread_is_doing(owner: type) -> None:
    """An exception thrown into SQLAlchemy's first use left a worker that could write no more."""
    made = [activity._Definition.from_callable(one) for one in vars(owner).values()]
    torn = [
        one.name for one in made if one and not (one.is_async or one.no_thread_cancel_exception)
    ]
    assert torn == []


def test_every_public_name_is_used_somewhere() -> None:
    """A name that stands once in the whole tree is defined and never used."""
    code = {path: path.read_text(encoding="utf-8") for path in ROOT.glob("**/*.py") if _ours(path)}
    words = re.findall(r"\w+", "\n".join(code.values()))
    counted: dict[str, int] = {}
    for word in words:
        counted[word] = counted.get(word, 0) + 1
    defined = [
        (path.relative_to(ROOT).as_posix(), node.name)
        for path in FILES
        for node in ast.parse(code[path]).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.decorator_list
        and node.name != "__getattr__"
    ]
    assert [(path, name) for path, name in defined if counted[name] == 1] == []


def test_the_worker_names_a_wrong_setting_in_one_line(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(ROOT / "worker.py")],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "WECHAT_APPID": "wx1", "WECHAT_MCH_ID": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (2, "worker: WECHAT_API_KEY: Field required\n")


def _ours(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
