"""How long it takes to start: to the first paid order, and the imports of API and worker."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.figures import Row, Section
from bench.story import Story
from bench.wire import Wire
from tools.stack import ROOT, Stack

REPEATS: Final = 5
LIBRARIES: Final = {
    "api.app": "fastapi, uvicorn, sqlmodel, alembic, httpx, temporalio.client,"
    " temporalio.contrib.pydantic, pydantic_settings, structlog, xmltodict, cryptography,"
    " prometheus_client",
    "worker": "sqlmodel, alembic, httpx, temporalio.worker, temporalio.contrib.pydantic,"
    " pydantic_settings, structlog, xmltodict, cryptography, prometheus_client",
}
"""What each would import if nothing of ours were there."""


def measure(say: Callable[[str], None], repeats: int = REPEATS) -> Section:
    """The whole section."""
    first_orders = [_first_paid_order(say) for _ in range(repeats)]
    rows = [Row("warm start to the first paid order", "s", first_orders)]
    for module, libraries in LIBRARIES.items():
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(_import_seconds(module))
            theirs.append(_import_seconds(libraries))
        rows.append(Row(f"import {module}", "s", ours, "its libraries alone", theirs))
    note = "The start is that of `make run`: all processes, Temporal on its file, empty tables."
    return Section("startup", "7. Startup", rows, note)


def heaviest(module: str, count: int = 8) -> list[tuple[int, str]]:
    """The modules whose own code takes longest to import, in µs."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    lines = [line.removeprefix("import time:").split("|") for line in told.splitlines()[1:]]
    found = [(int(own), name.strip()) for own, _, name in lines if own.strip().isdigit()]
    return sorted(found, reverse=True)[:count]


def _first_paid_order(say: Callable[[str], None]) -> float:
    with tempfile.TemporaryDirectory(prefix="wechat-order-flow-bench-") as folder:
        start = time.perf_counter()
        with Stack.apart(Path(folder), say=say) as stack:
            asyncio.run(_pay_one(stack))
            return time.perf_counter() - start


async def _pay_one(stack: Stack) -> None:
    async with Wire(stack.base_url) as api, Wire(stack.simulator_url) as simulator:
        story = Story(api, simulator)
        await story.paid(*story.numbers(1))


def _import_seconds(modules: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {modules}"], cwd=ROOT, check=True)
    return time.perf_counter() - start
