"""Every deadline at its true default: a second before, a second after; reminders; more time."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.shop import APPROVE, Shop, told
from tests.workflows.desks import DESKS, applied

SECOND = timedelta(seconds=1)
BREACHED = "PLATFORM_BREACHED"
TRIES = 5
WITH_ALARM = [name for name, desk in DESKS.items() if desk.is_case]


@pytest.mark.parametrize("name", DESKS)
async def test_a_second_before_the_action_counts(shop: Shop, name: str) -> None:
    """A computer too busy for the last second gets another one."""
    desk = DESKS[name]
    for _ in range(TRIES):
        number = await desk.prepared(shop)
        deadline = datetime.fromisoformat((await desk.look(shop, number))["deadline_at"])
        await shop.sleep_until(deadline.isoformat(), -SECOND)
        reply = await desk.act(shop, number)
        if await shop.clock.now() < deadline:
            break
    assert reply.json()["state"] == desk.acted
    acted = reply.json()["timeline"][-1]
    assert (acted["to"], acted["actor"]) == (desk.acted, desk.actor)


@pytest.mark.parametrize("name", DESKS)
async def test_a_second_after_the_clock_has_decided(shop: Shop, name: str) -> None:
    desk = DESKS[name]
    number = await desk.prepared(shop)
    before = await desk.look(shop, number)
    await shop.sleep_until(before["deadline_at"], SECOND)
    await desk.happened(shop, number, desk.clock_event)
    reply = await desk.act(shop, number)
    assert (reply.status_code, reply.json()["code"]) == (409, "deadline_passed")
    after = await shop.until(lambda: desk.look(shop, number), desk.by_clock)
    entry = next(one for one in after["timeline"] if one["event"] == desk.clock_event)
    assert entry["actor"] == "system:clock"
    assert entry["at"] >= before["deadline_at"]


@pytest.mark.parametrize("name", DESKS)
async def test_expire_does_what_the_clock_does(shop: Shop, name: str) -> None:
    desk = DESKS[name]
    number = await desk.prepared(shop)
    kind = "after-sales" if desk.is_case else "orders"
    await shop.does("platform", f"/v1/{kind}/{number}/expire")
    after = await shop.until(lambda: desk.look(shop, number), desk.by_clock)
    events = told(after)
    assert events[events.index("EXPIRED") + 1] == desk.clock_event


@pytest.mark.parametrize("name", WITH_ALARM)
async def test_people_are_reminded_at_three_quarters(shop: Shop, name: str) -> None:
    desk = DESKS[name]
    number = await desk.prepared(shop)
    seen = await desk.look(shop, number)
    due, began = map(datetime.fromisoformat, (seen["deadline_at"], seen["timeline"][-1]["at"]))
    assert (seen["deadline"], due - began) == (desk.policy, desk.length)
    assert datetime.fromisoformat(seen["alarm_at"]) - began == desk.length * 0.75
    await shop.sleep_until(seen["alarm_at"], -2 * SECOND)
    assert "ALARM" not in told(await desk.look(shop, number))
    await shop.sleep_until(seen["alarm_at"])
    alarmed = await desk.happened(shop, number, "ALARM")
    assert (alarmed["state"], alarmed["alarm_at"]) == (seen["state"], None)
    await shop.does("platform", f"/v1/after-sales/{number}/expire")


async def test_extend_moves_deadline_and_alarm(shop: Shop) -> None:
    case_no = await applied(shop)
    before = await shop.case_of(case_no)
    until = datetime.fromisoformat(before["deadline_at"]) + timedelta(days=2)
    longer = {"until": until.isoformat(), "reason": "商家放假"}
    after = await shop.does("platform", f"/v1/after-sales/{case_no}/extend", longer)
    assert datetime.fromisoformat(after["deadline_at"]) == until
    assert after["alarm_at"] > before["deadline_at"]
    assert (told(after)[-1], after["timeline"][-1]["reason"]) == ("EXTENDED", "商家放假")
    await shop.sleep_until(after["alarm_at"], -2 * SECOND)
    assert (await shop.case_of(case_no))["state"] == "PENDING_MERCHANT"
    await shop.sleep_until(after["alarm_at"], SECOND)
    await shop.until(lambda: shop.case_of(case_no), "ALARM", lambda case: told(case)[-1])
    await shop.sleep_until(after["deadline_at"], SECOND)
    await shop.case_is(case_no, "PENDING_PLATFORM")


# ---- the platform's 24 hours: process, or escalate


async def breached(shop: Shop, case_no: str) -> Any:
    """The case after 24 hours of a platform that must decide in person."""
    await shop.sleep(timedelta(hours=24) + SECOND)
    case = await shop.until(lambda: shop.case_of(case_no), BREACHED, lambda case: told(case)[-1])
    assert (case["state"], case["breached_at"]) == ("PENDING_PLATFORM", case["timeline"][-1]["at"])
    return case


async def test_silence_of_both_is_escalated_and_can_still_be_decided(shop: Shop) -> None:
    """The clock approved for the merchant: the platform must look itself."""
    case_no = await applied(shop)
    await shop.sleep(timedelta(hours=48) + SECOND)
    await shop.case_is(case_no, "PENDING_PLATFORM")
    await breached(shop, case_no)
    await shop.does("platform", f"/v1/after-sales/{case_no}/platform-review", APPROVE)
    await shop.case_is(case_no, "COMPLETED")


LIMIT = 20_000


@pytest.mark.parametrize(
    ("price", "state"), [(LIMIT, "COMPLETED"), (LIMIT + 1, "PENDING_PLATFORM")]
)
async def test_only_up_to_the_limit_the_clock_pays(shop: Shop, price: int, state: str) -> None:
    lines = [{"sku": "pot", "title": "茶壶", "quantity": 1, "unit_price": price}]
    case_no = await shop.apply(await shop.paid(lines=lines, freight=0))
    await shop.approve(case_no, "merchant")
    await shop.sleep(timedelta(hours=24) + SECOND)
    case = await shop.case_is(case_no, state)
    assert bool(case["breached_at"]) == (price > LIMIT)
    if price > LIMIT:
        await shop.reject(case_no, "platform")


async def test_a_breached_case_may_be_extended_withdrawn_and_rejected(shop: Shop) -> None:
    case_no = await applied(shop)
    await shop.does("platform", f"/v1/after-sales/{case_no}/expire")
    await shop.case_is(case_no, "PENDING_PLATFORM")
    late_case = await breached(shop, case_no)
    until = datetime.fromisoformat(late_case["deadline_at"]) + timedelta(hours=24)
    longer = {"until": until.isoformat(), "reason": "等待取证"}
    await shop.does("platform", f"/v1/after-sales/{case_no}/extend", longer)
    again = await shop.case_of(case_no)
    assert datetime.fromisoformat(again["deadline_at"]) == until
    await shop.sleep_until(again["deadline_at"], SECOND)
    await shop.until(lambda: shop.case_of(case_no), 2, lambda case: told(case).count(BREACHED))
    assert (await shop.withdraw(case_no))["state"] == "CLOSED"
