"""Starts the processes of a stack, watches them, and leaves none behind.

StackError                exit code 1: one line (and a log's end) for the person at the console
├── WrongSetting          exit code 2: before anything is started
└── PartFailed            a part ended by itself, or was not ready in time
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, Self

from tools.leash import follow_parent, leashed

POLL_SECONDS: Final = 0.05
GRACE_SECONDS: Final = 8.0
TAIL_LINES: Final = 15

Ready = Callable[[str], bool]
"""Told the part's output since its start; whether the part can be used. Answers within a second."""


class StackError(Exception):
    """The stack cannot start or go on; the text is for the person at the console."""

    exit_code = 1


class WrongSetting(StackError):
    """A setting is wrong or its port taken; nothing was started."""

    exit_code = 2


class PartFailed(StackError):
    """A part ended by itself, or was not ready in time."""

    def __init__(self, name: str, what: str, log: Path, tail: str) -> None:
        self.name = name
        shown = f"the end of {log}:\n{tail}" if tail else f"{log} is empty"
        super().__init__(f"{name} {what}; {shown}")


@dataclass(frozen=True)
class Part:
    """One process: ready when `ready` says so or, without one, when it has ended with 0."""

    name: str
    command: Sequence[str]
    ready: Ready | None = None
    after: tuple[str, ...] = ()
    ready_seconds: float = 60.0


@dataclass
class Running:
    """A started part; `offset` is where its output begins in the log."""

    part: Part
    process: subprocess.Popen[bytes]
    log: Path
    offset: int
    since: float
    ready: bool = False

    def output(self) -> str:
        """All it has said since its start."""
        with self.log.open("rb") as file:
            file.seek(self.offset)
            return file.read().decode(errors="replace")

    def check(self) -> None:
        """Raise PartFailed if it has ended, unless that is what it is for."""
        code = self.process.poll()
        if code is None or (code == 0 and self.part.ready is None):
            return
        self.failed(f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited {code}")

    def look(self) -> None:
        """Set `ready`, if it is; raises PartFailed when it ended or its time is up."""
        self.check()
        probe = self.part.ready
        self.ready = self.process.returncode == 0 if probe is None else probe(self.output())
        if not self.ready and time.monotonic() > self.since + self.part.ready_seconds:
            self.failed(f"was not ready after {self.part.ready_seconds:.0f} s")

    def failed(self, what: str) -> NoReturn:
        """Raise PartFailed with the end of the log."""
        tail = "\n".join(self.output().splitlines()[-TAIL_LINES:])
        raise PartFailed(self.part.name, what, self.log, tail)

    def signal(self, number: signal.Signals) -> None:
        """Signal the part and all that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class Supervisor:
    """The parts of a stack, each in a process group of its own; a context manager.

    Call it from one thread that lives as long as the stack: Linux ends a leashed process
    together with the *thread* that started it.
    """

    def __init__(
        self,
        parts: Iterable[Part],
        logs: Path,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        """Nothing starts yet.

        Args:
            parts: in the order in which they are told about.
            logs: the folder of `<part>.log`, one for each part.
            environment: of every part; this process's own by default.
            folder: the parts' working directory; this process's own by default.
            say: takes one line of progress.
        """
        self._parts = {part.name: part for part in parts}
        self._logs = logs
        self._environment = environment
        self._folder = folder
        self._say = say
        self._running: dict[str, Running] = {}

    def __enter__(self) -> Self:
        """Start all parts."""
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all parts."""
        self.down()

    def up(self) -> None:
        """Start every part as soon as those it stands on are ready; return when all are.

        Raises PartFailed, with nothing left running, when one does not come up.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        for name in self._parts:
            self.log(name).unlink(missing_ok=True)
        try:
            self._bring_up(list(self._parts.values()))
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Stop every part, the ones that stand on others first. A second Ctrl-C hurries it."""
        standing = [one for one in self._running.values() if one.part.after]
        try:
            self._end(standing)
            self._end(self._running.values())
        finally:
            for one in self._running.values():
                one.signal(signal.SIGKILL)
                one.process.wait()
            self._running.clear()

    def wait(self, seconds: float | None = None) -> None:
        """Watch for that long, or for ever; raises PartFailed when a part ends by itself."""
        until = None if seconds is None else time.monotonic() + seconds
        while until is None or time.monotonic() < until:
            self.check()
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise PartFailed if a part has ended by itself."""
        for one in self._running.values():
            one.check()

    def start(self, name: str) -> None:
        """Start a part that was killed or stopped; return when it is ready."""
        self._bring_up([self._parts[name]])

    def stop(self, name: str) -> None:
        """Ask a part to end, and end it if it does not."""
        self._end([self._running[name]])
        self.kill(name)

    def kill(self, name: str) -> None:
        """End a part at once (SIGKILL), with all that it has started."""
        one = self._running.pop(name)
        one.signal(signal.SIGKILL)
        one.process.wait()

    def pause(self, name: str) -> None:
        """Freeze a part: its sockets stay open, nobody answers."""
        self._running[name].signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a frozen part go on."""
        self._running[name].signal(signal.SIGCONT)

    def pid(self, name: str) -> int:
        """The process id of a running part."""
        return self._running[name].process.pid

    def log(self, name: str) -> Path:
        """The file that takes a part's output."""
        return self._logs / f"{name}.log"

    def _bring_up(self, parts: list[Part]) -> None:
        waiting = {part.name: part for part in parts}
        while waiting:
            self.check()
            for name, part in list(waiting.items()):
                if name in self._running:
                    self._look(name, waiting)
                elif not waiting.keys() & set(part.after):
                    self._running[name] = self._spawn(part)
            time.sleep(POLL_SECONDS)

    def _look(self, name: str, waiting: dict[str, Part]) -> None:
        one = self._running[name]
        one.look()
        if one.ready:
            self._say(f"{name} ready after {time.monotonic() - one.since:.1f} s")
            del waiting[name]
        if one.process.returncode is not None:
            del self._running[name]

    def _spawn(self, part: Part) -> Running:
        log = self.log(part.name)
        with log.open("ab") as output:
            process = subprocess.Popen(
                leashed(part.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
            return Running(part, process, log, output.tell(), time.monotonic())

    def _end(self, running: Iterable[Running]) -> None:
        asked = list(running)
        for one in asked:
            one.signal(signal.SIGTERM)
            one.signal(signal.SIGCONT)
        until = time.monotonic() + GRACE_SECONDS
        for one in asked:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.process.wait(max(0.0, until - time.monotonic()))


def end_like_ctrl_c() -> None:
    """SIGTERM and SIGHUP end this program as Ctrl-C does, so that the stack is taken down.

    Under make also the end of make itself: a killed make would leave its command running.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    # SIGINT too: a shell that starts us in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
    if "MAKELEVEL" in os.environ:
        follow_parent(os.getppid(), signal.SIGTERM)
