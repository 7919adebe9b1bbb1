"""From shipping to settlement: received, both windows, and what an open case holds back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.shop import PARCEL, Shop, refunds, told

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
NO_REASON, QUALITY = timedelta(days=7), timedelta(days=15)
TRIES = 5


async def settled(shop: Shop, number: str) -> list[str]:
    """What of an order's settlement stands in the books."""
    found = await shop.get("finance", f"/v1/ledger/entries?out_trade_no={number}")
    kinds = [entry["kind"] for entry in found["items"]]
    return [kind for kind in kinds if kind in ("RELEASE", "HANDLING_FEE")]


async def received_at(shop: Shop, number: str) -> datetime:
    return datetime.fromisoformat((await shop.order_of(number))["received_at"])


async def apply(shop: Shop, number: str, reason_code: str) -> Any:
    """An application for a return, whatever comes of it."""
    body = {"type": "RETURN_REFUND", "reason_code": reason_code, "reason": "有裂痕"}
    return (await shop.post("shop", f"/v1/orders/{number}/after-sales", body)).json()


@pytest.mark.parametrize(
    ("reason_code", "window"), [("NO_REASON", NO_REASON), ("QUALITY", QUALITY)]
)
async def test_a_second_before_its_window_ends_an_application_counts(
    shop: Shop, reason_code: str, window: timedelta
) -> None:
    for _ in range(TRIES):
        number = await shop.received()
        end = await received_at(shop, number) + window
        await shop.sleep_until(end.isoformat(), -SECOND)
        case = await apply(shop, number, reason_code)
        if await shop.clock.now() < end:
            break
    assert (case["state"], case["type"]) == ("AWAITING_RETURN", "RETURN_REFUND")
    await shop.withdraw(case["case_no"])


async def test_after_the_first_window_only_quality_counts(shop: Shop) -> None:
    number = await shop.received()
    await shop.sleep_until((await received_at(shop, number)).isoformat(), NO_REASON + SECOND)
    assert (await apply(shop, number, "NO_REASON"))["code"] == "window_closed"
    case = await apply(shop, number, "DAMAGED")
    assert case["state"] == "AWAITING_RETURN"


async def test_after_the_longest_window_the_order_completes_and_is_settled(shop: Shop) -> None:
    number = await shop.received()
    end = await received_at(shop, number) + QUALITY
    await shop.sleep_until(end.isoformat(), -2 * SECOND)
    assert ((await shop.order_of(number))["state"], await settled(shop, number)) == ("RECEIVED", [])
    await shop.sleep_until(end.isoformat(), SECOND)
    order = await shop.order_is(number, "COMPLETED")
    assert (told(order)[-1], order["timeline"][-1]["actor"]) == ("WINDOW_ENDED", "system:clock")
    assert await settled(shop, number) == ["RELEASE", "HANDLING_FEE"]
    assert (await apply(shop, number, "QUALITY"))["code"] == "window_closed"


async def test_an_open_case_holds_completion_back(shop: Shop) -> None:
    number = await shop.received()
    end = await received_at(shop, number) + QUALITY
    await shop.sleep_until(end.isoformat(), -DAY)
    case_no = (await apply(shop, number, "QUALITY"))["case_no"]
    await shop.sleep(2 * DAY)
    assert ((await shop.order_of(number))["state"], await settled(shop, number)) == ("RECEIVED", [])
    assert (await apply(shop, number, "QUALITY"))["code"] == "window_closed"
    await shop.withdraw(case_no)
    await shop.order_is(number, "COMPLETED")
    assert await settled(shop, number) == ["RELEASE", "HANDLING_FEE"]


async def test_a_part_refunded_after_the_windows_leaves_the_rest_to_be_settled(shop: Shop) -> None:
    number = await shop.received()
    await shop.sleep_until((await received_at(shop, number)).isoformat(), QUALITY - DAY)
    case_no = await shop.apply(number, reason_code="QUALITY", lines=[{"sku": "cup", "quantity": 1}])
    await shop.send_back(case_no)
    await shop.sleep(2 * DAY)
    await shop.receipt(case_no, "MERCHANT")
    await shop.approve(case_no, "platform")
    assert refunds(await shop.case_is(case_no, "COMPLETED")) == [(230, "SUCCEEDED")]
    await shop.order_is(number, "COMPLETED")
    assert await settled(shop, number) == ["RELEASE", "HANDLING_FEE"]


async def test_auto_receive_stands_still_while_a_case_is_open(shop: Shop) -> None:
    number = await shop.shipped()
    await shop.sleep(4 * DAY)
    case_no = await shop.apply(number)
    assert (await shop.order_of(number))["deadline_at"] is None
    await shop.sleep(7 * DAY - SECOND * 60)
    assert (await shop.order_of(number))["state"] == "SHIPPED"
    await shop.withdraw(case_no)
    order = await shop.until(
        lambda: shop.order_of(number), "auto_receive", lambda order: order["deadline"]
    )
    left = datetime.fromisoformat(order["deadline_at"]) - await shop.clock.now()
    assert timedelta(days=5, hours=23) < left < 6 * DAY
    await shop.sleep(left + SECOND)
    await shop.order_is(number, "RECEIVED")


async def test_nobody_ever_does_anything_and_still_everything_ends(shop: Shop) -> None:
    """Shipped, and then silence: received, its windows over, settled."""
    number = await shop.paid()
    await shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    await shop.sleep(10 * DAY + QUALITY + 2 * SECOND)
    order = await shop.order_is(number, "COMPLETED")
    assert told(order)[-3:] == ["SHIPPED", "RECEIVED", "WINDOW_ENDED"]
    assert await settled(shop, number) == ["RELEASE", "HANDLING_FEE"]
