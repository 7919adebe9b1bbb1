"""Workers that stop and start again, on a real Temporal server: nothing is lost or done twice."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import Session, delete
from temporalio import activity

from db import records
from db.tables import CaseRow, IdempotencyKey, OrderRow
from domain.messages import Batch
from tests.shop import APPROVE, PARCEL, Shop, order_body, refunds, told
from tests.workflows.desks import DESKS

SHORT_S = 6


@pytest.fixture(scope="module")
def policies() -> dict[str, str]:
    return {desk.policy: f"{SHORT_S}s" for desk in DESKS.values()} | {"refund_gap": "0s"}


def moves(view: Any) -> list[str]:
    """Who made each change of state."""
    return [entry["actor"] for entry in view["timeline"] if entry["from"] != entry["to"]]


@pytest.mark.slow
async def test_deadline_and_action_in_one_instant_exactly_one_takes_effect(
    real_shop: Shop,
) -> None:
    """The worker was away when both came: they reach the run in one task."""
    made = [(desk, await desk.prepared(real_shop)) for desk in DESKS.values()]
    before = [moves(await desk.look(real_shop, number)) for desk, number in made]
    async with real_shop.worker_away():
        await asyncio.sleep(SHORT_S)
        acting = [asyncio.create_task(desk.act(real_shop, number)) for desk, number in made]
        await asyncio.sleep(0.5)
    replies = await asyncio.gather(*acting)
    for (desk, number), was, reply in zip(made, before, replies, strict=True):
        after = moves(await desk.look(real_shop, number))[len(was)]
        assert (after, reply.is_success) in [(desk.actor, True), ("system:clock", False)]
        assert reply.is_success or reply.json()["code"] == "deadline_passed"


async def test_a_new_worker_after_every_step(real_shop: Shop) -> None:
    number = await real_shop.order()
    async with real_shop.worker_away():
        await real_shop.pay(number)
        await real_shop.notified(number)
    await real_shop.order_is(number, "AWAITING_SHIPMENT")
    async with real_shop.worker_away():
        pass
    case_no = await real_shop.apply(number)
    async with real_shop.worker_away():
        approval = {"stage": "merchant", "reviewer": "王芳"}
        await real_shop.signal(case_no, "approve", approval)
    await real_shop.case_is(case_no, "PENDING_PLATFORM")
    async with real_shop.worker_away():
        review = f"/v1/after-sales/{case_no}/platform-review"
        approving = asyncio.create_task(real_shop.post("platform", review, APPROVE))
        await asyncio.sleep(0.5)
    assert (await approving).is_success
    case = await real_shop.case_is(case_no, "COMPLETED")
    assert refunds(case) == [(380, "SUCCEEDED")]
    assert await real_shop.money_moves(number) == [1]
    order = await real_shop.order_is(number, "CLOSED")
    assert told(order) == ["PLACED", "PAID", "CASE_OPENED", "REFUNDED_IN_FULL"]


async def test_signals_that_come_before_a_run_begins_are_heard(real_shop: Shop) -> None:
    number = await real_shop.order()
    await real_shop.does("shop", f"/v1/orders/{number}/close")
    async with real_shop.worker_away():
        paid = await real_shop.pay(number)
        case_no = f"late-{paid['transaction_id']}"
        await real_shop.notified(number)
        approval = {"stage": "merchant", "reviewer": "王芳"}
        await real_shop.signal(case_no, "approve", approval)
    case = await real_shop.case_is(case_no, "COMPLETED")
    assert told(case)[0] == "APPLIED"
    assert told(case).count("DECISION_IGNORED") == 1
    assert await real_shop.money_moves(number) == [1]


async def test_a_repeat_whose_first_answer_was_lost_is_told_what_it_did(real_shop: Shop) -> None:
    """The run has ended by then, and so has the API that had the answer."""
    case_no = await real_shop.apply(await real_shop.paid())
    path = f"/v1/after-sales/{case_no}/withdraw"
    first = await real_shop.post("shop", path, key="withdrawn once")
    with real_shop.database.write() as session:
        session.exec(delete(IdempotencyKey))
    again = await real_shop.post("shop", path, key="withdrawn once")
    assert (again.status_code, again.json()) == (200, first.json())
    other = await real_shop.post("shop", path, key="withdrawn twice")
    assert (other.status_code, other.json()["code"]) == (409, "case_state")


async def test_a_case_that_has_yet_to_begin_asks_to_come_again(real_shop: Shop) -> None:
    """Its row is written a moment before its run starts."""
    number = await real_shop.paid()
    now = datetime.now(UTC)
    early = CaseRow(
        case_no="early-1", out_trade_no=number, merchant_id="m1", transaction_id="", origin="BUYER",
        type="REFUND_ONLY", state="PENDING_MERCHANT", responsibility="BUYER", reason_code="OTHER",
        reason="", evidence=[], units=[], amounts={}, refund_fee=0, opened_at=now, updated_at=now,
    )  # fmt: skip
    with real_shop.database.write() as session:
        session.add(early)
    reply = await real_shop.post("merchant", "/v1/after-sales/early-1/merchant-review", APPROVE)
    assert (reply.status_code, reply.json()["code"]) == (503, "temporal_unavailable")
    with real_shop.database.write() as session:
        session.delete(session.get_one(CaseRow, "early-1"))
    shipped = await real_shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    assert shipped["state"] == "SHIPPED"


async def test_a_case_is_written_once_temporal_has_its_application(
    real_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written inside a task may be lost with it: then nobody could decide the case."""
    write, inside = records.apply, dict[str, bool]()

    def spying(session: Session, batch: Batch, now: datetime) -> None:
        inside.update((note.entry.event, activity.info().is_local) for note in batch.notes)
        write(session, batch, now)

    monkeypatch.setattr(records, "apply", spying)
    number = await real_shop.paid()
    await real_shop.apply(number)
    assert (inside["PAID"], inside["APPLIED"]) == (True, False)


async def test_a_refund_of_the_rest_that_its_order_has_lost_is_opened_again(
    real_shop: Shop,
) -> None:
    """Its row was written, and the worker died before Temporal heard of it."""
    number = await real_shop.paid()
    now = datetime.now(UTC)
    lost = CaseRow(
        case_no="lost-1", out_trade_no=number, merchant_id="m1", origin="OPERATOR",
        transaction_id=(await real_shop.order_of(number))["transaction_id"],
        type="REFUND_ONLY", state="REFUNDING", responsibility="MERCHANT", reason_code="OTHER",
        reason="", evidence=[], units=[[0, 0], [0, 1]], amounts={}, refund_fee=0, opened_at=now,
        updated_at=now,
    )  # fmt: skip
    with real_shop.database.write() as session:
        session.add(lost)
    refunded = await real_shop.does("finance", f"/apis/pay_refund?no={number}")
    assert refunded["case_no"] == "lost-1"
    assert refunds(await real_shop.case_is("lost-1", "COMPLETED")) == [(380, "SUCCEEDED")]
    assert await real_shop.money_moves(number) == [1]


async def test_what_temporal_has_forgotten_the_tables_remember(real_shop: Shop) -> None:
    """Ended runs are kept for a while only; numbers are for ever."""
    number = await real_shop.order()
    await real_shop.does("shop", f"/v1/orders/{number}/close")
    with real_shop.database.write() as session:
        closed = session.get_one(OrderRow, number).model_dump()
        terms = closed["terms"] | {"out_trade_no": "forgotten"}
        session.add(OrderRow(**closed | {"out_trade_no": "forgotten", "terms": terms}))
    placed = await real_shop.post("shop", "/v1/orders", order_body("forgotten"))
    assert (placed.status_code, placed.json()["code"]) == (409, "out_trade_no_used")
    paid = await real_shop.pay("forgotten", total_fee=380)
    await real_shop.case_is(f"late-{paid['transaction_id']}", "COMPLETED")
    assert (await real_shop.order_of("forgotten"))["state"] == "CLOSED"
    assert await real_shop.money_moves("forgotten") == [1]
