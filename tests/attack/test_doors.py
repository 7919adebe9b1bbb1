"""The doors of HTTP: bounds on bodies, headers on answers, guessed tokens, silent errors."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from api import guesses
from api.app import create_app
from api.guard import BODY_MAX, BODY_MAX_OF, HEADERS, LINGER_S
from api.guesses import FAILURES_MAX, REMEMBERED_MAX, Guesses
from db import migrate
from db.engine import Database
from tests.shop import PARCEL, Shop, free_port, order_body, settings_for
from wechat import xml

pytestmark = pytest.mark.slow

SHOP = {"Authorization": "Bearer shop", "Idempotency-Key": "k"}
ADMIN = {"Authorization": "Bearer admin", "Idempotency-Key": "k"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The application alone; Temporal is away."""
    database = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    migrate.upgrade(database)
    nobody = settings_for(database, free_port(), "http://127.0.0.1:9", {})
    made = create_app(nobody.model_copy(update={"temporal_port": free_port()}))
    async with made.router.lifespan_context(made):
        yield made
    database.close()


@asynccontextmanager
async def caller(app: FastAPI, address: str = "192.0.2.1") -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at this address."""
    transport = httpx.ASGITransport(app, client=(address, 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture
async def door(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(app) as client:
        yield client


# ---- bodies


async def chunks(size: int, pause_s: float = 0) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(size // 1024 + 1):
        yield b" " * 1024
        await asyncio.sleep(pause_s)


@pytest.mark.parametrize("path", ["/v1/orders", "/codec/decode"])
async def test_a_body_has_a_bound_whether_it_is_announced_or_not(shop: Shop, path: str) -> None:
    most = BODY_MAX_OF["/codec/"] if "codec" in path else BODY_MAX
    for body in (b" " * (most + 1), chunks(most)):
        reply = await shop.api.post(path, content=body, headers=ADMIN)
        assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
        assert reply.headers["connection"] == "close"
    fits = await shop.api.post(path, content=b" " * most, headers=ADMIN)
    assert fits.status_code == 422


async def test_a_body_that_is_announced_too_long_is_not_waited_for(shop: Shop) -> None:
    at = urlsplit(str(shop.api.base_url))
    reading, wire = await asyncio.open_connection(at.hostname, at.port)
    head = "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer shop\r\n"
    wire.write(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
    since = time.monotonic()
    said = await reading.read()
    assert said.startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - since < LINGER_S + 1
    wire.close()


async def test_a_body_that_nobody_reads_keeps_no_connection(shop: Shop) -> None:
    reply = await shop.api.post("/nowhere", content=chunks(BODY_MAX))
    assert (reply.status_code, reply.headers["connection"]) == (404, "close")
    kept = await shop.api.post("/v1/orders", json={}, headers=ADMIN)
    assert (kept.status_code, kept.headers.get("connection")) == (422, None)


async def test_a_body_has_a_deadline(
    door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.guard.BODY_WITHIN_S", 0.1)
    reply = await door.post("/v1/orders", content=chunks(BODY_MAX, pause_s=0.04), headers=ADMIN)
    assert (reply.status_code, reply.json()["code"]) == (408, "too_slow")


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 40_000, b"9" * 200_000, b'"\\ud800"', b"\xff\xfe", b"NaN", b"{"],
    ids=["deep list", "deep object", "long number", "half a pair", "no text", "NaN", "cut"],
)
async def test_an_odd_body_is_one_problem(door: httpx.AsyncClient, body: bytes) -> None:
    reply = await door.post("/v1/orders", content=body, headers=ADMIN)
    assert reply.status_code in (400, 422)
    assert reply.headers["content-type"] == "application/problem+json"


# ---- answers


async def test_every_answer_carries_its_headers(door: httpx.AsyncClient) -> None:
    replies = [
        await door.get("/healthz"),
        await door.get("/metrics"),
        await door.get("/openapi.json"),
        await door.get("/nowhere"),
        await door.get("/v1/orders"),
        await door.put("/v1/orders"),
        await door.post("/v1/orders", json=order_body("order-1"), headers=SHOP),
        await door.post("/apis/pay_notify", content=b"junk"),
    ]
    replies.append(await broken(door))
    assert [reply.status_code for reply in replies] == [200, 200, 200, 404, 401, 405, 503, 200, 500]
    for reply in replies:
        assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
        assert "server" not in reply.headers


async def test_the_docs_load_what_we_serve_and_nothing_else(door: httpx.AsyncClient) -> None:
    page = await door.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(loaded) == 3
    for address in loaded:
        reply = await door.get(address)
        assert (reply.status_code, reply.headers["x-frame-options"]) == (200, "DENY"), address


async def test_a_fault_of_ours_tells_its_number_and_nothing_else(door: httpx.AsyncClient) -> None:
    reply = await broken(door)
    said = reply.json()
    assert (reply.status_code, said["code"]) == (500, "internal_error")
    assert len(said["request_id"]) == 16
    for word in ("sk_live_1", "db.internal", "RuntimeError", "Traceback", ".py"):
        assert word not in reply.text


async def broken(door: httpx.AsyncClient) -> httpx.Response:
    """The answer of a route that breaks; its traceback is not printed."""
    wrong = RuntimeError("sk_live_1 at db.internal")
    with patch.object(Database, "read", side_effect=wrong), capture_logs():
        return await door.get("/v1/orders", headers=SHOP)


# ---- tokens


async def test_who_guesses_tokens_is_shut_out_and_nobody_else_is(app: FastAPI) -> None:
    async with caller(app) as guesser, caller(app, "198.51.100.7") as other:
        assert (await guesser.get("/v1/orders", headers=SHOP)).status_code == 200
        tried = [await tries(guesser, f"guess-{count}") for count in range(FAILURES_MAX)]
        assert [reply.status_code for reply in tried] == [401] * FAILURES_MAX
        shut = await tries(guesser, "admin")
        assert (shut.status_code, shut.json()["code"]) == (429, "too_many_failures")
        assert 0 < int(shut.headers["Retry-After"]) <= 61
        assert (await guesser.get("/v1/orders", headers=SHOP)).status_code == 200
        assert (await tries(other, "admin")).status_code == 200


async def test_the_codec_opens_nothing_for_who_guesses(app: FastAPI) -> None:
    async with caller(app) as guesser:
        for count in range(FAILURES_MAX):
            await tries(guesser, f"guess-{count}")
        headers = {"Authorization": "Bearer admin"}
        reply = await guesser.post("/codec/decode", json={"payloads": []}, headers=headers)
        assert reply.status_code == 429


async def tries(who: httpx.AsyncClient, token: str) -> httpx.Response:
    """One guess."""
    return await who.get("/v1/orders", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    ("another", "is_shut"),
    [("2001:db8::ffff", True), ("2001:db8:0:1::1", False), ("192.0.2.1", False), ("", False)],
)
def test_a_network_of_ipv6_is_one_guesser(another: str, is_shut: bool) -> None:
    kept = Guesses()
    for count in range(FAILURES_MAX):
        kept.wrong(f"2001:db8::{count:x}")
    assert (kept.shut_for_s(another, "token") > 0) is is_shut


def test_it_is_forgiven_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Guesses()
    assert [kept.wrong("a") for _ in range(FAILURES_MAX)].count(True) == 1
    assert kept.shut_for_s("a", "token")
    monkeypatch.setattr(guesses, "FORGIVEN_AFTER_S", 0.0)
    assert not kept.shut_for_s("a", "token")
    assert not kept.wrong("a")


def test_guessing_from_everywhere_fills_no_memory() -> None:
    kept = Guesses()
    for count in range(REMEMBERED_MAX + 100):
        kept.wrong(f"address {count}")
        kept.right(f"address {count}", "token")
    assert len(kept._tried) == len(kept._right) == REMEMBERED_MAX


# ---- methods and paths


@pytest.mark.parametrize(
    "path",
    ["//v1/orders", "/v1/orders/../../etc/passwd", "/v1/orders/%2e%2e%2f", "/v1/orders/%00", "/V1"],
)
async def test_an_odd_path_leads_nowhere(door: httpx.AsyncClient, path: str) -> None:
    reply = await door.get(path, headers=SHOP)
    assert reply.status_code in (307, 404, 422)
    assert reply.headers.get("location", "/").startswith(("/", "http://api/v1/"))


@pytest.mark.parametrize("number", ["%00", "%0A", "%ED%A0%80", "%F0%9F%8D%B5", "a" * 2000])
async def test_a_refusal_at_an_odd_path_is_a_refusal(shop: Shop, number: str) -> None:
    """It is written into the audit trail, whatever the path."""
    headers = {"Authorization": "Bearer auditor", "Idempotency-Key": "odd"}
    reply = await shop.api.post(f"/v1/orders/{number}/ship", json=PARCEL, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/apis/pay_refund", "/apis/pay_refund2"])
async def test_nobody_refunds_without_a_token(door: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        reply = await door.request(method, f"{path}?no=order-1")
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")


async def test_answers_to_wechat_are_xml_whatever_breaks(door: httpx.AsyncClient) -> None:
    with patch("wechat.notifications.parse", side_effect=RuntimeError("sk_live_1")):
        reply = await door.post("/apis/pay_notify", content=b"<xml/>")
    said = xml.parse(reply.content)
    assert (reply.status_code, said) == (200, {"return_code": "FAIL", "return_msg": "not now"})
