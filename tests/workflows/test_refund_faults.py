"""Refunds that do not go smoothly: always the same number, and the money moves once."""

from datetime import timedelta
from operator import attrgetter
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities import channel
from tests.shop import Shop, refunds, told
from tests.workflows.stuck import approved, incidents, moved, settle

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RUNNING, COMPLETED = WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED

CALL_FAULTS = (
    "reply_lost",
    "reset",
    "timeout_done",
    "timeout_not_done",
    "system_error_done",
    "system_error",
    "empty",
    "malformed",
    "garbage",
    "bad_signature",
    "return_fail",
    "need_retry",
    "frequency_limited",
    "too_many_bad_calls",
    "order_not_ready",
    "notify_early",
)
NOTICE_FAULTS = (
    "notify_lost",
    "notify_duplicate",
    "notify_repeated",
    "notify_reordered",
    "notify_forged",
    "notify_wrong_key",
    "notify_wrong_amount",
    "notify_wrong_url",
)


async def soon(shop: Shop, case_no: str, state: str, step: timedelta = MINUTE) -> Any:
    """The case in this state, however many times a while must pass first."""
    case = await shop.case_of(case_no)
    for _ in range(10):
        if case["state"] == state:
            break
        await shop.sleep(step)
        case = await shop.case_of(case_no)
    return await shop.case_is(case_no, state)


async def test_whatever_happens_to_the_call_the_money_moves_once(shop: Shop) -> None:
    cases = {fault: await approved(shop, fault, call="refund") for fault in CALL_FAULTS}
    for fault, case_no in cases.items():
        case = await soon(shop, case_no, "COMPLETED")
        assert refunds(case) == [(380, "SUCCEEDED")], fault
        assert await moved(shop, case_no) == {f"{case_no}-1": 1}, fault


async def test_it_says_that_it_does_not_know_and_asks_before_it_tries_again(shop: Shop) -> None:
    case_no = await approved(shop, "timeout_not_done", call="refund")
    await soon(shop, case_no, "COMPLETED")
    refund = await shop.refund_of(f"{case_no}-1")
    assert told(refund)[:4] == ["SUBMITTED", "OUTCOME_UNKNOWN", "SUBMITTED", "ACCEPTED"]
    said = [(attempt["call"], attempt["outcome"]) for attempt in refund["attempts"]]
    assert said[:3] == [
        ("refund", "UNKNOWN"),
        ("refundquery", "REFUNDNOTEXIST"),
        ("refund", "ACCEPTED"),
    ]


async def test_the_question_may_fail_too(shop: Shop) -> None:
    case_no = await shop.apply(await shop.paid())
    await shop.fault("system_error", f"{case_no}-1", call="refundquery", times=3)
    await shop.fault("reply_lost", f"{case_no}-1", call="refund", times=2)
    await shop.approve(case_no)
    await soon(shop, case_no, "COMPLETED")
    assert await moved(shop, case_no) == {f"{case_no}-1": 1}


@pytest.mark.slow
async def test_whatever_becomes_of_its_notification_it_is_found_out(shop: Shop) -> None:
    cases = {fault: await approved(shop, fault, call="refund_notify") for fault in NOTICE_FAULTS}
    for fault, case_no in cases.items():
        case = await soon(shop, case_no, "COMPLETED")
        assert refunds(case) == [(380, "SUCCEEDED")], fault
        assert incidents(shop, f"{case_no}-1") == [], fault


@pytest.mark.slow
async def test_hours_of_unclear_answers_cost_no_history(shop: Shop) -> None:
    case_no = await approved(shop, "system_error", call="refund", times=200)
    await shop.refund_is(f"{case_no}-1", "UNKNOWN")
    await shop.sleep(2 * HOUR)
    assert (await shop.refund_of(f"{case_no}-1"))["state"] == "SUBMITTING"
    await shop.wechat.delete("/_control/faults")
    await soon(shop, case_no, "COMPLETED")
    assert await moved(shop, case_no) == {f"{case_no}-1": 1}
    assert len(await shop.history(f"refund-{case_no}-1")) < 100


async def test_without_funds_it_waits_until_the_account_is_topped_up(shop: Shop) -> None:
    case_no = await shop.apply(await shop.paid())
    await shop.control("drain")
    await shop.approve(case_no)
    await shop.refund_is(f"{case_no}-1", "SUBMITTING")
    await shop.sleep(HOUR)
    refund = await shop.refund_of(f"{case_no}-1")
    assert (refund["state"], refund["attempts"][0]["outcome"]) == ("SUBMITTING", "NOTENOUGH")
    await shop.control("topup")
    await soon(shop, case_no, "COMPLETED", HOUR)
    assert await moved(shop, case_no) == {f"{case_no}-1": 1}


async def test_days_on_the_way_are_told_once_and_cost_nothing(shop: Shop) -> None:
    case_no = await shop.apply(await shop.paid())
    await shop.slow_refund(f"{case_no}-1", 6 * DAY)
    await shop.approve(case_no)
    accepted = await shop.refund_is(f"{case_no}-1", "PROCESSING")
    await shop.sleep(DAY - HOUR)
    assert "ALARM" not in told(await shop.refund_of(f"{case_no}-1"))
    await shop.sleep(HOUR)
    alarmed = await shop.until(
        lambda: shop.refund_of(f"{case_no}-1"), "ALARM", lambda refund: told(refund)[-1]
    )
    assert alarmed["timeline"][-1]["at"] >= accepted["accepted_at"]
    await shop.sleep(HOUR)
    length = len(await shop.history(f"refund-{case_no}-1"))
    await shop.sleep(4 * DAY)
    assert len(await shop.history(f"refund-{case_no}-1")) == length
    await shop.sleep(DAY)
    await shop.case_is(case_no, "COMPLETED")
    assert told(await shop.refund_of(f"{case_no}-1")).count("ALARM") == 1


async def test_finance_may_ask_at_once(shop: Shop) -> None:
    case_no = await shop.apply(await shop.paid())
    await shop.slow_refund(f"{case_no}-1", 6 * DAY)
    await shop.fault("notify_lost", f"{case_no}-1", call="refund_notify")
    await shop.approve(case_no)
    await shop.refund_is(f"{case_no}-1", "PROCESSING")
    await shop.control(f"refunds/{case_no}-1/finish")
    asked = await shop.does("finance", f"/v1/refunds/{case_no}-1/query")
    assert asked["state"] == "SUCCEEDED"
    await shop.case_is(case_no, "COMPLETED")


@pytest.mark.slow
async def test_a_settled_one_is_watched_for_a_year_and_an_undecided_one_for_good(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one here: time can't be skipped once a run has outlived the one that started it."""
    monkeypatch.setattr(channel, "SLOW_POLL", 100 * DAY)
    undecided = await approved(shop, "refund_ends_close")
    settled = await approved(shop, "refund_ends_change")
    for case_no in (settled, undecided):
        await soon(shop, case_no, "REFUND_ABNORMAL")
    for who in ("finance", "finance2"):
        await settle(shop, who, settled)
    run = shop.handle(f"refund-{settled}-1")
    await shop.sleep_until((await shop.refund_of(f"{settled}-1"))["not_before"], 365 * DAY - SECOND)
    assert (await run.describe()).status is RUNNING
    await shop.until(run.describe, COMPLETED, attrgetter("status"))
    assert await run.result() == "MANUAL_SETTLED"
    assert len(await shop.history(f"refund-{undecided}-1")) < 60
    for who in ("finance", "finance2"):
        await settle(shop, who, undecided)
    await shop.case_is(undecided, "COMPLETED")
