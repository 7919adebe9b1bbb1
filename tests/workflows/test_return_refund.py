"""The return refund: sent back, received and inspected, processed; freight by responsibility."""

from datetime import timedelta
from typing import Any

import pytest

from tests.shop import PARCEL, Shop, refunds, told

ONE_CUP = [{"sku": "cup", "quantity": 1}]
REFUSED = {"decision": "refused", "reason": "退回的不是原商品"}


async def returned(shop: Shop, case_no: str, responsibility: str) -> Any:
    """The rest of a return, from sending back to the money."""
    await shop.send_back(case_no)
    await shop.receipt(case_no, responsibility)
    await shop.approve(case_no, "platform")
    return await shop.case_is(case_no, "COMPLETED")


@pytest.mark.parametrize(
    ("reason_code", "found", "fee"),
    [
        ("QUALITY", "MERCHANT", 380),
        ("NO_REASON", "BUYER", 300),
        ("QUALITY", "BUYER", 300),
        ("OTHER", "MERCHANT", 380),
    ],
)
async def test_freight_goes_back_when_the_merchant_is_responsible(
    shop: Shop, reason_code: str, found: str, fee: int
) -> None:
    number = await shop.received()
    case_no = await shop.apply(number, reason_code=reason_code)
    case = await returned(shop, case_no, found)
    assert (case["responsibility"], refunds(case)) == (found, [(fee, "SUCCEEDED")])
    assert told(case)[:4] == ["APPLIED", "RETURN_SHIPPED", "RECEIPT_ACCEPTED", "PLATFORM_APPROVED"]
    assert case["return_shipment"] == PARCEL
    await shop.order_is(number, "CLOSED")
    assert await shop.money_moves(number) == [1]


async def test_one_unit_after_another_while_the_rest_is_kept(shop: Shop) -> None:
    number = await shop.shipped()
    first = await shop.apply(number, reason_code="DAMAGED", lines=ONE_CUP)
    assert refunds(await returned(shop, first, "MERCHANT")) == [(230, "SUCCEEDED")]
    received = await shop.does("shop", f"/v1/orders/{number}/receive")
    assert received["state"] == "RECEIVED"
    second = await shop.apply(number, reason_code="DAMAGED", lines=ONE_CUP)
    await shop.sleep(timedelta(minutes=1))
    assert refunds(await returned(shop, second, "MERCHANT")) == [(150, "SUCCEEDED")]
    await shop.order_is(number, "CLOSED")


async def test_refused_on_receipt_and_applied_for_again(shop: Shop) -> None:
    number = await shop.received()
    first = await shop.apply(number)
    await shop.send_back(first)
    refused = await shop.does("merchant", f"/v1/after-sales/{first}/receipt", REFUSED)
    assert (refused["state"], refused["timeline"][-1]["reason"]) == ("REJECTED", REFUSED["reason"])
    again = await shop.apply(number)
    await returned(shop, again, "BUYER")
    assert await shop.money_moves(number) == [1]


async def test_rejected_by_the_platform_after_the_receipt(shop: Shop) -> None:
    number = await shop.received()
    case_no = await shop.apply(number)
    await shop.send_back(case_no)
    await shop.receipt(case_no, "BUYER")
    rejected = await shop.reject(case_no, "platform", "检测为人为损坏")
    assert (rejected["state"], refunds(rejected)) == ("REJECTED", [])


async def test_withdrawn_before_anything_is_sent_back(shop: Shop) -> None:
    number = await shop.shipped()
    case_no = await shop.apply(number)
    receive = f"/v1/orders/{number}/receive"
    assert await shop.refuses("shop", receive) == "case_open"
    assert (await shop.withdraw(case_no))["state"] == "CLOSED"
    assert (await shop.does("shop", receive))["state"] == "RECEIVED"


async def test_a_merchant_that_wants_to_be_asked_first(shop: Shop) -> None:
    strict = {"name": "茶铺", "policies": {"return_needs_approval": True}}
    reply = await shop.api.put(
        "/v1/merchants/m2", json=strict, headers={"Authorization": "Bearer platform"}
    )
    assert reply.is_success
    number = await shop.received(merchant_id="m2")
    review = "/v1/after-sales/{}/merchant-review"
    first = await shop.apply(number)
    reject = {"decision": "reject", "reason": "已过保质期"}
    rejected = await shop.does("stranger", review.format(first), reject)
    assert (told(rejected)[-1], rejected["state"]) == ("MERCHANT_REJECTED", "REJECTED")
    silent = await shop.apply(number)
    await shop.does("platform", f"/v1/after-sales/{silent}/expire")
    assert told(await shop.case_is(silent, "AWAITING_RETURN"))[-1] == "RETURN_MERCHANT_SILENT"
    await shop.withdraw(silent)
    second = await shop.apply(number)
    approved = await shop.does("stranger", review.format(second), {"decision": "approve"})
    assert (told(approved)[-1], approved["state"]) == ("RETURN_APPROVED", "AWAITING_RETURN")
    await shop.send_back(second)
    received = {"decision": "received", "responsibility": "BUYER"}
    await shop.does("stranger", f"/v1/after-sales/{second}/receipt", received)
    await shop.approve(second, "platform")
    await shop.case_is(second, "COMPLETED")


@pytest.mark.parametrize(
    ("said", "responsibility"), [({}, "MERCHANT"), ({"responsibility": "BUYER"}, "BUYER")]
)
async def test_a_receipt_by_signal_is_as_claimed_unless_it_says_more(
    shop: Shop, said: dict[str, str], responsibility: str
) -> None:
    case_no = await shop.apply(await shop.received(), reason_code="QUALITY")
    await shop.send_back(case_no)
    received = {"stage": "receipt", "reviewer": "李强", **said}
    await shop.signal(case_no, "approve", received)
    case = await shop.case_is(case_no, "PENDING_PLATFORM")
    assert case["responsibility"] == responsibility
    await shop.signal(case_no, "reject", {**received, "stage": "platform", "reason": "证据不足"})
    await shop.case_is(case_no, "REJECTED")


async def test_lines_and_quantities_of_a_larger_order(shop: Shop) -> None:
    """Two lines, a discount and a coupon: what goes back is what was paid for these units."""
    lines = [
        {"sku": "pot", "title": "茶壶", "quantity": 1, "unit_price": 10_000},
        {"sku": "cup", "title": "茶杯", "quantity": 3, "unit_price": 1_000},
    ]
    number = await shop.received(lines=lines, merchant_discount=1_000, platform_coupon=300)
    first = await shop.apply(number, lines=[{"sku": "cup", "quantity": 2}])
    second = await shop.apply(number)
    fees = []
    for case_no in (first, second):
        fees += refunds(await returned(shop, case_no, "BUYER"))
        await shop.sleep(timedelta(minutes=1))
    paid = 13_000 - 1_000 - 300
    assert [fee for fee, _ in fees] == [1_800, paid - 1_800]
    await shop.order_is(number, "CLOSED")
