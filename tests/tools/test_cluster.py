"""The cluster's own pieces, and the whole of it with a few stories."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tools import provision
from tools.cluster.balancer import Balancer
from tools.cluster.parts import APIS, WORKERS, Cluster
from tools.cluster.trial import Outcome, Patient
from tools.shop_day import Played
from tools.stack import HOST, free_ports

ROOT = Path(__file__).parents[2]
PLAYED = Played("good day", "told", 1.0, 10, True, "")


@asynccontextmanager
async def says(port: int, *statuses: int) -> AsyncIterator[list[int]]:
    """A server that answers each request with the next status, the last one for ever."""
    asked: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = statuses[min(len(asked), len(statuses) - 1)]
        asked.append(status)
        if status:
            head = f"HTTP/1.1 {status} X\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + str(port).encode()[:4])
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, HOST, port):
        yield asked


@asynccontextmanager
async def balanced(*backends: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a balancer before these ports."""
    (port,) = free_ports(1)
    server = await asyncio.start_server(Balancer(list(backends)).carry, HOST, port)
    async with server, httpx.AsyncClient(base_url=f"http://{HOST}:{port}") as client:
        yield client


async def test_the_balancer_takes_turns() -> None:
    one, two = free_ports(2)
    async with says(one, 200) as first, says(two, 200) as second, balanced(one, two) as client:
        for _ in range(4):
            assert (await client.get("/")).status_code == 200
    assert (len(first), len(second)) == (2, 2)


async def test_the_balancer_passes_over_who_is_away() -> None:
    gone, there = free_ports(2)
    async with says(there, 200) as asked, balanced(gone, there) as client:
        for _ in range(3):
            assert (await client.get("/")).status_code == 200
    assert len(asked) == 3


async def test_with_nobody_there_the_connection_ends() -> None:
    (gone,) = free_ports(1)
    async with balanced(gone) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/")


async def test_a_lost_answer_and_a_503_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.cluster.trial.REPEAT_SECONDS", 0.0)
    (port,) = free_ports(1)
    lost = 0
    async with (
        says(port, 503, lost, 201) as asked,
        httpx.AsyncClient(transport=Patient()) as client,
    ):
        reply = await client.post(f"http://{HOST}:{port}/", json={"the": "same"})
    assert (reply.status_code, asked) == (201, [503, lost, 201])


@pytest.mark.parametrize(
    ("outcome", "ok"),
    [
        (Outcome([PLAYED], ["worker-1", "api-2"], True, True), True),
        (Outcome([PLAYED], ["worker-1", "worker-2"], True, True), False),
        (Outcome([PLAYED], ["worker-1", "api-2"], False, True), False),
        (Outcome([PLAYED], ["worker-1", "api-2"], True, False), False),
        (Outcome([Played("x", "", 1.0, 0, False, "")], ["api-1", "worker-1"], True, True), False),
    ],
)
def test_the_trial_is_won_only_with_everything(outcome: Outcome, ok: bool) -> None:
    assert outcome.ok is ok


@pytest.fixture
def provisioned() -> None:
    if provision.paths().temporal_server is None:
        assert not os.environ.get("CI"), "no Temporal server: run `make cluster`"
        pytest.skip("no Temporal server: run `make cluster`")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("provisioned")
def test_a_few_stories_outlive_the_loss_of_an_api_and_a_worker() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tools.cluster", "--small"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "4 of 4 as expected" in ended.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("provisioned")
def test_no_password_stands_in_a_log_or_on_a_command_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    cluster = Cluster(tmp_path / "cluster", print)
    secrets = [file.read_text() for file in (tmp_path / "cluster" / "secrets").iterdir()]
    assert len(secrets) == 2
    commands = {name: " ".join(part.command) for name, part in cluster._parts.items()}
    for name in (*APIS, *WORKERS, "migrations", "schema"):
        assert [secret for secret in secrets if secret in commands[name]] == []
