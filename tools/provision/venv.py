"""The virtual environment, from the lock file with its hashes."""

import contextlib
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.provision.console import Source, first_of, run, say
from tools.provision.locks import incoming, locked
from tools.provision.places import ROOT, VENV, VENV_PYTHON, cached, existing, on_path

LOCK: Final = ROOT / "requirements" / "dev.txt"
STAMP: Final = VENV / "provisioned"
PIP_INSTALL: Final = ("-m", "pip", "install", "--quiet", "--require-hashes", "--retries", "2", "-r")
INSTALL_SECONDS: Final = 1200.0
CREATE_SECONDS: Final = 120.0


def ensure_venv() -> None:
    """Make `.venv` hold exactly what the lock file says; instant when it does already."""
    if not is_current():
        with locked("venv"):
            if not is_current():
                install()
    say("venv: ready")


def is_current() -> bool:
    """Whether the environment was made from this lock, by this Python, at this place."""
    return STAMP.is_file() and VENV_PYTHON.exists() and STAMP.read_text() == wanted()


def wanted() -> str:
    """What the stamp of a current environment says."""
    made_of = f"{sys.version} {ROOT} ".encode() + LOCK.read_bytes()
    return hashlib.sha256(made_of).hexdigest()


def install() -> None:
    """Install by uv, or by pip where no uv can be had; raises Failed."""
    STAMP.unlink(missing_ok=True)
    if VENV.exists() and not same_python():
        shutil.rmtree(VENV)
    first_of("venv", sources())
    STAMP.write_text(wanted())


def sources() -> list[Source]:
    """Where an installer comes from, the nearest first."""
    found = on_path("uv")
    ours = cached(f"uv-{uv_version()}")
    return [
        *([Source(f"uv on PATH ({found})", lambda: by_uv(found))] if found else []),
        Source(
            f"uv {uv_version()}, kept in our cache", lambda: by_uv(existing(ours) or fetch_uv(ours))
        ),
        Source("pip alone (slower)", by_pip),
    ]


def by_uv(uv: Path) -> None:
    """Make the environment what the lock says; raises Failed."""
    if not VENV_PYTHON.exists():
        run([str(uv), "venv", "--quiet", "--python", python(), str(VENV)], seconds=CREATE_SECONDS)
    target = ("--python", str(VENV_PYTHON))
    run(
        [str(uv), "pip", "sync", "--quiet", "--require-hashes", *target, str(LOCK)],
        seconds=INSTALL_SECONDS,
        folder=ROOT,
    )


def by_pip() -> None:
    """Install what the lock says; raises Failed."""
    create_venv(VENV)
    run([str(VENV_PYTHON), *PIP_INSTALL, str(LOCK)], seconds=INSTALL_SECONDS, folder=ROOT)


def fetch_uv(place: Path) -> Path:
    """Put the uv that the lock names into the cache; raises Failed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with incoming("venv") as folder:
        requirement = folder / "uv.txt"
        requirement.write_text("".join(uv_requirement()))
        create_venv(folder / "venv")
        made = folder / "venv" / "bin"
        run([str(made / "python"), *PIP_INSTALL, str(requirement)], seconds=INSTALL_SECONDS)
        (made / "uv").replace(place)
    return place


def create_venv(place: Path) -> None:
    """An environment with pip in it; raises Failed."""
    run([python(), "-m", "venv", str(place)], seconds=CREATE_SECONDS)


def uv_requirement() -> list[str]:
    """The lines of the lock that name uv and its hashes."""
    lines = LOCK.read_text().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if line.startswith("uv=="))
    last = next(n for n, line in enumerate(lines) if n > first and not line.startswith(" "))
    return lines[first:last]


def uv_version() -> str:
    """The version of uv that the lock names."""
    return uv_requirement()[0].split()[0].removeprefix("uv==")


def python() -> str:
    """The Python that environments are made from, also when we run inside one."""
    base: str = getattr(sys, "_base_executable", sys.executable)
    return base


def same_python() -> bool:
    """Whether the environment that is there runs, and on this version."""
    ask = [str(VENV_PYTHON), "-c", "import sys; print(sys.version)"]
    with contextlib.suppress(OSError):
        told = subprocess.run(ask, check=False, capture_output=True, text=True)
        return told.stdout.strip() == sys.version
    return False
