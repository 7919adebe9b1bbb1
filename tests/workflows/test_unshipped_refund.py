"""The unshipped refund: applied for, reviewed by merchant and platform, back the way it came."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.shop import PARCEL, Shop, refunds, told

ONE_CUP = [{"sku": "cup", "quantity": 1}]
ALREADY = {**PARCEL, "already_shipped": True}
SLOW = timedelta(days=3)


async def test_both_approve_and_the_money_goes_back_once(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    await shop.approve(case_no)
    case = await shop.case_is(case_no, "COMPLETED")
    await shop.order_is(number, "CLOSED")
    assert (case["amounts"]["refund_fee"], refunds(case)) == (380, [(380, "SUCCEEDED")])
    assert await shop.money_moves(number) == [1]


@pytest.mark.parametrize("desk", ["merchant", "platform"])
async def test_a_rejection_says_why_and_the_buyer_may_apply_again(shop: Shop, desk: str) -> None:
    number = await shop.paid()
    first = await shop.apply(number)
    if desk == "platform":
        await shop.approve(first, "merchant")
    rejected = await shop.reject(first, desk, "礼盒已经拆开")
    assert (rejected["state"], rejected["timeline"][-1]["reason"]) == ("REJECTED", "礼盒已经拆开")
    second = await shop.apply(number)
    await shop.approve(second)
    await shop.case_is(second, "COMPLETED")
    assert await shop.money_moves(number) == [1]


async def test_after_a_rejection_the_order_goes_on(shop: Shop) -> None:
    number = await shop.paid()
    await shop.reject(await shop.apply(number), "merchant")
    shipped = await shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    assert shipped["state"] == "SHIPPED"


@pytest.mark.parametrize("desks", [(), ("merchant",)])
async def test_withdrawn_at_either_desk(shop: Shop, desks: tuple[str, ...]) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    if desks:
        await shop.approve(case_no, *desks)
    assert (await shop.withdraw(case_no))["state"] == "CLOSED"
    shipped = await shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    assert (shipped["state"], await shop.money_moves(number)) == ("SHIPPED", [])


async def test_a_part_is_refunded_and_the_rest_goes_on_to_the_buyer(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number, lines=ONE_CUP)
    await shop.approve(case_no)
    case = await shop.case_is(case_no, "COMPLETED")
    assert refunds(case) == [(150, "SUCCEEDED")], "the parcel still goes: its freight is kept"
    await shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    received = await shop.does("shop", f"/v1/orders/{number}/receive")
    assert received["state"] == "RECEIVED"
    assert await shop.refuses("shop", f"/v1/orders/{number}/ship", PARCEL) == "order_state"


async def test_two_cases_at_once_and_a_slow_refund_holds_up_nobody(shop: Shop) -> None:
    number = await shop.paid()
    slow = await shop.apply(number, lines=ONE_CUP)
    quick = await shop.apply(number, lines=ONE_CUP)
    await shop.slow_refund(f"{slow}-1", SLOW)
    await shop.approve(slow)
    await shop.refund_is(f"{slow}-1", "PROCESSING")
    await shop.approve(quick)
    assert (await shop.refund_is(f"{quick}-1", "CREATED"))["attempts"] == []
    await shop.sleep(timedelta(minutes=1))
    done = await shop.case_is(quick, "COMPLETED")
    assert refunds(done) == [(230, "SUCCEEDED")], "with it nothing is kept: freight goes back"
    assert (await shop.order_of(number))["state"] == "AWAITING_SHIPMENT"
    assert await gaps(shop, number) == [True]
    await shop.sleep(SLOW)
    assert refunds(await shop.case_is(slow, "COMPLETED")) == [(150, "SUCCEEDED")]
    await shop.order_is(number, "CLOSED")
    assert await shop.money_moves(number) == [1, 1]


async def gaps(shop: Shop, number: str) -> list[bool]:
    """Whether each refund of an order was accepted a minute or more after the one before."""
    rows = [row for row in (await shop.truth())["refunds"] if row["out_trade_no"] == number]
    ticks = sorted(row["accepted_tick"] for row in rows)
    return [after - before >= 60 for before, after in pairwise(ticks)]


async def test_a_parcel_that_had_left_makes_it_a_return(shop: Shop) -> None:
    number = await shop.paid()
    at_merchant = await shop.apply(number, lines=ONE_CUP)
    at_platform = await shop.apply(number, lines=ONE_CUP, reason_code="QUALITY")
    await shop.approve(at_platform, "merchant")
    ship = f"/v1/orders/{number}/ship"
    assert await shop.refuses("shop", ship, PARCEL) == "unshipped_refund_open"
    shipped = await shop.does("shop", ship, ALREADY)
    assert shipped["state"] == "SHIPPED"
    kinds = {(case["type"], case["state"]) for case in shipped["after_sales"]}
    assert kinds == {("RETURN_REFUND", "AWAITING_RETURN")}
    for case_no, party in ((at_platform, "MERCHANT"), (at_merchant, "BUYER")):
        await shop.send_back(case_no)
        await shop.receipt(case_no, party)
        await shop.approve(case_no, "platform")
        await shop.sleep(timedelta(minutes=1))
        await shop.case_is(case_no, "COMPLETED")
    await shop.order_is(number, "CLOSED")
    assert refunds(await shop.case_of(at_platform)) == [(230, "SUCCEEDED")]
    assert refunds(await shop.case_of(at_merchant)) == [(150, "SUCCEEDED")]


async def test_a_parcel_that_had_left_does_not_stop_money_on_its_way(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    await shop.slow_refund(f"{case_no}-1", timedelta(hours=1))
    await shop.approve(case_no)
    await shop.refund_is(f"{case_no}-1", "PROCESSING")
    shipped = await shop.does("shop", f"/v1/orders/{number}/ship", ALREADY)
    case = await shop.case_of(case_no)
    assert shipped["state"] == "SHIPPED"
    assert (case["type"], case["state"]) == ("REFUND_ONLY", "REFUNDING")
    assert told(case)[-1] == "PARCEL_HAD_LEFT"
    await shop.sleep(timedelta(hours=1))
    await shop.case_is(case_no, "COMPLETED")
    await shop.order_is(number, "CLOSED")


# ---- by signal


def by(stage: str, **more: Any) -> dict[str, Any]:
    """A decision as people type it."""
    return {"stage": stage, "reviewer": "王芳", **more}


async def test_by_signal_it_is_the_same(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    await shop.signal(case_no, "approve", by("merchant"))
    await shop.signal(case_no, "approve", by("platform", reason="同意"))
    case = await shop.case_is(case_no, "COMPLETED")
    who = {entry["event"]: entry["actor"] for entry in case["timeline"]}
    assert who["MERCHANT_APPROVED"] == "merchant:王芳"
    assert who["PLATFORM_APPROVED"] == "platform:王芳"


async def test_a_rejection_by_signal_says_why(shop: Shop) -> None:
    case_no = await shop.apply(await shop.paid())
    await shop.signal(case_no, "reject", by("merchant", reason="礼盒已经拆开"))
    case = await shop.case_is(case_no, "REJECTED")
    assert case["timeline"][-1]["reason"] == "礼盒已经拆开"


MISFITS: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "another desk": ("approve", (by("platform"),), "case_state"),
    "no such desk": ("approve", (by("cashier"),), "invalid_field"),
    "nobody": ("approve", ({"stage": "merchant"},), "invalid_field"),
    "no reason": ("reject", (by("merchant"),), "reason_required"),
    "an empty reason": ("reject", (by("merchant", reason="  "),), "reason_required"),
    "a reason that is no text": ("reject", (by("merchant", reason=7),), "reason_required"),
    "nobody is responsible": ("approve", (by("merchant", responsibility=""),), "invalid_field"),
    "text": ("approve", ("merchant",), "invalid_field"),
    "a list": ("approve", ([by("merchant")],), "invalid_field"),
    "nothing": ("approve", (), "invalid_field"),
    "null": ("reject", (None,), "invalid_field"),
    "too much": ("approve", (by("merchant"), by("platform")), "invalid_field"),
    "bytes": ("approve", (b"\x00\xff",), "invalid_field"),
}


async def test_a_signal_that_does_not_fit_is_noted_and_changes_nothing(shop: Shop) -> None:
    case_no = await shop.apply(await shop.paid())
    before = await shop.case_of(case_no)
    for count, (what, (name, said, code)) in enumerate(MISFITS.items(), start=2):
        await shop.signal(case_no, name, *said)
        case = await shop.until(
            lambda: shop.case_of(case_no), count, lambda case: len(case["timeline"])
        )
        noted = case["timeline"][-1]
        assert (noted["event"], noted["detail"]) == ("DECISION_IGNORED", {"code": code}), what
    changed = {name for name in before if case[name] != before[name]}
    assert changed == {"timeline", "updated_at"}


async def test_signals_to_a_case_that_is_refunding_are_noted_and_hold_up_nothing(
    shop: Shop,
) -> None:
    case_no = await shop.apply(await shop.paid())
    await shop.slow_refund(f"{case_no}-1", timedelta(hours=1))
    await shop.approve(case_no)
    await shop.refund_is(f"{case_no}-1", "PROCESSING")
    await shop.signal(case_no, "approve", by("platform"))
    await shop.signal(case_no, "reject", by("merchant", reason="后悔了"))
    await shop.sleep(timedelta(hours=1))
    case = await shop.case_is(case_no, "COMPLETED")
    assert told(case).count("DECISION_IGNORED") == 2
    assert refunds(case) == [(380, "SUCCEEDED")]
