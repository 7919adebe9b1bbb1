"""For operators: Temporal's server as `make cluster` runs it, and promtool for the alert rules."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tools.provision.console import Source, run
from tools.provision.locks import incoming
from tools.provision.places import cache, paths
from tools.provision.servers import (
    BUILD_SECONDS,
    DOWNLOAD_SECONDS,
    REACH_SECONDS,
    ensure,
    keep,
    needed,
)

SERVER: Final = "go.temporal.io/server"
SERVER_VERSION: Final = "v1.31.2"  # newer ones want a newer Go than is common yet
PROMETHEUS: Final = "github.com/prometheus/prometheus"
PROMETHEUS_VERSION: Final = "v0.313.5"
# Without every other way to discover targets: they are most of its size.
PROMTOOL_TAGS: Final = "remove_all_sd,enable_dns_sd"


def ensure_cluster() -> None:
    """Make Temporal's server and its schema tool startable; raises Failed."""
    ensure(
        "temporal-server",
        lambda: paths().temporal_server,
        [Source(f"go install {SERVER_VERSION}, 6 minutes on 2 cores", build_server)],
    )


def ensure_promtool() -> None:
    """Make promtool startable; raises Failed."""
    ensure(
        "promtool",
        lambda: paths().promtool,
        [
            Source("Debian's package, unpacked", unpack_promtool),
            Source(f"built from {PROMETHEUS_VERSION}, 2 minutes on 2 cores", build_promtool),
        ],
    )


def build_server() -> None:
    """Build server and schema tool from the Go module proxy, and keep the schema; raises Failed."""
    go = needed("go", "Go")
    with incoming("temporal-server") as folder:
        module = f"{SERVER}@{SERVER_VERSION}"
        run([go, "mod", "download", module], seconds=REACH_SECONDS, folder=folder)
        build = [go, "install", "-ldflags=-s -w", f"{SERVER}/cmd/server@{SERVER_VERSION}",
                 f"{SERVER}/cmd/tools/sql@{SERVER_VERSION}"]  # fmt: skip
        run(build, seconds=BUILD_SECONDS, environment={"GOBIN": str(folder)}, folder=folder,
            progress=lambda: "building")  # fmt: skip
        copied = folder / "schema"
        # The module's cache is read-only; a copy of ours is not.
        shutil.copytree(
            modules(go) / module / "schema/postgresql/v12",
            copied,
            copy_function=shutil.copyfile,
        )
        shutil.rmtree(schema(), ignore_errors=True)
        schema().parent.mkdir(parents=True, exist_ok=True)
        copied.rename(schema())
        keep(folder / "sql", "temporal-sql-tool")
        keep(folder / "server", "temporal-server")


def schema() -> Path:
    """Where the tables of that server's PostgreSQL databases are described."""
    return cache() / "lib" / f"temporal-schema-{SERVER_VERSION}"


def modules(go: str) -> Path:
    """Where Go keeps what it downloads."""
    asked = [go, "env", "GOMODCACHE"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=REACH_SECONDS)
    return Path(told.stdout.strip())


def unpack_promtool() -> None:
    """Take promtool out of Debian's package, which needs no right to install; raises Failed."""
    apt, dpkg = needed("apt-get", "apt-get"), needed("dpkg-deb", "dpkg-deb")
    with incoming("promtool") as folder:
        run([apt, "download", "prometheus"], seconds=DOWNLOAD_SECONDS, folder=folder)
        (package,) = folder.glob("prometheus_*.deb")
        run([dpkg, "-x", str(package), str(folder)], seconds=REACH_SECONDS)
        keep(folder / "usr" / "bin" / "promtool", "promtool")


def build_promtool() -> None:
    """Build promtool from the Go module proxy; raises Failed."""
    go = needed("go", "Go")
    with incoming("promtool") as folder:
        quietly = {"GOFLAGS": "-mod=mod", "GOWORK": "off"}
        program = f"{PROMETHEUS}/cmd/promtool"
        # `go install` refuses a module with an `exclude`; a module of ours may depend on it.
        for command in (
            ["mod", "init", "promtool"],
            ["get", f"{program}@{PROMETHEUS_VERSION}"],
            ["build", f"-tags={PROMTOOL_TAGS}", "-ldflags=-s -w", "-o", "promtool", program],
        ):
            run([go, *command], seconds=BUILD_SECONDS, environment=quietly, folder=folder,
                progress=lambda: "building")  # fmt: skip
        keep(folder / "promtool", "promtool")
