"""The product's real processes, each connection between them through a proxy of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tools import postgres
from tools.chaos.proxy import Proxy
from tools.stack import HOST, StackSettings, free_ports, parts_of, wired
from tools.supervisor import Part, Supervisor

PARTS: Final = ("database", "temporal", "simulator", "api", "worker", "worker-2")
"""What can be killed, in the order in which it is started again."""

WAYS: Final = (
    "api-temporal", "api-database", "worker-temporal", "worker-database", "worker-simulator",
    "simulator-api",
)  # fmt: skip
"""The connections that can be cut: from, to."""

POLICIES: Final = {"POLICY_REFUND_GAP": "1s", "POLICY_UNPAID_CLOSE": "1h"}


@dataclass(frozen=True)
class Besieged:
    """One product under siege: its processes, the proxies between them, and where it answers."""

    supervisor: Supervisor
    proxies: tuple[Proxy, ...]
    api_url: str
    simulator_url: str
    temporal_address: str
    database_port: int

    @property
    def database_url(self) -> str:
        """Past the proxies."""
        return _sqlalchemy(self.database_port)


def besieged(data: Path, say: Callable[[str], None]) -> Besieged:
    """Everything on free ports, with its state in a folder of its own; nothing starts yet."""
    names = ("api", "simulator", "temporal", "ui", "database", *WAYS)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    settings = StackSettings(
        api_host=HOST,
        api_port=ports["api"],
        simulator_port=ports["simulator"],
        temporal_port=ports["temporal"],
        temporal_ui_port=ports["ui"],
    )
    environment = wired(settings, POLICIES, data)
    return Besieged(
        Supervisor(
            _parts(settings, environment, data, ports),
            data / "logs",
            environment=environment,
            folder=data,
            say=say,
        ),
        tuple(Proxy(way, ports[way], ports[way.partition("-")[2]]) for way in WAYS),
        settings.base_url,
        environment["WECHAT_BASE_URL"],
        environment["TEMPORAL_ADDRESS"],
        ports["database"],
    )


def _parts(
    settings: StackSettings, environment: Mapping[str, str], data: Path, ports: Mapping[str, int]
) -> list[Part]:
    own = {part.name: part for part in parts_of(settings, environment, data, ui=False)}
    pragmas = ("--sqlite-pragma", "synchronous=OFF")  # outlives a process, not the machine
    temporal = replace(own["temporal"], command=[*own["temporal"].command, *pragmas])
    worker = _told(own["worker"], _ways(ports, "worker"))
    direct = {"DATABASE_URL": _sqlalchemy(ports["database"])}
    return [
        # What the server was told survives its death, not the machine's.
        postgres.part("database", data / "database", ports["database"], "fsync=off"),
        replace(_told(own["migrations"], direct), after=("database",)),
        temporal,
        _told(own["simulator"], {"PUBLIC_URL": _http(ports["simulator-api"])}),
        _told(own["api"], _ways(ports, "api")),
        worker,
        replace(worker, name="worker-2"),
    ]


def _ways(ports: Mapping[str, int], who: str) -> dict[str, str]:
    """How the API or a worker is told to reach the others."""
    told = {
        "TEMPORAL_ADDRESS": f"{HOST}:{ports[f'{who}-temporal']}",
        "DATABASE_URL": _sqlalchemy(ports[f"{who}-database"]),
        "PUBLIC_URL": _http(ports["simulator-api"]),
    }
    if who == "worker":
        told["WECHAT_BASE_URL"] = _http(ports["worker-simulator"])
    return told


def _told(part: Part, environment: Mapping[str, str]) -> Part:
    settings = (f"{name}={value}" for name, value in environment.items())
    return replace(part, command=["env", *settings, *part.command])


def _http(port: int) -> str:
    return f"http://{HOST}:{port}"


def _sqlalchemy(port: int) -> str:
    return postgres.address(port).replace("postgresql:", "postgresql+psycopg:")
