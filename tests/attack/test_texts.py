"""SQL, HTML and the like through every text field of REST: kept to the letter, and nothing more."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import inspect

from tests.shop import Shop

pytestmark = pytest.mark.slow

HOSTILE = {
    "SQL": "'; DROP TABLE orders; --%' OR '1'='1",
    "HTML": "<script>hacked=1</script><img src=x onerror=hacked=1>",
    "an attribute": '"onmouseover="hacked=1" x=\'',
    "a template": "{{7*7}}${7*7}#{7*7}<%=7*7%>%s%n{0.__class__}",
    "a formula": '=HYPERLINK("//x")',
    "XML": "]]></a><total_fee>1</total_fee>",
    "odd letters": "abc\u202edef\u200b茶🍵",
}  # fmt: skip


async def kept(shop: Shop, text: str) -> tuple[str, str]:
    """An order and its case whose every text is this one; their numbers."""
    line = {"sku": text, "title": text, "quantity": 2, "unit_price": 150}
    gift = {"coupon_no": f"gift-{text.encode().hex()[:32]}", "title": text, "face_value": 20}
    more = {"openid": text, "description": text, "attach": text}
    number = await shop.paid(lines=[line], gifts=[gift], **more)
    parcel = {"carrier": text, "tracking_no": text}
    await shop.does("shop", f"/v1/orders/{number}/ship", parcel)
    case_no = await shop.apply(number, reason=text, lines=[{"sku": text, "quantity": 2}])
    await shop.does("shop", f"/v1/after-sales/{case_no}/return-shipment", parcel)
    received = {"decision": "received", "responsibility": "BUYER", "reason": text}
    case = await shop.does("merchant", f"/v1/after-sales/{case_no}/receipt", received)
    until = datetime.fromisoformat(case["deadline_at"]) + timedelta(days=1)
    longer = {"until": until.isoformat(), "reason": text}
    await shop.does("platform", f"/v1/after-sales/{case_no}/extend", longer)
    await shop.reject(case_no, "platform", text)
    return number, case_no


async def test_a_text_is_kept_to_the_letter(shop: Shop) -> None:
    numbers = await asyncio.gather(*[kept(shop, text) for text in HOSTILE.values()])
    for text, (number, case_no) in zip(HOSTILE.values(), numbers, strict=True):
        order, case = await shop.get("admin", f"/v1/orders/{number}"), await shop.case_of(case_no)
        assert [order["openid"], order["description"], order["attach"]] == [text] * 3
        (line,), (gift,) = order["lines"], order["gifts"]
        assert [line["sku"], line["title"], gift["title"]] == [text] * 3
        assert [entry["reason"] for entry in case["timeline"]].count(text) == 4
    assert (await shop.get("finance", "/v1/ledger/trial-balance"))["balanced"]


async def test_a_merchants_texts_are_kept_to_the_letter(shop: Shop) -> None:
    headers = {"Authorization": "Bearer platform"}
    for text in HOSTILE.values():
        address = {"name": text, "phone": text[:32], "address": text}
        said = {"name": text, "return_address": address}
        reply = await shop.api.put("/v1/merchants/m-odd", json=said, headers=headers)
        assert reply.status_code == 200, reply.text
        seen = await shop.get("admin", "/v1/merchants/m-odd")
        assert (seen["name"], seen["return_address"]) == (text, address)


async def test_what_wechat_is_told_is_what_was_written(shop: Shop) -> None:
    for text in HOSTILE.values():
        number = await shop.order(description=text, attach=text)
        paid = await shop.pay(number)
        assert paid["total_fee"] == 380
        order = await shop.order_is(number, "AWAITING_SHIPMENT")
        assert order["attach"] == text


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_filter_finds_what_it_names_and_nothing_else(shop: Shop, what: str) -> None:
    there = await shop.order()
    for path in ("/v1/orders", "/v1/after-sales"):
        for name in ("state", "merchant_id", "updated_after", "cursor"):
            reply = await shop.api.get(
                path, params={name: HOSTILE[what]}, headers={"Authorization": "Bearer auditor"}
            )
            assert reply.status_code == 422 or reply.json()["items"] == [], name
            assert there not in reply.text


async def test_the_tables_are_all_there(shop: Shop) -> None:
    names = inspect(shop.database.engine).get_table_names()
    assert {"orders", "after_sales", "refunds", "audit"} <= set(names)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,<script>", "file:///etc/passwd", "//x"]
)
async def test_evidence_is_a_web_address(shop: Shop, url: str) -> None:
    number = await shop.paid()
    body = {"type": "REFUND_ONLY", "reason_code": "OTHER", "reason": "不想要了", "evidence": [url]}
    assert await shop.refuses("shop", f"/v1/orders/{number}/after-sales", body) == "invalid_field"


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x1b[2Jb", "\ud800", "a\ufffe"])
async def test_what_no_field_may_hold_is_refused(shop: Shop, text: str) -> None:
    number = await shop.paid()
    body = {"type": "REFUND_ONLY", "reason_code": "OTHER", "reason": text}
    content = json.dumps(body).encode()
    headers = {
        "Authorization": "Bearer shop",
        "Idempotency-Key": f"odd {text.encode(errors='replace').hex()}",
        "Content-Type": "application/json",
    }
    path = f"/v1/orders/{number}/after-sales"
    reply = await shop.api.post(path, content=content, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_field")
