"""Where things are, on PATH and in our cache."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
VENV: Final = ROOT / ".venv"
VENV_PYTHON: Final = VENV / "bin" / "python"


@dataclass(frozen=True)
class Paths:
    """The programs found on this machine; None for one that is not there (yet)."""

    temporal: Path | None
    test_server: Path | None
    temporal_server: Path | None
    temporal_sql_tool: Path | None
    promtool: Path | None


def paths() -> Paths:
    """Look on PATH and in our cache; cheap, downloads nothing."""
    return Paths(
        temporal=on_path("temporal") or existing(cached("temporal")),
        test_server=existing(cached("temporal-test-server")),
        temporal_server=existing(cached("temporal-server")),
        temporal_sql_tool=existing(cached("temporal-sql-tool")),
        promtool=on_path("promtool") or existing(cached("promtool")),
    )


def cache() -> Path:
    """Our folder outside the work tree, shared by every clone."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "wechat-order-flow"


def cached(program: str) -> Path:
    """Where a program is kept in the cache, whether it is there or not."""
    return cache() / "bin" / program


def on_path(program: str) -> Path | None:
    """The program, if PATH leads to it."""
    found = shutil.which(program)
    return Path(found) if found else None


def existing(program: Path) -> Path | None:
    """The program, if it can be run."""
    return program if os.access(program, os.X_OK) else None
