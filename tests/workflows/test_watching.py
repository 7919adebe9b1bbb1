"""What operators see in the Temporal UI: where a run stands, who must act, until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata

from tests.shop import PARCEL, Shop
from tests.workflows.stuck import approved
from workflows.messaging import AFTER_SALE_STATE, DEADLINE_AT, MERCHANT_ID, ORDER_STATE

pytestmark = pytest.mark.slow


async def details(shop: Shop, run: str) -> str:
    """The details of a run, as the UI shows them."""
    told = await shop.handle(run).query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return str(told.current_details)


async def summary(shop: Shop, run: str) -> str:
    """The line by which a list of runs shows one."""
    return str(await (await shop.handle(run).describe()).static_summary())


async def attributes(shop: Shop, run: str) -> dict[str, Any]:
    """Our search attributes of a run."""
    found = (await shop.handle(run).describe()).typed_search_attributes
    keys = (ORDER_STATE, AFTER_SALE_STATE, MERCHANT_ID, DEADLINE_AT)
    return {key.name: found.get(key) for key in keys if found.get(key) is not None}


def words(at: str) -> str:
    """An instant as the details say it."""
    return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def instant(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


async def test_an_order_says_where_it_stands(real_shop: Shop) -> None:
    number = await real_shop.order()
    run, order = f"order-{number}", await real_shop.order_of(number)
    due = order["deadline_at"]
    assert await details(real_shop, run) == (
        f"**PENDING_PAYMENT** The buyer has to pay. Until {words(due)} (unpaid_close)."
    )
    found = await attributes(real_shop, run)
    near = found.pop("DeadlineAt") - instant(due)  # the API named it before the run began
    assert abs(near) < timedelta(seconds=10)
    assert found == {"OrderState": "PENDING_PAYMENT", "MerchantId": "m1"}
    await real_shop.pay(number)
    await real_shop.order_is(number, "AWAITING_SHIPMENT")
    said = "**AWAITING_SHIPMENT** The shop has to ship. No deadline."
    assert await details(real_shop, run) == said
    shipped = await real_shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    assert await attributes(real_shop, run) == {
        "OrderState": "SHIPPED",
        "MerchantId": "m1",
        "DeadlineAt": instant(shipped["deadline_at"]),
    }
    assert await summary(real_shop, run) == "380 fen at m1"


DESKS = {
    "PENDING_MERCHANT": ("The merchant has to approve or reject.", "merchant_review"),
    "PENDING_PLATFORM": ("The platform has to process the case.", "platform_process"),
}


async def test_a_case_says_who_must_act_until_when(real_shop: Shop) -> None:
    case_no = await real_shop.apply(await real_shop.paid())
    run = f"after-sale-{case_no}"
    for state, (who, policy) in DESKS.items():
        case = await real_shop.case_of(case_no)
        said = f"**{state}** {who} Until {words(case['deadline_at'])} ({policy})."
        assert await details(real_shop, run) == said
        assert await attributes(real_shop, run) == {
            "AfterSaleState": state,
            "MerchantId": "m1",
            "DeadlineAt": instant(case["deadline_at"]),
        }
        await real_shop.approve(case_no, "merchant" if state == "PENDING_MERCHANT" else "platform")
    await real_shop.case_is(case_no, "COMPLETED")
    ended = {"AfterSaleState": "COMPLETED", "MerchantId": "m1"}
    await real_shop.until(lambda: attributes(real_shop, run), ended, lambda seen: seen)


async def test_a_missed_deadline_is_said_to_be_missed(real_shop: Shop) -> None:
    case_no = await real_shop.apply(await real_shop.paid())
    for _ in range(2):
        await real_shop.does("platform", f"/v1/after-sales/{case_no}/expire")
    said = await details(real_shop, f"after-sale-{case_no}")
    due = (await real_shop.case_of(case_no))["deadline_at"]
    expected = "**PENDING_PLATFORM** The platform has to process the case."
    assert said == f"{expected} Overdue since {words(due)}."


def is_tried(refund: Any) -> bool:
    return bool(refund["attempts"])


@pytest.mark.parametrize(
    ("fault", "more", "state", "said"),
    [
        ("refund_slow", {"seconds": 10**7}, "PROCESSING", "WeChat Pay has accepted it"),
        ("refund_ends_change", {}, "ABNORMAL", "a person must act"),
        ("not_enough", {"call": "refund", "times": 99}, "SUBMITTING", "being submitted"),
    ],
)
async def test_a_refund_says_what_it_waits_for(
    real_shop: Shop, fault: str, more: dict[str, Any], state: str, said: str
) -> None:
    case_no = await approved(real_shop, fault, **more)
    await real_shop.until(lambda: real_shop.refund_of(f"{case_no}-1"), True, is_tried)
    await real_shop.refund_is(f"{case_no}-1", state)
    told = await details(real_shop, f"refund-{case_no}-1")
    assert told.startswith(f"**{state}** ")
    assert said in told
    assert (await summary(real_shop, f"refund-{case_no}-1")).startswith("380 fen of order")


async def test_cases_are_found_by_what_they_wait_for(real_shop: Shop) -> None:
    case_no = await real_shop.apply(await real_shop.paid())
    await real_shop.approve(case_no, "merchant")

    async def found(merchant_id: str) -> list[str]:
        waiting = "AfterSaleState = 'PENDING_PLATFORM' AND DeadlineAt > '2020-01-01T00:00:00Z'"
        runs = real_shop.client.list_workflows(f"{waiting} AND MerchantId = '{merchant_id}'")
        return [run.id async for run in runs]

    run = f"after-sale-{case_no}"
    await real_shop.until(lambda: found("m1"), True, lambda runs: run in runs)
    assert await found("m2") == []
