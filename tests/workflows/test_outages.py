"""Tables and WeChat Pay are away or slow for long: nothing is lost, and all of it caught up."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from tests.shop import APPROVE, PARCEL, Shop, order_body, refunds, told
from workflows.journal import LOCAL_LIMIT

pytestmark = pytest.mark.slow

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
A_MOMENT_S = 0.3


@contextlib.contextmanager
def too_slow(shop: Shop) -> Iterator[None]:
    """The next write takes longer than a workflow task waits for it."""
    write = shop.database.write
    pauses = [LOCAL_LIMIT.total_seconds() + 1]

    @contextlib.contextmanager
    def slowly() -> Iterator[Session]:
        if pauses:
            time.sleep(pauses.pop())
        with write() as session:
            yield session

    with patch.object(shop.database, "write", slowly):
        yield


async def test_slow_tables_hold_nothing_up_for_good(shop: Shop) -> None:
    # Replayed at the module's end: a worker that knows the run by its history must go the same way.
    number = await shop.paid()
    case_no = await shop.apply(number)
    with too_slow(shop):
        await shop.signal(case_no, "approve", {"stage": "merchant", "reviewer": "Mei"})
        await shop.case_is(case_no, "PENDING_PLATFORM")
    await shop.approve(case_no, "platform")
    await shop.case_is(case_no, "COMPLETED")
    assert await shop.money_moves(number) == [1]


@contextlib.contextmanager
def answers_lost(shop: Shop) -> Iterator[None]:
    """Every second write is done, and yet its answer is an error."""
    write = shop.database.write
    lost = iter(range(10**6))

    @contextlib.contextmanager
    def forgetfully() -> Iterator[Session]:
        with write() as session:
            yield session
        if next(lost) % 2 == 0:
            raise OperationalError("COMMIT", {}, OSError("the connection broke"))

    with patch.object(shop.database, "write", forgetfully):
        yield


async def test_what_was_written_without_an_answer_is_not_written_again(shop: Shop) -> None:
    with answers_lost(shop):
        number = await shop.paid()
        case_no = await shop.apply(number)
        await shop.approve(case_no)
        await shop.case_is(case_no, "COMPLETED")
        order = await shop.order_is(number, "CLOSED")
    assert told(order) == ["PLACED", "PAID", "CASE_OPENED", "REFUNDED_IN_FULL"]
    entries = (await shop.get("finance", f"/v1/ledger/entries?out_trade_no={number}"))["items"]
    kinds = [entry["kind"] for entry in entries]
    assert len(kinds) == len(set(kinds))
    assert await shop.money_moves(number) == [1]


async def test_both_approve_while_the_tables_are_away(shop: Shop) -> None:
    """The second approval comes in while the first is still being written down."""
    number = await shop.paid()
    case_no = await shop.apply(number)
    with shop.tables_away():
        approving = []
        for desk in ("merchant", "platform"):
            review = f"/v1/after-sales/{case_no}/{desk}-review"
            approving.append(asyncio.create_task(shop.post(desk, review, APPROVE)))
            await asyncio.sleep(A_MOMENT_S)
        assert (await shop.case_of(case_no))["state"] == "PENDING_MERCHANT"
    await shop.sleep(5 * MINUTE)
    replies = await asyncio.gather(*approving)
    assert [reply.status_code for reply in replies] == [200, 200]
    await shop.case_is(case_no, "COMPLETED")
    assert await shop.money_moves(number) == [1]


async def test_an_hour_without_tables_loses_no_payment_and_no_deadline(shop: Shop) -> None:
    paid, unpaid = await shop.order(), await shop.order()
    with shop.tables_away():
        await shop.pay(paid)
        await shop.notified(paid)
        await shop.sleep(HOUR)
        for number in (paid, unpaid):
            assert (await shop.order_of(number))["state"] == "PENDING_PAYMENT"
    await shop.sleep(5 * MINUTE)
    await shop.order_is(paid, "AWAITING_SHIPMENT")
    closed = await shop.order_is(unpaid, "CLOSED")
    assert told(closed) == ["PLACED", "CLOSED_UNPAID"]


async def test_an_order_placed_while_wechat_is_away_can_be_paid_afterwards(shop: Shop) -> None:
    async with shop.wechat_away():
        placing = asyncio.create_task(shop.post("shop", "/v1/orders", order_body("placed-away")))
        await shop.until(lambda: asks(shop, "placed-away"), True)
        await shop.sleep(MINUTE)
        waiting = await shop.order_of("placed-away")
        assert (waiting["state"], waiting["timeline"][0]["event"]) == ("PENDING_PAYMENT", "PLACED")
    await shop.sleep(2 * MINUTE)
    reply = await placing
    assert reply.status_code == 201
    assert told(reply.json()) == ["PLACED", "PAYABLE"]
    assert "package" in reply.json()["pay_params"]


async def test_an_order_is_not_held_up_in_closing_by_not_being_payable(shop: Shop) -> None:
    async with shop.wechat_away():
        placing = asyncio.create_task(shop.post("shop", "/v1/orders", order_body("closed-away")))
        await shop.until(lambda: asks(shop, "closed-away"), True)
        await shop.sleep(MINUTE)
        close = "/v1/orders/closed-away/close"
        closing = asyncio.create_task(shop.post("shop", close))
        await asyncio.sleep(A_MOMENT_S)
    await shop.sleep(2 * MINUTE)
    assert (await closing).json()["state"] == "CLOSED"
    assert (await placing).json()["code"] == "order_state"


@pytest.mark.timeout(300)
async def test_a_day_without_wechat_and_then_everything_goes_on(shop: Shop) -> None:
    """A review, a notification and two deadlines fall into it."""
    unpaid, number, late = await shop.order(), await shop.paid(), await shop.order()
    case_no, silent = await shop.apply(number), await shop.apply(await shop.paid())
    await shop.approve(silent, "merchant")
    async with shop.wechat_away():
        await shop.approve(case_no)
        await shop.pay(late)
        await shop.order_is(late, "AWAITING_SHIPMENT")
        for _ in range(24):
            await shop.sleep(HOUR)
        assert (await shop.case_of(silent))["state"] == "REFUNDING"
        assert (await shop.order_of(unpaid))["state"] == "PENDING_PAYMENT"
        stuck = await shop.refund_of(f"{case_no}-1")
        assert stuck["state"] in ("SUBMITTING", "UNKNOWN")
    await shop.sleep(HOUR)
    await shop.order_is(unpaid, "CLOSED")
    for one in (case_no, silent):
        assert refunds(await shop.case_is(one, "COMPLETED")) == [(380, "SUCCEEDED")]
    assert await shop.money_moves(number) == [1]
    assert len(await shop.history(f"refund-{case_no}-1")) < 100


async def asks(shop: Shop, number: str) -> dict[str, bool]:
    """Whether WeChat Pay was asked about this order."""
    rows = (await shop.wechat.get("/_control/exchanges")).json()
    return {"state": any(number in str(row) for row in rows)}


async def test_shipping_waits_for_no_case_that_has_just_ended(shop: Shop) -> None:
    """The case ends while the parcel is being sent: the order hears of one or the other."""
    number = await shop.paid()
    case_no = await shop.apply(number)
    withdrawing = asyncio.create_task(shop.withdraw(case_no))
    already = {**PARCEL, "already_shipped": True}
    shipped = await shop.does("shop", f"/v1/orders/{number}/ship", already)
    await withdrawing
    assert shipped["state"] == "SHIPPED"
    await shop.case_is(case_no, "CLOSED")


@contextlib.contextmanager
def disk_full(shop: Shop) -> Iterator[None]:
    """SQLite's file may not grow any more, and what room it has is filled."""

    def bound(connection: Any, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the pages it has

    engine = shop.database.engine
    with shop.database.write() as session:
        session.execute(text("CREATE TABLE filler (bytes BLOB)"))
    event.listen(engine, "connect", bound)
    engine.dispose()
    for size in (4_000, 400, 40):
        with contextlib.suppress(OperationalError):
            while True:
                with shop.database.write() as session:
                    session.execute(text(f"INSERT INTO filler VALUES (zeroblob({size}))"))
    try:
        yield
    finally:
        event.remove(engine, "connect", bound)
        engine.dispose()
        with shop.database.write() as session:
            session.execute(text("DROP TABLE filler"))


async def test_a_full_disk_loses_no_payment_and_says_so(shop: Shop) -> None:
    if shop.database.engine.name != "sqlite":
        pytest.skip("PostgreSQL's disk is not ours to fill")
    number, placed = await shop.order(), list[str]()
    with disk_full(shop):
        await shop.pay(number)
        await shop.notified(number)
        # Where a page has room left, a row still fits.
        body = order_body("full-0")
        while (reply := await shop.post("shop", "/v1/orders", body)).is_success:
            placed.append(body["out_trade_no"])
            body = order_body(f"full-{len(placed)}")
    assert reply.status_code == 503
    assert "Retry-After" in reply.headers
    await shop.sleep(5 * MINUTE)
    await shop.order_is(number, "AWAITING_SHIPMENT")
    for one in placed:
        await shop.order_is(one, "PENDING_PAYMENT")


@contextlib.contextmanager
def clocks_off(offset: timedelta) -> Iterator[None]:
    """API and worker believe that it is earlier, or later."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Wrong":
            return super().now(tz) + offset

    with contextlib.ExitStack() as patched:
        for name, module in list(sys.modules.items()):
            ours = name.partition(".")[0] in ("activities", "api", "db", "wechat")
            if ours and getattr(module, "datetime", None) is datetime:
                patched.enter_context(patch.object(module, "datetime", Wrong))
        yield


@pytest.mark.parametrize("days", [-3, 3])
async def test_a_clock_that_jumps_moves_no_deadline_and_no_money(shop: Shop, days: int) -> None:
    number = await shop.paid()
    with clocks_off(timedelta(days=days)):
        unpaid = await shop.order()
        case_no = await shop.apply(number)
        opened = await shop.clock.now()
        due = datetime.fromisoformat((await shop.case_of(case_no))["deadline_at"])
        assert abs(due - opened - 2 * DAY) < MINUTE
        await shop.approve(case_no, "merchant")
    await shop.sleep(HOUR)
    await shop.order_is(unpaid, "CLOSED")
    assert (await shop.case_of(case_no))["state"] == "PENDING_PLATFORM"
    with clocks_off(timedelta(days=-days)):
        await shop.approve(case_no, "platform")
        await shop.case_is(case_no, "COMPLETED")
    assert await shop.money_moves(number) == [1]
