"""Refunds that need people: a new number for a closed one, two people for one that is abnormal."""

from functools import partial
from typing import Any

import pytest

from domain.messages import RefundHint
from tests.shop import Shop, refunds
from tests.workflows.stuck import again, approved, incidents, moved, settle


@pytest.fixture(scope="module")
def policies() -> dict[str, str]:
    return {"refund_gap": "0s"}


async def test_closed_then_by_a_new_number(real_shop: Shop) -> None:
    case_no = await approved(real_shop, "refund_ends_close")
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    retried = await again(real_shop, case_no)
    assert [refund["out_refund_no"] for refund in retried["refunds"]] == [
        f"{case_no}-1",
        f"{case_no}-2",
    ]
    case = await real_shop.case_is(case_no, "COMPLETED")
    assert refunds(case) == [(380, "CLOSED"), (380, "SUCCEEDED")]
    assert await moved(real_shop, case_no) == {f"{case_no}-1": 0, f"{case_no}-2": 1}
    assert (await real_shop.get("finance", "/v1/ledger/trial-balance"))["balanced"]


async def test_refused_for_good_is_closed_and_may_be_settled_offline(real_shop: Shop) -> None:
    case_no = await approved(real_shop, "refuse", call="refund", err_code="USER_ACCOUNT_ABNORMAL")
    stuck = await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    assert "USER_ACCOUNT_ABNORMAL" in stuck["refunds"][0]["problem"]
    assert (await settle(real_shop, "finance", case_no))["state"] == "REFUND_ABNORMAL"
    settled = await settle(real_shop, "finance2", case_no)
    assert (settled["state"], refunds(settled)) == ("COMPLETED", [(380, "MANUAL_SETTLED")])
    assert await moved(real_shop, case_no) == {}


async def test_an_abnormal_one_is_settled_by_two_people(real_shop: Shop) -> None:
    case_no = await approved(real_shop, "refund_ends_change")
    number = (await real_shop.case_is(case_no, "REFUND_ABNORMAL"))["out_trade_no"]
    assert (await settle(real_shop, "finance", case_no))["timeline"][-1]["actor"] == "finance:Fang"
    assert (await settle(real_shop, "finance", case_no))["code"] == "second_person_required"
    settled = await settle(real_shop, "finance2", case_no)
    assert (settled["state"], refunds(settled)) == ("COMPLETED", [(380, "MANUAL_SETTLED")])
    who = [
        entry["actor"] for entry in settled["timeline"] if "OFFLINE_SETTLEMENT" in entry["event"]
    ]
    assert who == ["finance:Fang", "finance:Feng"]
    await real_shop.order_is(number, "CLOSED")
    found = await real_shop.get("finance", f"/v1/ledger/entries?out_trade_no={number}")
    assert "REFUND_SETTLED_OFFLINE" in [entry["kind"] for entry in found["items"]]


async def test_money_that_comes_through_after_a_settlement_is_put_before_a_person(
    real_shop: Shop,
) -> None:
    case_no = await approved(real_shop, "refund_ends_change")
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    for who in ("finance", "finance2"):
        await settle(real_shop, who, case_no)
    await real_shop.control(f"refunds/{case_no}-1/finish")
    await real_shop.refund_is(f"{case_no}-1", "SUCCEEDED")
    assert incidents(real_shop, f"{case_no}-1") == ["REFUND_AFTER_SETTLEMENT"]
    balance = await real_shop.get("finance", "/v1/ledger/trial-balance")
    suspense = next(one for one in balance["accounts"] if one["name"] == "suspense")
    assert (balance["balanced"], suspense["debit"] >= 380) == (True, True)


async def test_a_question_without_an_answer_holds_up_no_settlement(real_shop: Shop) -> None:
    case_no = await approved(real_shop, "refund_ends_change")
    number = f"{case_no}-1"
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    asked = len((await real_shop.refund_of(number))["attempts"])
    await real_shop.fault("refuse", number, call="refundquery", err_code="SIGNERROR", times=9)
    await real_shop.handle(f"refund-{number}").signal(
        "refund_notified", RefundHint(number, "SUCCESS")
    )
    look = partial(real_shop.refund_of, number)
    await real_shop.until(look, True, lambda refund: len(refund["attempts"]) > asked)
    await settle(real_shop, "finance", case_no)
    assert (await settle(real_shop, "finance2", case_no))["state"] == "COMPLETED"


async def test_an_abnormal_one_comes_through_after_all(real_shop: Shop) -> None:
    case_no = await approved(real_shop, "refund_ends_change")
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    await settle(real_shop, "finance", case_no)
    await real_shop.control(f"refunds/{case_no}-1/finish")
    case = await real_shop.case_is(case_no, "COMPLETED")
    assert refunds(case) == [(380, "SUCCEEDED")]
    assert incidents(real_shop, f"{case_no}-1") == []


async def test_an_abnormal_one_is_closed_and_gets_a_new_number(real_shop: Shop) -> None:
    case_no = await approved(real_shop, "refund_ends_change")
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    assert (await again(real_shop, case_no))["code"] == "refund_state"
    await real_shop.control(f"refunds/{case_no}-1/finish", state="REFUNDCLOSE")
    await real_shop.refund_is(f"{case_no}-1", "CLOSED")
    await again(real_shop, case_no)
    case = await real_shop.case_is(case_no, "COMPLETED")
    assert refunds(case) == [(380, "CLOSED"), (380, "SUCCEEDED")]


async def test_a_closed_one_that_wechat_says_is_not_closed_gets_no_new_number(
    real_shop: Shop,
) -> None:
    """Refused, and yet accepted under an earlier copy: only asking again shows it."""
    case_no = await approved(real_shop, "refuse", call="refund", err_code="USER_ACCOUNT_ABNORMAL")
    case = await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    staff = {"out_trade_no": case["out_trade_no"], "out_refund_no": f"{case_no}-1"}
    await real_shop.fault("notify_lost", f"{case_no}-1", call="refund_notify")
    await real_shop.control("console-refund", refund_fee=380, **staff)
    refused = await again(real_shop, case_no)
    assert refused["code"] == "refund_state"
    await real_shop.does("finance", f"/v1/refunds/{case_no}-1/query")
    assert refunds(await real_shop.case_is(case_no, "COMPLETED")) == [(380, "SUCCEEDED")]


def outcomes(refund: Any) -> list[str]:
    return [attempt["outcome"] for attempt in refund["attempts"]]


async def test_a_run_that_an_operator_ended_is_no_dead_end(real_shop: Shop) -> None:
    case_no = await real_shop.apply(await real_shop.paid())
    await real_shop.control("drain")
    await real_shop.approve(case_no)
    await real_shop.until(lambda: real_shop.refund_of(f"{case_no}-1"), ["NOTENOUGH"], outcomes)
    await real_shop.handle(f"refund-{case_no}-1").terminate("by mistake")
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    assert (await settle(real_shop, "finance", case_no))["code"] == "refund_state"
    await real_shop.control("topup")
    await again(real_shop, case_no)
    await real_shop.case_is(case_no, "COMPLETED")
    assert await moved(real_shop, case_no) == {f"{case_no}-2": 1}
