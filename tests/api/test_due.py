"""A "no" to what the buyer asked for shows what would be due."""

from datetime import timedelta
from typing import Any

from tests.shop import Shop

REJECT = {"decision": "reject", "reason": "今天下午已经备货"}


async def refused(shop: Shop, number: str, **more: Any) -> Any:
    """The problem that an application is answered with."""
    state = (await shop.order_of(number))["state"]
    kind = "REFUND_ONLY" if state == "AWAITING_SHIPMENT" else "RETURN_REFUND"
    body = {"type": kind, "reason_code": "NO_REASON", "reason": "不想要了", **more}
    reply = await shop.post("shop", f"/v1/orders/{number}/after-sales", body)
    assert reply.status_code == 409, reply.text
    return reply.json()


async def test_too_many_units_asked_for(shop: Shop) -> None:
    number = await shop.paid()
    problem = await refused(shop, number, lines=[{"sku": "cup", "quantity": 3}])
    assert problem["code"] == "quantity_not_left"
    due = problem["due"]
    assert (due["goods"], due["freight"], due["refund_fee"]) == (300, 80, 380)
    assert due["lines"][0]["quantity"] == 2


async def test_only_what_no_case_holds_counts(shop: Shop) -> None:
    number = await shop.paid()
    await shop.apply(number, lines=[{"sku": "cup", "quantity": 1}])
    problem = await refused(shop, number, lines=[{"sku": "cup", "quantity": 2}])
    assert (problem["due"]["goods"], problem["due"]["lines"][0]["quantity"]) == (150, 1)


async def test_where_nothing_is_left_nothing_is_due(shop: Shop) -> None:
    number = await shop.paid()
    await shop.apply(number)
    problem = await refused(shop, number)
    assert (problem["code"], "due" in problem) == ("nothing_left", False)


async def test_the_window_is_over(shop: Shop) -> None:
    number = await shop.received()
    await shop.sleep(timedelta(days=7))
    problem = await refused(shop, number)
    assert problem["code"] == "window_closed"
    assert (problem["due"]["goods"], problem["due"]["freight"]) == (300, 0)


async def test_the_order_is_completed(shop: Shop) -> None:
    number = await shop.received()
    await shop.does("shop", f"/v1/orders/{number}/expire")
    await shop.order_is(number, "COMPLETED")
    problem = await refused(shop, number, reason_code="QUALITY")
    assert problem["code"] == "window_closed"
    assert (problem["due"]["goods"], problem["due"]["freight"]) == (300, 80)


async def test_a_rejected_case_keeps_its_amounts(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    await shop.does("merchant", f"/v1/after-sales/{case_no}/merchant-review", REJECT)
    await shop.approve(await shop.apply(number))
    await shop.order_is(number, "CLOSED")
    assert (await shop.case_of(case_no))["amounts"]["refund_fee"] == 380
