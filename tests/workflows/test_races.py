"""Many at once on one thing, on a real Temporal server: one outcome, and everybody is told it."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.shop import APPROVE, PARCEL, Shop, order_body, refunds, told
from tests.workflows.desks import REJECT
from tests.workflows.stuck import again, approved, moved, settle

pytestmark = pytest.mark.slow

FIFTY = 50
BUSY = 503


@pytest.fixture(scope="module")
def policies() -> dict[str, str]:
    return {"refund_gap": "0s"}


async def insist(shop: Shop, who: str, path: str, body: Any, key: str) -> httpx.Response:
    """The answer to a command; "come again" is followed, under the same key."""
    reply = await shop.post(who, path, body, key)
    while reply.status_code == BUSY:
        await asyncio.sleep(float(reply.headers["Retry-After"]) / 10)
        reply = await shop.post(who, path, body, key)
    return reply


async def test_fifty_copies_of_one_command_are_one(real_shop: Shop) -> None:
    case_no = await real_shop.apply(await real_shop.paid())
    path = f"/v1/after-sales/{case_no}/merchant-review"
    copies = [insist(real_shop, "merchant", path, APPROVE, "the same") for _ in range(FIFTY)]
    replies = await asyncio.gather(*copies)
    assert {reply.status_code for reply in replies} == {200}
    assert all(reply.json() == replies[0].json() for reply in replies)
    assert told(await real_shop.case_of(case_no)) == ["APPLIED", "MERCHANT_APPROVED"]


async def test_fifty_copies_of_one_order_are_one(real_shop: Shop) -> None:
    body = order_body("fifty-copies")
    copies = [insist(real_shop, "shop", "/v1/orders", body, "the order") for _ in range(FIFTY)]
    replies = await asyncio.gather(*copies)
    assert {reply.status_code for reply in replies} == {201}
    assert all(reply.json() == replies[0].json() for reply in replies)
    assert told(await real_shop.order_of("fifty-copies")) == ["PLACED"]


DECISIONS = {
    "MERCHANT_APPROVED": ("merchant", "merchant-review", APPROVE),
    "MERCHANT_REJECTED": ("merchant", "merchant-review", REJECT),
    "WITHDRAWN": ("shop", "withdraw", None),
}


async def test_fifty_decisions_at_once_and_each_is_told_the_truth(real_shop: Shop) -> None:
    """Who heard "done" stands on the timeline, once each; who heard "no" stands nowhere."""
    case_no = await real_shop.apply(await real_shop.paid())
    asked = [list(DECISIONS)[count % len(DECISIONS)] for count in range(FIFTY)]
    asking = []
    for count, event in enumerate(asked):
        who, path, body = DECISIONS[event]
        path = f"/v1/after-sales/{case_no}/{path}"
        asking.append(insist(real_shop, who, path, body, f"decision-{count}"))
    replies = await asyncio.gather(*asking)
    done = Counter(event for event, reply in zip(asked, replies, strict=True) if reply.is_success)
    refused = [reply.json()["code"] for reply in replies if not reply.is_success]
    assert set(refused) == {"case_state"}
    case = await real_shop.case_of(case_no)
    assert Counter(told(case)[1:]) == done
    assert 1 <= done.total() <= 2, "an approved case may still be withdrawn"
    assert case["state"] == {"MERCHANT_APPROVED": "PENDING_PLATFORM", "WITHDRAWN": "CLOSED"}.get(
        told(case)[-1], "REJECTED"
    )


async def test_fifty_notifications_of_one_payment_are_one_payment(real_shop: Shop) -> None:
    number = await real_shop.paid()
    sent = next(
        row["id"] for row in (await real_shop.truth())["notifications"] if row["number"] == number
    )
    replay = f"/_control/notifications/{sent}/replay"
    copies = [real_shop.wechat.post(replay) for _ in range(FIFTY)]
    answers = [reply.json() for reply in await asyncio.gather(*copies)]
    assert answers == [{"acknowledged": True}] * FIFTY
    await real_shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    assert told(await real_shop.order_of(number)) == ["PLACED", "PAID", "SHIPPED"]
    found = await real_shop.get("finance", f"/v1/ledger/entries?out_trade_no={number}")
    assert [entry["kind"] for entry in found["items"]].count("PAYMENT") == 1


async def test_fifty_first_notifications_of_one_payment_are_one_payment(real_shop: Shop) -> None:
    number = await real_shop.order()
    await real_shop.fault("notify_lost", number, call="pay_notify")
    await real_shop.pay(number)
    await real_shop.notified(number)
    rows = (await real_shop.truth())["notifications"]
    lost = next(row["id"] for row in rows if row["number"] == number)
    replay = f"/_control/notifications/{lost}/replay"
    answers = await asyncio.gather(*[real_shop.wechat.post(replay) for _ in range(FIFTY)])
    assert {reply.json()["acknowledged"] for reply in answers} == {True}
    order = await real_shop.order_is(number, "AWAITING_SHIPMENT")
    assert told(order) == ["PLACED", "PAID"]


async def test_applications_for_the_same_goods_at_once_open_one_case(real_shop: Shop) -> None:
    number = await real_shop.paid()
    path = f"/v1/orders/{number}/after-sales"
    body = {"type": "REFUND_ONLY", "reason_code": "NO_REASON", "reason": "不想要了"}
    asking = [insist(real_shop, "shop", path, body, f"apply-{count}") for count in range(10)]
    codes = Counter(reply.json().get("code", "done") for reply in await asyncio.gather(*asking))
    assert codes == {"done": 1, "nothing_left": 9}
    assert len((await real_shop.order_of(number))["after_sales"]) == 1


async def test_shipping_and_applying_at_once_exclude_each_other(real_shop: Shop) -> None:
    body = {"type": "REFUND_ONLY", "reason_code": "NO_REASON", "reason": "不想要了"}
    for _ in range(5):
        number = await real_shop.paid()
        shipped, applied = await asyncio.gather(
            real_shop.post("shop", f"/v1/orders/{number}/ship", PARCEL),
            real_shop.post("shop", f"/v1/orders/{number}/after-sales", body),
        )
        codes = (shipped.json().get("code"), applied.json().get("code"))
        assert codes in [("unshipped_refund_open", None), (None, "type_not_allowed")]


async def test_a_settlement_and_a_new_number_at_once_pay_the_buyer_once(real_shop: Shop) -> None:
    case_no = await approved(real_shop, "refund_ends_close")
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    await settle(real_shop, "finance", case_no)
    settled, retried = await asyncio.gather(
        settle(real_shop, "finance2", case_no), again(real_shop, case_no)
    )
    codes = (settled.get("code"), retried.get("code"))
    case = await real_shop.case_is(case_no, "COMPLETED")
    if codes[0] is None:
        assert codes[1] in ("refund_state", "case_state")
        assert refunds(case) == [(380, "MANUAL_SETTLED")]
        assert await moved(real_shop, case_no) == {f"{case_no}-1": 0}
    else:
        assert codes[1] is None
        assert refunds(case) == [(380, "CLOSED"), (380, "SUCCEEDED")]
        assert await moved(real_shop, case_no) == {f"{case_no}-1": 0, f"{case_no}-2": 1}


async def test_a_refused_command_leaves_nothing_in_the_history(real_shop: Shop) -> None:
    number = await real_shop.paid()
    case_no = await real_shop.apply(number)
    runs = (f"order-{number}", f"after-sale-{case_no}")
    ship, review = f"/v1/orders/{number}/ship", f"/v1/after-sales/{case_no}/platform-review"
    assert await real_shop.refuses("platform", review, APPROVE) == "case_state"  # the case is up
    before = [len(await real_shop.history(run)) for run in runs]
    assert await real_shop.refuses("shop", ship, PARCEL) == "unshipped_refund_open"
    assert await real_shop.refuses("platform", review, APPROVE) == "case_state"
    assert [len(await real_shop.history(run)) for run in runs] == before
