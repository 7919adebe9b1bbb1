"""Every process of the cluster: what docker-compose.yml starts as containers."""

import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools import postgres, provision
from tools.provision.operations import schema
from tools.stack import (
    HOST,
    OUR_SETTINGS,
    ROOT,
    StackSettings,
    answers,
    free_ports,
    listens,
    says,
    wired,
)
from tools.supervisor import Part, StackError, Supervisor

DEPLOY: Final = ROOT / "deploy"
APIS: Final = ("api-1", "api-2")
WORKERS: Final = ("worker-1", "worker-2")
PORTS: Final = (
    *("balancer", "simulator", "temporal", "postgres", *APIS, *WORKERS),
    *("FRONTEND_HTTP", "FRONTEND_MEMBERSHIP", "MATCHING_GRPC", "MATCHING_MEMBERSHIP"),
    *("HISTORY_GRPC", "HISTORY_MEMBERSHIP", "WORKER_GRPC", "WORKER_MEMBERSHIP"),
)
JOBS: Final = ("migrations", "namespace")
ACCESS: Final = """\
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
BUILT_ON: Final = re.compile(r"GIN \(namespace_id, ")


class Cluster(Supervisor):
    """PostgreSQL, Temporal's server, simulator, two APIs behind a balancer, two workers."""

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        """Nothing starts yet; state and logs go to the folder `data`."""
        self.ports: Final = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.base_url: Final = f"http://{HOST}:{self.ports['balancer']}"
        self.simulator_url: Final = f"http://{HOST}:{self.ports['simulator']}"
        self.temporal_address: Final = f"{HOST}:{self.ports['temporal']}"
        _write_secrets(data / "secrets")
        super().__init__(
            _parts(self.ports, data),
            data / "logs",
            environment=_environment(self.ports, data),
            folder=data,
            say=say,
        )

    @property
    def metrics_urls(self) -> list[str]:
        """Where each API and each worker is asked for its metrics."""
        return [f"http://{HOST}:{self.ports[name]}/metrics" for name in (*APIS, *WORKERS)]


def _environment(ports: Mapping[str, int], data: Path) -> dict[str, str]:
    """What holds for every part: the sandbox, on PostgreSQL, with its passwords in files."""
    settings = StackSettings(
        api_port=ports[APIS[0]],
        simulator_port=ports["simulator"],
        temporal_port=ports["temporal"],
    )
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(OUR_SETTINGS)
    }
    program = provision.paths().temporal
    if program is None:
        raise StackError("the Temporal CLI is missing: make setup")
    path = [str(provision.cached("").parent), str(program.parent), str(postgres.programs())]
    return wired(
        settings,
        others
        | {
            "PATH": os.pathsep.join([*path, os.environ["PATH"]]),
            "PGHOST": HOST,
            "PGPORT": str(ports["postgres"]),
            "PUBLIC_URL": f"http://{HOST}:{ports['balancer']}",
            "DATABASE_URL": f"postgresql+psycopg://shop@{HOST}:{ports['postgres']}/shop",
            "DATABASE_PASSWORD_FILE": str(data / "secrets" / "shop_password"),
            "LOG_FORMAT": "json",
            "SECRETS": str(data / "secrets"),
            "TEMPORAL_NAMESPACE": "default",
        },
        data,
    )


def _write_secrets(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("shop_password", "temporal_password"):
        (folder / name).write_text(secrets.token_urlsafe(24))


def _parts(ports: Mapping[str, int], data: Path) -> list[Part]:
    python = sys.executable
    return [
        _postgres(data / "postgres", ports["postgres"]),
        Part("roles", ["sh", str(DEPLOY / "postgres" / "roles.sh")], after=("postgres",)),
        Part("migrations", [python, "-m", "db", "upgrade"], after=("roles",)),
        *_temporal(ports, data),
        Part("simulator", [python, "-m", "simulator"], ready=listens(ports["simulator"])),
        *(_api(name, ports) for name in APIS),
        *(_worker(name, ports) for name in WORKERS),
        Part(
            "balancer",
            [python, "-m", "tools.cluster.balancer", str(ports["balancer"])]
            + [str(ports[name]) for name in APIS],
            ready=listens(ports["balancer"]),
            after=APIS,
        ),
    ]


def _postgres(data: Path, port: int) -> Part:
    made = postgres.part("postgres", data, port)
    (data / "pg_hba.conf").write_text(ACCESS)
    return made


def _temporal(ports: Mapping[str, int], data: Path) -> list[Part]:
    """The jobs of deploy/temporal, and the server between them."""
    server = provision.paths().temporal_server
    if server is None:
        raise StackError("Temporal's server is missing: make cluster builds it")
    reach = {"POSTGRES_USER": "temporal", "SQL_PASSWORD_FILE": data / "secrets/temporal_password"}
    tables = reach | {
        "POSTGRES_HOST": HOST,
        "POSTGRES_PORT": ports["postgres"],
        "SCHEMA": _without_btree_gin(data),
    }
    inner = {f"{name}_PORT": port for name, port in ports.items() if name.isupper()}
    settings = inner | {
        "BIND_ON_IP": HOST,
        "DB": "postgres12",
        "DB_PORT": ports["postgres"],
        "DYNAMIC_CONFIG_FILE_PATH": DEPLOY / "temporal" / "dynamic-config.yaml",
        "FRONTEND_GRPC_PORT": ports["temporal"],
        "LOG_LEVEL": "error",
        "POSTGRES_PWD": (data / "secrets/temporal_password").read_text(),
        "POSTGRES_SEEDS": HOST,
        "POSTGRES_USER": "temporal",
        "TEMPORAL_BROADCAST_ADDRESS": HOST,
    }
    scripts = DEPLOY / "temporal"
    return [
        Part("schema", _with(tables, "sh", str(scripts / "schema.sh")), after=("roles",)),
        Part(
            "temporal",
            _with(settings, str(server), "--allow-no-auth", "start"),
            ready=listens(ports["temporal"]),
            after=("schema",),
        ),
        Part("namespace", ["sh", str(scripts / "namespace.sh")], after=("temporal",)),
    ]


def _without_btree_gin(data: Path) -> Path:
    """The schema for a PostgreSQL without that extension: some indexes lack their first column."""
    copied = data / "schema"
    shutil.copytree(schema(), copied)
    for file in copied.glob("visibility/versioned/*/*.sql"):
        text = file.read_text().replace("CREATE EXTENSION btree_gin", "NULL")
        file.write_text(BUILT_ON.sub("GIN (", text))
    return copied


def _api(name: str, ports: Mapping[str, int]) -> Part:
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--host", HOST]
    return Part(
        name,
        [*command, "--port", str(ports[name])],
        ready=answers(f"http://{HOST}:{ports[name]}/readyz"),
        after=JOBS,
    )


def _worker(name: str, ports: Mapping[str, int]) -> Part:
    command = _with({"METRICS_PORT": ports[name]}, sys.executable, str(ROOT / "worker.py"))
    return Part(name, command, ready=says("worker ready"), after=JOBS)


def _with(settings: Mapping[str, object], *command: str) -> list[str]:
    return ["env", *(f"{name}={value}" for name, value in settings.items()), *command]
