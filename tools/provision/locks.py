"""Two provisions at once: one works, the other waits; a broken one leaves nothing half made."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from tools.provision.console import say
from tools.provision.places import cache


@contextlib.contextmanager
def locked(thing: str) -> Iterator[None]:
    """Hold the lock of one thing; its end, however it comes, frees the lock."""
    folder = cache() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / thing).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{thing}: another make is at it, waiting for that one")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def incoming(thing: str) -> Iterator[Path]:
    """An empty folder on the cache's own disk, for the holder of the thing's lock.

    What is whole is moved out; the rest is gone afterwards, or at the latest the next time.
    """
    folder = cache() / "incoming" / thing
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
