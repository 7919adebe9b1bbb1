"""Whether processes are still there."""

import subprocess
import time

DEADLINE_SECONDS = 40.0


def lives(pid: int) -> bool:
    """Whether it runs; what has ended but is not yet fetched does not."""
    told = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return told.stdout.strip()[:1] not in ("", "Z")


def all_gone(pids: list[int]) -> bool:
    """Whether all of them have ended within the deadline."""
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until:
        if not any(lives(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False
