"""What is measured: requests, notifications, calls to WeChat Pay, and figures from the tables."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import FRESH_S, Gauges
from db import migrate
from db.engine import Database
from settings import token_hash
from simulator import defaults
from tests.api.test_away import served
from tests.api.test_notify import payment
from tests.shop import TOKENS, Shop, free_port, order_body, settings_for

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scraped(api: httpx.AsyncClient) -> Samples:
    """Every sample at `/metrics`, by name and labels."""
    reply = await api.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    """By how much a counter grew."""
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0.0) - before.get(key, 0.0)


@pytest.fixture(autouse=True)
def never_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.metrics.FRESH_S", 0.0)


async def test_a_request_is_counted_by_its_route_and_not_its_path(shop: Shop) -> None:
    number = await shop.order()
    before = await scraped(shop.api)
    await shop.order_of(number)
    await shop.api.get(f"/nobody-knows/{number}")
    after = await scraped(shop.api)
    known = {"method": "GET", "route": "/v1/orders/{out_trade_no}", "status": "200"}
    assert grown(before, after, "order_flow_http_requests_total", **known) == 1
    unknown = {"method": "GET", "route": "other", "status": "404"}
    assert grown(before, after, "order_flow_http_requests_total", **unknown) == 1
    assert number not in str(after)


async def test_notifications_are_counted_by_what_became_of_them(shop: Shop) -> None:
    number = await shop.order()
    before = await scraped(shop.api)
    await shop.pay(number)
    await shop.order_is(number, "AWAITING_SHIPMENT")
    forged = payment(number).replace(b"<sign>", b"<sign>0")
    for body in (forged, b"not xml"):
        await shop.api.post("/apis/pay_notify", content=body)
    after = await scraped(shop.api)
    name = "order_flow_notifications_total"
    assert grown(before, after, name, kind="payment", result="held") == 1
    assert grown(before, after, name, kind="unreadable", result="refused") == 2
    timed = "order_flow_notification_seconds_count"
    assert grown(before, after, timed, result="held") == 1


async def test_open_cases_refunds_and_the_nearest_deadline_are_told(shop: Shop) -> None:
    before = await scraped(shop.api)
    case_no = await shop.apply(await shop.paid())
    waiting = await scraped(shop.api)
    assert grown(before, waiting, "order_flow_cases", state="PENDING_MERCHANT") == 1
    margin = waiting["order_flow_case_margin_seconds", (("state", "PENDING_MERCHANT"),)]
    assert margin <= 48 * 3600
    newest = ("order_flow_last_event_id", ())
    assert waiting[newest] > before.get(newest, 0)
    await shop.approve(case_no)
    await shop.case_is(case_no, "COMPLETED")
    done = await scraped(shop.api)
    assert grown(before, done, "order_flow_cases", state="PENDING_MERCHANT") == 0
    assert done["order_flow_refunds", (("state", "UNKNOWN"),)] == 0
    assert done["order_flow_tables_up", ()] == 1


async def test_figures_are_asked_for_once_in_a_while(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.metrics.FRESH_S", FRESH_S)
    asked = 0

    async def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    monkeypatch.setattr(Gauges, "_ask", count)
    gauges = Gauges()
    await asyncio.gather(*(gauges.read(None) for _ in range(20)))  # type: ignore[arg-type]
    assert asked == 1


async def test_without_the_database_the_counters_are_still_there(tmp_path: Path) -> None:
    database = Database(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none")
    nobody = settings_for(database, free_port(), "http://127.0.0.1:9", {})
    async with served(nobody) as api:
        found = await scraped(api)
    assert found["order_flow_tables_up", ()] == 0
    assert not any(name == "order_flow_cases" for name, _ in found)
    database.close()


async def test_metrics_tell_strangers_no_number_and_need_no_token(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    migrate.upgrade(database)
    async with served(settings_for(database, free_port(), "http://127.0.0.1:9", {})) as api:
        assert ("order_flow_tables_up", ()) in await scraped(api)
    database.close()


async def test_logs_carry_the_numbers_and_neither_secrets_nor_people(
    shop: Shop, written: io.StringIO
) -> None:
    number = await shop.paid(openid=OPENID)
    case_no = await shop.apply(number)
    await shop.approve(case_no)
    await shop.case_is(case_no, "COMPLETED")
    refused = order_body("order-refused", openid=OPENID)
    await shop.control("faults", fault="refuse", err_code="OUT_TRADE_NO_USED", call="unifiedorder")
    assert await shop.refuses("shop", "/v1/orders", refused) == "channel_refused"
    await shop.post("shop", "/v1/orders", {"openid": OPENID, "lines": OPENID})
    await shop.api.post("/apis/pay_notify", content=f"<openid>{OPENID}</openid>".encode())
    text = written.getvalue()
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    requests = {
        (line["route"], line.get("out_trade_no")) for line in lines if line["event"] == "request"
    }
    activities = {
        (line["activity_type"], line.get("out_trade_no"), line.get("case_no"))
        for line in lines
        if line["event"] == "activity done"
    }
    for route in ("/v1/orders", "/v1/orders/{out_trade_no}", "/apis/pay_notify"):
        assert (route, number) in requests
    assert ("open_payment", number, None) in activities
    assert ("submit_refund", number, case_no) in activities
    secrets = [OPENID, defaults.API_KEY, *(token_hash(token) for token in TOKENS)]
    assert [secret for secret in secrets if secret in text] == []
    assert "Bearer" not in text
