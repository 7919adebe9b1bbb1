"""Runs the witness in Node, provisioned once into the user's cache."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MANIFESTS = ("package.json", "package-lock.json")
INSTALL_SECONDS = 300
RUN_SECONDS = 60


def provisioned() -> Path:
    """The folder of the locked npm packages; installed on the first call.

    Without Node, npm or their registry the test is skipped, in CI failed.
    """
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        _cannot(f"{' and '.join(missing)} not on PATH")
    folder = _cache() / f"witnesses-{_fingerprint()}"
    if not folder.is_dir():
        _install(folder)
    return folder / "node_modules"


def ask(*tasks: dict[str, Any], trust: Path | None = None) -> list[Any]:
    """What wechatpay-axios-plugin makes of the tasks; `trust` is a CA that Node accepts."""
    environment = {**os.environ, "NODE_PATH": str(provisioned()), "no_proxy": "127.0.0.1"}
    if trust:
        environment["NODE_EXTRA_CA_CERTS"] = str(trust)
    done = subprocess.run(
        ["node", str(HERE / "witness.cjs")], input=json.dumps(tasks), env=environment, text=True,
        capture_output=True, timeout=RUN_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "wechat-order-flow"


def _fingerprint() -> str:
    content = b"".join((HERE / name).read_bytes() for name in MANIFESTS)
    return hashlib.sha256(content).hexdigest()[:16]


def _install(folder: Path) -> None:
    """Install beside the target and rename, so that two runs at once do not meet half-way."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workshop:
        half = Path(workshop) / "witnesses"
        half.mkdir()
        for name in MANIFESTS:
            shutil.copy(HERE / name, half)
        _npm_ci(half)
        try:
            half.rename(folder)
        except OSError:
            # Another run was faster, and what it made is the same.
            assert folder.is_dir()


def _npm_ci(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=folder, text=True, capture_output=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode != 0:
        _cannot(f"npm ci failed: {done.stderr.strip()[-400:]}")


def _cannot(reason: str) -> None:
    message = f"the Node witness cannot testify: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
