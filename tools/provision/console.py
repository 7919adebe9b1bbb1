"""Lines for the person who waits, and commands that cannot hang."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tools.leash import leashed

TICK_SECONDS: Final = 0.2
LINE_SECONDS: Final = 30.0
REASON_CHARACTERS_MAX: Final = 300


class Failed(Exception):
    """A step did not succeed; the text is the reason, in one line."""


@dataclass(frozen=True)
class Source:
    """One way to get a thing; `get` raises Failed."""

    name: str
    get: Callable[[], None]


def say(line: str) -> None:
    """One line for the person."""
    print(line, flush=True)


def first_of(thing: str, sources: Sequence[Source]) -> None:
    """Try the sources in turn, saying why each one failed; raises Failed when none is left."""
    for source in sources:
        say(f"{thing}: {source.name}")
        try:
            source.get()
        except Failed as failed:
            say(f"{thing}: {source.name}: failed: {failed}")
        else:
            return
    raise Failed(f"{thing}: no source is left; the reasons are above")


def run(
    command: Sequence[str],
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stalled: Callable[[], bool] = lambda: False,
    progress: Callable[[], str] = str,
) -> None:
    """Run a command, showing that time passes; raises Failed with its own reason.

    Args:
        command: what to run; its output is kept for the reason alone.
        seconds: the longest it may take.
        environment: in addition to our own.
        folder: its working directory.
        stalled: whether to give up early, asked again and again.
        progress: a word on how far it is.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            leashed(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
        try:
            watch(process, seconds, stalled, progress)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            raise Failed(reason(output, process.returncode))


def watch(
    process: "subprocess.Popen[bytes]",
    seconds: float,
    stalled: Callable[[], bool],
    progress: Callable[[], str],
) -> None:
    """Wait for the end with a line that shows the time; raises Failed when it takes too long."""
    since = time.monotonic()
    with ticker() as tick:
        while process.poll() is None:
            passed = time.monotonic() - since
            if passed > seconds:
                raise Failed(f"not done after {seconds:.0f} s")
            if stalled():
                raise Failed("no data comes")
            tick(passed, progress())
            time.sleep(TICK_SECONDS)


@contextlib.contextmanager
def ticker() -> Iterator[Callable[[float, str], None]]:
    """A line that is written over on a terminal; elsewhere one line now and then."""
    shown = 0.0
    terminal = sys.stdout.isatty()

    def tick(passed: float, progress: str) -> None:
        nonlocal shown
        line = f"  {int(passed) // 60}:{int(passed) % 60:02d} {progress}"
        if terminal:
            print(f"\r{line}\033[K", end="", flush=True)
        elif passed > shown + LINE_SECONDS:
            shown = passed
            say(line)

    yield tick
    if terminal:
        print("\r\033[K", end="", flush=True)


def reason(output: IO[bytes], code: int) -> str:
    """The line of a command's output that says what went wrong."""
    output.seek(0)
    lines = [line.strip() for line in output.read().decode(errors="replace").splitlines()]
    lines = [line for line in lines if line]
    errors = [line for line in lines if line.lower().startswith(("error", "[error]"))]
    line = errors[0] if errors else lines[-1] if lines else f"exit code {code}"
    return line[:REASON_CHARACTERS_MAX]
