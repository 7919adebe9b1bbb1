"""What the processes use, as Linux counts it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from bench.plant import OURS, Plant

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(plant: Plant) -> dict[str, float]:
    """CPU seconds of each part until now; `client` is this process."""
    parts: Mapping[str, Sequence[int]] = {
        "Temporal": plant.pids("temporal"),
        "worker": plant.pids(*plant.workers),
        "API": plant.pids("api"),
        "PostgreSQL": backends(plant.databases[OURS]),
        "simulator": plant.pids("simulator"),
        "client": [os.getpid()],
    }
    return {name: sum(map(_cpu, pids)) for name, pids in parts.items()}


def backends(database: str) -> list[int]:
    """The processes of the database server that serve somebody, or write."""
    with psycopg.connect(database) as connection:
        return [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity").fetchall()]


def memory_bytes(pid: int) -> int:
    """What a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cpu(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # a database connection that has ended
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
