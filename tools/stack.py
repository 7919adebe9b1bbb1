"""The whole product on one machine, as `make run`, `make demo` and end-to-end tests start it."""

import fcntl
import http.client
import json
import os
import random
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self, TextIO
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from simulator import defaults
from tools import provision
from tools.supervisor import Part, Ready, StackError, Supervisor, WrongSetting

ROOT: Final = Path(__file__).parents[1]
HOST: Final = "127.0.0.1"
PROBE_SECONDS: Final = 1.0
OUR_SETTINGS: Final = (
    "API_", "DATABASE_", "LOG_", "METRICS_", "OTEL_", "POLICY_", "PUBLIC_URL", "SANDBOX",
    "SIMULATOR_", "WEBHOOK_", "WECHAT_",
)  # fmt: skip
SEARCH_ATTRIBUTES: Final = {
    "OrderState": "Keyword",
    "AfterSaleState": "Keyword",
    "MerchantId": "Keyword",
    "DeadlineAt": "Datetime",
}
SANDBOX_TOKENS: Final[Mapping[str, Mapping[str, str]]] = {
    "sandbox-shop": {"name": "sandbox shop", "role": "shop"},
    "sandbox-merchant": {"name": "Mei (merchant)", "role": "merchant", "merchant_id": "m1"},
    "sandbox-platform": {"name": "Ping (platform)", "role": "platform"},
    "sandbox-finance": {"name": "Fang (finance)", "role": "finance"},
    "sandbox-finance-2": {"name": "Feng (finance)", "role": "finance"},
    "sandbox-auditor": {"name": "Shen (auditor)", "role": "auditor"},
    "sandbox-admin": {"name": "Ada (admin)", "role": "admin"},
}
# Below the range from which systems take ports for outgoing connections: one of those could
# otherwise sit on a part's port while the part is down.
FREE_PORTS: Final = range(20000, 32000)


class StackSettings(BaseSettings):
    """Where the parts listen; from the environment or `.env`."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, populate_by_name=True)

    api_host: str = Field(HOST, validation_alias="API_HOST")
    api_port: int = Field(8000, ge=1, le=65535, validation_alias="API_PORT")
    simulator_port: int = Field(defaults.PORT, ge=1, le=65535, validation_alias="SIMULATOR_PORT")
    temporal_port: int = Field(7233, ge=1, le=65535, validation_alias="TEMPORAL_PORT")
    temporal_ui_port: int = Field(8233, ge=1, le=65535, validation_alias="TEMPORAL_UI_PORT")
    temporal_address: str = Field("", validation_alias="TEMPORAL_ADDRESS")

    @property
    def base_url(self) -> str:
        """The API's address as this machine reaches it."""
        host = {"0.0.0.0": HOST, "::": "::1"}.get(self.api_host, self.api_host)
        return (
            f"http://[{host}]:{self.api_port}" if ":" in host else f"http://{host}:{self.api_port}"
        )


class Stack(Supervisor):
    """Migrations, Temporal dev server, simulator, API and worker; a context manager.

    `start`, `stop`, `kill`, `pause`, `resume`, `pid` and `log` take a part's name: `temporal`
    (unless TEMPORAL_ADDRESS is set), `simulator`, `api`, `worker`; `migrations` ends by itself.
    """

    def __init__(
        self,
        settings: StackSettings,
        given: Mapping[str, str],
        data: Path,
        *,
        folder: Path,
        ui: bool,
        say: Callable[[str], None],
    ) -> None:
        """Nothing starts yet; `for_people` and `apart` are the ways to make one."""
        self.data: Final = data.absolute()
        self.environment: Final = wired(settings, given, self.data)
        self._settings = settings
        self._ui = ui
        self._claim: TextIO | None = None
        if self.ui_url:
            self.environment.setdefault("TEMPORAL_UI_URL", self.ui_url)
        super().__init__(
            parts_of(settings, self.environment, self.data, ui=ui),
            self.data / "logs",
            environment=self.environment,
            folder=folder,
            say=say,
        )

    @classmethod
    def for_people(cls, *, say: Callable[[str], None] = print) -> Self:
        """The stack of `make run`: the user's settings, known ports, state that stays in `data/`.

        Raises WrongSetting.
        """
        file = ROOT / ".env"
        given = {name: value for name, value in dotenv_values(file).items() if value is not None}
        try:
            settings = StackSettings(_env_file=file)
        except ValidationError as error:
            first = error.errors()[0]
            raise WrongSetting(f"{first['loc'][0]}: {first['msg']}") from None
        return cls(settings, given | os.environ, ROOT / "data", folder=ROOT, ui=True, say=say)

    @classmethod
    def apart(
        cls,
        data: Path,
        *,
        settings: Mapping[str, str] | None = None,
        ui: bool = False,
        say: Callable[[str], None] = print,
    ) -> Self:
        """A stack beside any other, for demo and tests: free ports, sandbox credentials, no `.env`.

        Of the user's settings only TEMPORAL_* hold.

        Args:
            data: the folder for state and logs; what an earlier stack left there goes on.
            settings: more settings for the parts, such as POLICY_…, by their contract names.
            ui: whether Temporal's UI is served.
            say: takes one line of progress.
        """
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(OUR_SETTINGS)
        }
        api, simulator, temporal, temporal_ui = free_ports(4)
        ports = StackSettings(
            api_host=HOST,
            api_port=api,
            simulator_port=simulator,
            temporal_port=temporal,
            temporal_ui_port=temporal_ui,
        )
        data.mkdir(parents=True, exist_ok=True)
        return cls(ports, kept | dict(settings or {}), data, folder=data, ui=ui, say=say)

    @property
    def base_url(self) -> str:
        """The API's address, without a slash at the end."""
        return self._settings.base_url

    @property
    def simulator_url(self) -> str:
        """The simulator's address, without a slash at the end."""
        return self.environment["WECHAT_BASE_URL"]

    @property
    def temporal_address(self) -> str:
        """Host and port of Temporal's frontend."""
        return self.environment["TEMPORAL_ADDRESS"]

    @property
    def ui_url(self) -> str | None:
        """The Temporal UI's address; None when this stack serves none."""
        if self._settings.temporal_address or not self._ui:
            return None
        return f"http://{HOST}:{self._settings.temporal_ui_port}"

    @property
    def tokens(self) -> dict[str, dict[str, str]]:
        """Token → name, role and, for a merchant, merchant_id."""
        tokens: dict[str, dict[str, str]] = json.loads(self.environment["API_TOKENS"])
        return tokens

    def up(self) -> None:
        """Start all parts; return when every one is ready.

        Raises WrongSetting before anything is started, and PartFailed with nothing left running.
        """
        check_ports(self._listening())
        self._claim = claimed(self.data)
        super().up()

    def down(self) -> None:
        """Stop every part, the ones that stand on others first, and let go of the data folder."""
        super().down()
        if self._claim:
            self._claim.close()

    def _listening(self) -> dict[str, tuple[str, int]]:
        given = self._settings
        ports = {
            "API_PORT": (given.api_host, given.api_port),
            "SIMULATOR_PORT": (HOST, given.simulator_port),
        }
        if not given.temporal_address:
            ports["TEMPORAL_PORT"] = (HOST, given.temporal_port)
        if self.ui_url:
            ports["TEMPORAL_UI_PORT"] = (HOST, given.temporal_ui_port)
        return ports


def wired(settings: StackSettings, given: Mapping[str, str], data: Path) -> dict[str, str]:
    """The environment of all parts: the sandbox where nothing is given, and always each other."""
    scheme = "https" if given.get("SIMULATOR_CERT_FILE") else "http"
    sandbox = {
        "DATABASE_URL": f"sqlite:///{data / 'shop.db'}",
        "PUBLIC_URL": settings.base_url,
        "API_TOKENS": json.dumps(SANDBOX_TOKENS),
        "WECHAT_APPID": defaults.APPID,
        "WECHAT_MCH_ID": defaults.MCH_ID,
        "WECHAT_API_KEY": defaults.API_KEY,
    }
    # Never the real WeChat Pay, whatever a `.env` says: this is the sandbox.
    always = {
        "SANDBOX": "true",
        "WECHAT_BASE_URL": f"{scheme}://{HOST}:{settings.simulator_port}",
        "SIMULATOR_HOST": HOST,
        "SIMULATOR_PORT": str(settings.simulator_port),
        "SIMULATOR_DB": str(data / "simulator.db"),
        "API_HOST": settings.api_host,
        "API_PORT": str(settings.api_port),
        "TEMPORAL_ADDRESS": settings.temporal_address or f"{HOST}:{settings.temporal_port}",
        "NO_PROXY": ",".join(filter(None, (HOST, "localhost", given.get("NO_PROXY")))),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    filled = {name: value for name, value in given.items() if value or name not in sandbox}
    return sandbox | filled | always


def parts_of(
    settings: StackSettings, environment: Mapping[str, str], data: Path, *, ui: bool
) -> list[Part]:
    """The processes, in the order in which they are told about."""
    python = sys.executable
    api = [python, "-m", "uvicorn", "api.app:app", "--no-access-log"]
    listen = ["--host", settings.api_host, "--port", str(settings.api_port)]
    temporal = [] if settings.temporal_address else [temporal_part(settings, data, ui=ui)]
    stands_on = ("migrations", *(part.name for part in temporal))
    return [
        Part("migrations", [python, "-m", "db", "upgrade"]),
        *temporal,
        Part("simulator", [python, "-m", "simulator"], ready=listens(settings.simulator_port)),
        Part("api", [*api, *listen], ready=answers(settings.base_url + "/readyz"), after=stands_on),
        Part(
            "worker", [python, str(ROOT / "worker.py")], ready=says("worker ready"), after=stands_on
        ),
    ]


def temporal_part(settings: StackSettings, data: Path, *, ui: bool) -> Part:
    """Temporal's dev server on a SQLite file; ready when its namespace is."""
    program = provision.paths().temporal
    if program is None:
        raise StackError("the Temporal CLI is missing: make setup")
    (http_port,) = free_ports(1)
    attributes = (f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items())
    command = [
        str(program),
        *("server", "start-dev"),
        *("--db-filename", str(data / "temporal.db")),
        *("--ip", HOST),
        *("--port", str(settings.temporal_port)),
        *("--http-port", str(http_port)),
        *(("--ui-port", str(settings.temporal_ui_port)) if ui else ("--headless",)),
        *attributes,
        *("--log-level", "error"),
    ]
    ready = answers(f"http://{HOST}:{http_port}/api/v1/namespaces/default")
    return Part("temporal", command, ready=ready)


def answers(url: str) -> Ready:
    """Ready when a GET is answered 200."""
    parts = urlsplit(url)
    host, port = parts.hostname or HOST, parts.port

    def ready(_output: str) -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", parts.path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ready


def listens(port: int) -> Ready:
    """Ready when the port takes connections; also with TLS, for which this side has no key."""

    def ready(_output: str) -> bool:
        try:
            socket.create_connection((HOST, port), timeout=PROBE_SECONDS).close()
        except OSError:
            return False
        return True

    return ready


def says(words: str) -> Ready:
    """Ready when the output has these words."""
    return lambda output: words in output


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens now."""
    found: list[int] = []
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        if len(found) == count:
            break
        if not refusal(HOST, port):
            found.append(port)
    return found


def check_ports(wanted: Mapping[str, tuple[str, int]]) -> None:
    """Raise WrongSetting naming every port, by its setting, that cannot be listened on."""
    refused = []
    for setting, (host, port) in wanted.items():
        if reason := refusal(host, port):
            refused.append(f"port {port} ({setting}): {reason}")
    if refused:
        raise WrongSetting(f"{'; '.join(refused)}. End what listens there, or set another port.")


def refusal(host: str, port: int) -> str:
    """Why nothing can listen there now; empty when something can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def claimed(data: Path) -> TextIO:
    """The open file that marks the folder as ours; raises WrongSetting if another stack has it.

    Two Temporal servers on one file would spoil it.
    """
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "stack.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise WrongSetting(f"{data} is in use by another stack") from None
    return file
