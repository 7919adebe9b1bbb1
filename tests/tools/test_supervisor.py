"""What the supervisor leaves behind (nothing), and what it says when a part fails."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tools.processes import DEADLINE_SECONDS, all_gone, lives
from tools.supervisor import Part, PartFailed, Supervisor

HOST = [sys.executable, "-m", "tests.tools.host"]
SHELL = "import subprocess, sys; subprocess.run(sys.argv[1:])"


def child_of(log: Path) -> int:
    return int(log.read_text().split()[-1])


class Host:
    """The host program, up; `parts` are its parts, `family` the parts and their children."""

    def __init__(self, process: "subprocess.Popen[str]", logs: Path) -> None:
        assert process.stdout
        self.process = process
        self.parts = [int(word) for word in process.stdout.readline().split()[1:]]
        self.family = [*self.parts, child_of(logs / "base.log"), child_of(logs / "upper.log")]

    def outcome(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, said


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    heeded = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the host inherits what nohup ignores
    with subprocess.Popen([*HOST, str(tmp_path)], text=True, stdout=subprocess.PIPE) as process:
        signal.signal(signal.SIGHUP, heeded)
        started = Host(process, tmp_path)
        yield started
        process.kill()
        assert all_gone(started.parts)
        for group in started.parts:  # a killed supervisor cannot end what its parts had started
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_supervisor_leaves_nothing_behind(host: Host, number: int) -> None:
    host.process.send_signal(number)
    assert host.outcome() == (0, "")
    assert all_gone(host.family)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of the killed")
def test_a_killed_supervisor_leaves_no_part_behind(host: Host) -> None:
    host.process.kill()
    assert all_gone(host.parts)


def test_a_paused_part_is_ended_too(host: Host) -> None:
    os.killpg(host.parts[1], signal.SIGSTOP)
    host.process.terminate()
    assert host.outcome() == (0, "")
    assert all_gone(host.family)


def test_a_crashed_part_is_named_and_takes_the_others_with_it(host: Host, tmp_path: Path) -> None:
    os.kill(host.parts[0], signal.SIGKILL)
    code, said = host.outcome()
    assert code == 1
    assert said.startswith(
        f"base was ended by SIGKILL; the end of {tmp_path / 'base.log'}:\nstarted"
    )
    assert all_gone(host.family)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_killed_make_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHELL, *HOST, str(tmp_path)]
    under_make = os.environ | {"MAKELEVEL": "1"}
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, env=under_make) as make:
        host = Host(make, tmp_path)
        make.kill()
        assert all_gone(host.family)


def test_parts_start_when_those_they_stand_on_are_ready(tmp_path: Path) -> None:
    told: list[str] = []
    mark = tmp_path / "migrated"
    parts = [
        Part("upper", ["sh", "-c", f"cat {mark} && exec sleep 300"], lambda said: "yes" in said,
             after=("once",)),
        Part("once", ["sh", "-c", f"sleep 0.2; echo yes > {mark}"]),
    ]  # fmt: skip
    with Supervisor(parts, tmp_path / "logs", say=told.append):
        assert [line.split()[0] for line in told] == ["once", "upper"]


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("echo boom; exit 4", "broken exited 4"),
        ("echo boom; exec sleep 300", "broken was not ready after 1 s"),
    ],
)
def test_a_part_that_does_not_come_up_stops_the_rest(
    tmp_path: Path, command: str, what: str
) -> None:
    parts = [
        Part("sound", ["sleep", "300"], ready=lambda _: True),
        Part("broken", ["sh", "-c", command], ready=lambda _: False, ready_seconds=1.0),
    ]
    supervisor = Supervisor(parts, tmp_path, say=lambda _: None)
    with pytest.raises(PartFailed) as failed:
        supervisor.up()
    assert str(failed.value) == f"{what}; the end of {tmp_path / 'broken.log'}:\nboom"
    with pytest.raises(KeyError):
        supervisor.pid("sound")


def test_a_failed_migration_stops_the_rest(tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match=r"once exited 1; .*once\.log is empty"):
        Supervisor([Part("once", ["false"])], tmp_path, say=lambda _: None).up()


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Supervisor]:
    """One part that counts aloud."""
    counts = "i=0; while :; do i=$((i+1)); echo count $i; sleep 0.02; done"
    part = Part("counter", ["sh", "-c", counts], ready=lambda output: "count" in output)
    with Supervisor([part], tmp_path, say=lambda _: None) as supervisor:
        yield supervisor


def grows(log: Path) -> bool:
    before = log.stat().st_size
    time.sleep(0.3)
    return log.stat().st_size > before


def test_pause_freezes_and_resume_goes_on(counting: Supervisor) -> None:
    pid = counting.pid("counter")
    counting.pause("counter")
    time.sleep(0.05)
    assert not grows(counting.log("counter"))
    counting.resume("counter")
    assert grows(counting.log("counter"))
    assert counting.pid("counter") == pid


@pytest.mark.parametrize("end", [Supervisor.kill, Supervisor.stop])
def test_a_part_ended_on_purpose_is_no_failure_and_starts_again(
    counting: Supervisor, end: Callable[[Supervisor, str], None]
) -> None:
    first = counting.pid("counter")
    end(counting, "counter")
    counting.wait(0.1)
    assert not lives(first)
    counting.start("counter")
    assert counting.pid("counter") != first
    assert counting.log("counter").read_text().count("count 1\n") == 2


def test_watching_ends_when_a_part_does(counting: Supervisor) -> None:
    os.kill(counting.pid("counter"), signal.SIGTERM)
    with pytest.raises(PartFailed, match="counter was ended by SIGTERM"):
        counting.wait(DEADLINE_SECONDS)
