"""Ties a process to its parent: on Linux the kernel ends it when the parent is gone.

`python leash.py PARENT COMMAND…` becomes COMMAND, leashed to the process PARENT that started it.
A separate program, because code between fork and exec is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def leashed(command: Sequence[str]) -> list[str]:
    """The command, to be started so that it ends with the process (and thread) that starts it."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def follow_parent(parent: int, end: signal.Signals) -> None:
    """Let the kernel send this process `end` when `parent` is gone; nothing on other systems."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, end)
    # The parent may have gone before the kernel was told to watch it.
    if os.getppid() != parent:
        os.kill(os.getpid(), end)


if __name__ == "__main__":
    follow_parent(int(sys.argv[1]), signal.SIGKILL)
    os.execvp(sys.argv[2], sys.argv[2:])
