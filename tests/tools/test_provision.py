"""Provisioning in a copy of the tree, with a PATH and a cache of its own: nothing is downloaded.

Stand-ins on PATH play uv, go, java and mvn; the copy's `.venv/bin/python` plays the SDK.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.provision.console import Failed, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SYSTEM = "PATH=/usr/local/bin:/usr/bin:/bin"
RUNS = "#!/bin/sh\n"
CLOSED = "echo 'error: nobody answers'; exit 1"
SDK_DELIVERS = f"printf '{RUNS}' > $4/$3-sdk; chmod +x $4/$3-sdk"
GO_BUILDS = f"[ $1 = mod ] || {{ printf '{RUNS}' > $GOBIN/temporal; chmod +x $GOBIN/temporal; }}"
MVN_COPIES = (
    "for word; do folder=${word#-DoutputDirectory=}; done; mkdir $folder; touch $folder/a.jar"
)
UV_INSTALLS = (
    "[ $1 = pip ] || { for word; do folder=$word; done; mkdir -p $folder/bin; "
    "touch $folder/bin/python; }"
)

APT_DELIVERS = "touch prometheus_2_amd64.deb"
DPKG_UNPACKS = f"mkdir -p $3/usr/bin; printf '{RUNS}' > $3/usr/bin/promtool; chmod +x $3/usr/bin/*"
GO_BUILDS_PROMTOOL = f"[ $1 = build ] && {{ printf '{RUNS}' > promtool; chmod +x promtool; }}; true"
GO_BUILDS_SERVER = """case $1 in
  mod) mkdir -p $MODULES/go.temporal.io/server@v1.31.2/schema/postgresql/v12/temporal ;;
  env) echo $MODULES ;;
  install) for name in server sql; do echo '#!/bin/sh' > $GOBIN/$name; chmod +x $GOBIN/$name; done
esac"""


class Machine:
    """A clone, a cache and a PATH."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.cache, self.programs = folder / "tree", folder / "cache", folder / "path"
        self.programs.mkdir()
        for part in ("tools/leash.py", "tools/provision", "requirements"):
            (self.tree / part).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, self.tree / part)
            else:
                shutil.copy(ROOT / part, self.tree / part)

    def has(self, name: str, script: str) -> None:
        """Put a stand-in on PATH; it writes down its calls."""
        write(self.programs / name, f"{SYSTEM}\necho {name} $* >> {self.tree}/calls\n{script}")

    def sdk(self, script: str) -> None:
        """What the SDK in the virtual environment does."""
        write(self.tree / ".venv" / "bin" / "python", f"{SYSTEM}\n{script}")

    def calls(self) -> list[str]:
        """The first two words of every call of a stand-in."""
        lines = (self.tree / "calls").read_text().splitlines()
        return [" ".join(line.split()[:2]) for line in lines]

    def kept(self, name: str) -> Path:
        """Where the cache has a program."""
        return self.cache / "wechat-order-flow" / "bin" / name

    def start(self, *steps: str, **settings: str) -> "subprocess.Popen[str]":
        """Begin to provision."""
        environment = {"PATH": str(self.programs), "XDG_CACHE_HOME": str(self.cache), **settings}
        return subprocess.Popen(
            [sys.executable, "-m", "tools.provision", *steps],
            cwd=self.tree, env=environment, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip

    def provision(self, *steps: str, **settings: str) -> tuple[int, list[str]]:
        """Exit code and lines."""
        with self.start(*steps, **settings) as process:
            said, _ = process.communicate()
        return process.returncode, said.splitlines()


def write(place: Path, script: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_server_that_is_there_comes_first(machine: Machine) -> None:
    machine.has("temporal", "")
    address = {"TEMPORAL_ADDRESS": "db.internal:7233"}
    said = "temporal: the server at db.internal:7233 (TEMPORAL_ADDRESS)"
    assert machine.provision("temporal", **address) == (0, [said])


def test_the_address_may_stand_in_the_env_file(machine: Machine) -> None:
    (machine.tree / ".env").write_text("# ours\nTEMPORAL_ADDRESS='db.internal:7233'\n")
    said = "temporal: the server at db.internal:7233 (TEMPORAL_ADDRESS)"
    assert machine.provision("temporal") == (0, [said])


def test_then_the_program_on_path(machine: Machine) -> None:
    machine.has("temporal", "")
    write(machine.kept("temporal"), "")
    said = f"temporal: {machine.programs / 'temporal'}"
    assert machine.provision("temporal") == (0, [said])


def test_then_the_cache(machine: Machine) -> None:
    write(machine.kept("temporal"), "")
    assert machine.provision("temporal") == (0, [f"temporal: {machine.kept('temporal')}"])


def test_then_the_sdk(machine: Machine) -> None:
    machine.sdk(SDK_DELIVERS)
    machine.has("go", GO_BUILDS)
    code, lines = machine.provision("temporal")
    assert (code, lines[-1]) == (0, f"temporal: {machine.kept('temporal')}")
    assert machine.kept("temporal").read_text() == RUNS
    assert not (machine.tree / "calls").exists()


def test_then_go_after_saying_why_the_sdk_failed(machine: Machine) -> None:
    machine.sdk(CLOSED)
    machine.has("go", GO_BUILDS)
    code, lines = machine.provision("temporal")
    assert (code, lines[-1]) == (0, f"temporal: {machine.kept('temporal')}")
    assert lines[1].endswith("failed: error: nobody answers")
    assert machine.calls() == ["go mod", "go install"]


def test_no_source_at_all_is_told_with_every_reason(machine: Machine) -> None:
    code, lines = machine.provision("temporal")
    assert code == 1
    assert [line.partition("failed: ")[2] for line in lines if "failed" in line] == [
        "it needs the virtual environment: make setup",
        "Go is not on PATH",
    ]
    assert lines[-1] == "provision: temporal: no source is left; the reasons are above"


def test_a_closed_module_proxy_is_told_before_the_build(machine: Machine) -> None:
    machine.has("go", CLOSED)
    code, _ = machine.provision("temporal")
    assert code == 1
    assert machine.calls() == ["go mod"]


def test_the_test_server_comes_from_the_sdk(machine: Machine) -> None:
    machine.sdk(SDK_DELIVERS)
    code, lines = machine.provision("test-server")
    assert (code, lines[-1]) == (0, f"temporal-test-server: {machine.kept('temporal-test-server')}")


def test_or_by_maven_with_a_script_that_starts_java(machine: Machine) -> None:
    machine.sdk(CLOSED)
    machine.has("mvn", MVN_COPIES)
    machine.has("java", 'echo "$2"')
    assert machine.provision("test-server")[0] == 0
    server = machine.kept("temporal-test-server")
    started = subprocess.run(
        [server, "7233"], check=True, capture_output=True, text=True,
        env={"PATH": str(machine.programs)},
    )  # fmt: skip
    jars = Path(started.stdout.strip()).parent
    assert [file.name for file in jars.iterdir()] == ["a.jar"]


def test_without_java_the_test_server_is_told_missing(machine: Machine) -> None:
    machine.has("mvn", MVN_COPIES)
    code, lines = machine.provision("test-server")
    assert code == 1
    assert lines[-2].endswith("failed: Java is not on PATH")


def test_one_failure_does_not_keep_the_others_from_being_tried(machine: Machine) -> None:
    machine.sdk(CLOSED)
    machine.has("temporal", "")
    code, lines = machine.provision("test-server", "temporal")
    assert (code, lines[-1]) == (1, f"temporal: {machine.programs / 'temporal'}")


def test_a_killed_build_leaves_no_program_and_does_not_harm_the_next(machine: Machine) -> None:
    half = "[ $1 = mod ] || { echo half > $GOBIN/temporal; touch begun; exec sleep 300; }"
    machine.has("go", half)
    incoming = machine.cache / "wechat-order-flow" / "incoming" / "temporal"
    with machine.start("temporal") as process:
        until = time.monotonic() + 10
        while not (incoming / "begun").exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert (incoming / "temporal").exists()
        process.send_signal(signal.SIGKILL)
    assert not machine.kept("temporal").exists()
    machine.has("go", GO_BUILDS)
    assert machine.provision("temporal")[0] == 0
    assert machine.kept("temporal").read_text() == RUNS
    assert not incoming.exists()


def test_two_at_once_build_once(machine: Machine) -> None:
    machine.has("go", f"sleep 0.3; {GO_BUILDS}")
    with machine.start("temporal") as first, machine.start("temporal") as second:
        said = first.communicate()[0] + second.communicate()[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert "another make is at it" in said
    assert machine.calls() == ["go mod", "go install"]


def test_uv_on_path_makes_the_environment_once(machine: Machine) -> None:
    machine.has("uv", UV_INSTALLS)
    assert machine.provision("venv")[0] == 0
    assert machine.provision("venv") == (0, ["venv: ready"])
    assert machine.calls() == ["uv venv", "uv pip"]
    arguments = (machine.tree / "calls").read_text()
    assert f"--require-hashes --python {machine.tree}/.venv/bin/python" in arguments


def test_a_new_lock_is_installed(machine: Machine) -> None:
    machine.has("uv", UV_INSTALLS)
    machine.provision("venv")
    with (machine.tree / "requirements" / "dev.txt").open("a") as lock:
        lock.write("# newer\n")
    code, lines = machine.provision("venv")
    assert (code, len(lines)) == (0, 2)


def test_an_install_that_broke_off_is_not_taken_for_whole(machine: Machine) -> None:
    machine.has("uv", f"{UV_INSTALLS}; [ $1 = venv ] || kill -9 $PPID")
    assert machine.provision("venv")[0] == -signal.SIGKILL
    machine.has("uv", UV_INSTALLS)
    code, lines = machine.provision("venv")
    assert (code, len(lines)) == (0, 2)


def test_uv_kept_in_the_cache_serves_when_there_is_none_on_path(machine: Machine) -> None:
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    name = next(word for word in lock.split() if word.startswith("uv==")).replace("==", "-")
    write(machine.kept(name), f"{SYSTEM}\n{UV_INSTALLS}")
    code, lines = machine.provision("venv")
    assert (code, lines) == (
        0,
        [f"venv: {name.replace('-', ' ')}, kept in our cache", "venv: ready"],
    )


def test_paths_answers_a_cheap_question(machine: Machine) -> None:
    machine.has("temporal", "")
    write(machine.kept("temporal-test-server"), "")
    assert machine.provision("paths") == (0, [
        f"temporal={machine.programs / 'temporal'}",
        f"test-server={machine.kept('temporal-test-server')}",
        "temporal-server=",
        "promtool=",
    ])  # fmt: skip


def test_an_unknown_step_is_refused(machine: Machine) -> None:
    said = (
        "provision: no step docker; there are venv, temporal, test-server, cluster, promtool, paths"
    )
    assert machine.provision("docker") == (2, [said])


def test_a_command_that_hangs_is_given_up() -> None:
    since = time.monotonic()
    with pytest.raises(Failed, match="not done after 0 s"):
        run(["sleep", "300"], seconds=0.1)
    assert time.monotonic() < since + 5


def test_a_download_that_stalls_is_given_up() -> None:
    with pytest.raises(Failed, match="no data comes"):
        run(["sleep", "300"], seconds=60, stalled=lambda: True)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("Traceback\nRuntimeError: closed", "RuntimeError: closed"),
        ("error: closed\n  Caused by: no route", "error: closed"),
        ("[INFO] x\n[ERROR] closed\n[ERROR] Re-run with -X", "[ERROR] closed"),
        ("", "exit code 1"),
    ],
)
def test_the_reason_is_one_line_of_the_command(output: str, said: str) -> None:
    environment = os.environ | {"OUTPUT": output}
    with pytest.raises(Failed) as failed:
        run(["sh", "-c", 'echo "$OUTPUT"; exit 1'], seconds=10, environment=environment)
    assert str(failed.value) == said


def test_promtool_comes_out_of_debians_package(machine: Machine) -> None:
    machine.has("apt-get", APT_DELIVERS)
    machine.has("dpkg-deb", DPKG_UNPACKS)
    machine.has("go", CLOSED)
    code, lines = machine.provision("promtool")
    assert (code, lines[-1]) == (0, f"promtool: {machine.kept('promtool')}")
    assert machine.calls() == ["apt-get download", "dpkg-deb -x"]


def test_without_debian_promtool_is_built(machine: Machine) -> None:
    machine.has("go", GO_BUILDS_PROMTOOL)
    code, lines = machine.provision("promtool")
    assert (code, lines[-1]) == (0, f"promtool: {machine.kept('promtool')}")
    assert machine.calls() == ["go mod", "go get", "go build"]


def test_the_cluster_has_temporals_server_its_schema_tool_and_schema(machine: Machine) -> None:
    machine.has("go", GO_BUILDS_SERVER)
    modules = {"MODULES": str(machine.tree / "modules")}
    code, lines = machine.provision("cluster", **modules)
    assert (code, lines[-1]) == (0, f"temporal-server: {machine.kept('temporal-server')}")
    assert machine.kept("temporal-sql-tool").exists()
    schema = machine.cache / "wechat-order-flow" / "lib" / "temporal-schema-v1.31.2"
    assert (schema / "temporal").is_dir()
    assert machine.provision("cluster", **modules)[1] == lines[-1:]
