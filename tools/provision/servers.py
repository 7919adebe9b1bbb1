"""Temporal's two servers: the dev server (CLI) and, for tests, the one that skips time."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.provision.console import Failed, Source, first_of, run, say
from tools.provision.locks import incoming, locked
from tools.provision.places import ROOT, VENV_PYTHON, cache, cached, existing, on_path, paths

CLI: Final = "github.com/temporalio/cli"
CLI_VERSION: Final = "v1.5.1"  # newer ones carry a `replace`, which `go install` refuses
TEST_SERVER_VERSION: Final = "1.32.0"
COPY_JARS: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
DOWNLOAD_SECONDS: Final = 900.0
STALL_SECONDS: Final = 30.0
REACH_SECONDS: Final = 60.0
BUILD_SECONDS: Final = 3600.0
MAVEN_SECONDS: Final = 300.0
CHECK_SECONDS: Final = 30.0

POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>test-server</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId>
    <version>{TEST_SERVER_VERSION}</version>
  </dependency></dependencies>
</project>
"""
JAVA_SCRIPT: Final = """#!/bin/sh
exec java -cp "{jars}/*" io.temporal.testserver.TestServer "$@"
"""


def ensure_temporal() -> None:
    """Make a Temporal server reachable or startable; raises Failed."""
    address = temporal_address()
    if address:
        say(f"temporal: the server at {address} (TEMPORAL_ADDRESS)")
        return
    ensure(
        "temporal",
        lambda: paths().temporal,
        [
            Source("the SDK's download of the dev server", lambda: sdk_download("temporal")),
            Source(f"go install {CLI_VERSION}, 4 minutes on 2 cores", go_install),
        ],
    )


def ensure_test_server() -> None:
    """Make the time-skipping server startable; raises Failed."""
    ensure(
        "temporal-test-server",
        lambda: paths().test_server,
        [
            Source("the SDK's download", lambda: sdk_download("temporal-test-server")),
            Source(f"version {TEST_SERVER_VERSION} from Maven Central, with Java", maven_copy),
        ],
    )


def ensure(program: str, find: Callable[[], Path | None], sources: list[Source]) -> None:
    """Get the program unless it is found; raises Failed."""
    if not find():
        with locked(program):
            if not find():
                first_of(program, sources)
    say(f"{program}: {find()}")


def temporal_address() -> str:
    """TEMPORAL_ADDRESS, from the environment or `.env`."""
    file = ROOT / ".env"
    lines = file.read_text().splitlines() if file.is_file() else []
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    given = settings.get("TEMPORAL_ADDRESS", "").strip().strip("\"'")
    return os.environ.get("TEMPORAL_ADDRESS") or given


def sdk_download(program: str) -> None:
    """Let the Python SDK download, and start once, what it starts by itself; raises Failed."""
    if not VENV_PYTHON.exists():
        raise Failed("it needs the virtual environment: make setup")
    with incoming(program) as folder:
        growth = Growth(folder)
        run(
            [str(VENV_PYTHON), "-m", "tools.provision.sdk_download", program, str(folder)],
            seconds=DOWNLOAD_SECONDS,
            folder=ROOT,
            stalled=growth.stalled,
            progress=growth.progress,
        )
        (downloaded,) = folder.iterdir()
        keep(downloaded, program)


def go_install() -> None:
    """Build the CLI from the Go module proxy; raises Failed."""
    go = needed("go", "Go")
    with incoming("temporal") as folder:
        # A small download first: where the proxy is closed, this says so at once.
        run([go, "mod", "download", f"{CLI}@{CLI_VERSION}"], seconds=REACH_SECONDS, folder=folder)
        build = [go, "install", "-ldflags=-s -w", f"{CLI}/cmd/temporal@{CLI_VERSION}"]
        run(build, seconds=BUILD_SECONDS, environment={"GOBIN": str(folder)}, folder=folder,
            progress=lambda: "building")  # fmt: skip
        keep(folder / "temporal", "temporal")


def maven_copy() -> None:
    """Copy the Java server's jars, and write a script that starts them; raises Failed."""
    needed("java", "Java")
    maven = needed("mvn", "Maven")
    jars = cache() / "lib" / f"temporal-test-server-{TEST_SERVER_VERSION}"
    with incoming("temporal-test-server") as folder:
        pom, copied, script = folder / "pom.xml", folder / "jars", folder / "script"
        pom.write_text(POM)
        quietly = ("--batch-mode", "--quiet", "--file", str(pom))
        run([maven, *quietly, COPY_JARS, f"-DoutputDirectory={copied}"], seconds=MAVEN_SECONDS)
        script.write_text(JAVA_SCRIPT.format(jars=jars))
        script.chmod(0o755)
        if not jars.exists():
            jars.parent.mkdir(parents=True, exist_ok=True)
            copied.rename(jars)
        keep(script, "temporal-test-server")


def needed(program: str, name: str) -> str:
    """The program on PATH; raises Failed."""
    found = on_path(program)
    if not found:
        raise Failed(f"{name} is not on PATH")
    return str(found)


def keep(made: Path, program: str) -> None:
    """Move a whole program into the cache, in one step; raises Failed if it cannot run."""
    if not existing(made):
        raise Failed(f"{made.name} cannot be run")
    place = cached(program)
    place.parent.mkdir(parents=True, exist_ok=True)
    made.replace(place)


class Growth:
    """How a download comes along, seen by the size of its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._bytes, self._since = folder, 0, time.monotonic()

    def stalled(self) -> bool:
        """Whether nothing has come for STALL_SECONDS."""
        size = sum(file.stat().st_size for file in self._folder.iterdir())
        if size != self._bytes:
            self._bytes, self._since = size, time.monotonic()
        return time.monotonic() > self._since + STALL_SECONDS

    def progress(self) -> str:
        """What has come so far."""
        return f"{self._bytes / 1e6:.0f} MB"
