"""The same story as plain FastAPI and PostgreSQL: rows that say what is due, and a loop that looks.

Every step is one guarded UPDATE; a refund's row is written before WeChat Pay is called, and a loop
takes due rows with SKIP LOCKED, calls, and writes what came of it. It is what a careful engineer
writes without a workflow engine, and it is fast: nothing is kept but the last state. What it lacks
is everything that waits for people, and a place where the flow can be read.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.rivals.shared import (
    Shop,
    acknowledged,
    case_no_of,
    make_tables,
    note,
    notified,
    refund_no,
    run,
    seen,
    shop,
    total_fee,
)
from wechat.notifications import PaymentNotification

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
AT_ONCE = 32

TAKE_DUE = text(
    """UPDATE refunds SET look_at = now() + interval '30 s', hinted = false
       WHERE out_refund_no IN (
         SELECT out_refund_no FROM refunds WHERE state <> 'SUCCEEDED'
           AND (look_at <= now() OR (hinted AND state = 'PROCESSING'))
         ORDER BY look_at LIMIT :at_once FOR UPDATE SKIP LOCKED)
       RETURNING case_no, out_trade_no, state"""
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Tables, connections, and the loop."""
    async with shop() as made:
        await make_tables(made.engine)
        app.state.shop = made
        loop = asyncio.create_task(look_for_ever(made))
        yield
        loop.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Up."""
    return {"status": "ready"}


@app.post("/v1/orders", status_code=201)
async def place(terms: dict[str, Any], request: Request) -> dict[str, Any]:
    """Place an order: written down, then payable."""
    here, number = shop_of(request), terms["out_trade_no"]
    async with here.engine.begin() as connection:
        insert = """INSERT INTO orders (out_trade_no, state, total_fee, terms)
                    VALUES (:no, 'PENDING_PAYMENT', :fee, :terms) ON CONFLICT DO NOTHING"""
        fee, said = total_fee(terms), json.dumps(terms)
        await run(connection, insert, no=number, fee=fee, terms=said)
    prepay_id = await here.open_payment(terms)
    async with here.engine.begin() as connection:
        update = "UPDATE orders SET prepay_id = :prepay_id WHERE out_trade_no = :no"
        await run(connection, update, no=number, prepay_id=prepay_id)
        await note(connection, number, "PLACED")
    return await seen(here.engine, "orders", "out_trade_no", number)


@app.get("/v1/orders/{number}")
async def order(number: str, request: Request) -> dict[str, Any]:
    """An order."""
    return await seen(shop_of(request).engine, "orders", "out_trade_no", number)


@app.post("/v1/orders/{number}/ship")
async def ship(number: str, request: Request) -> dict[str, Any]:
    """The parcel leaves."""
    return await move_order(shop_of(request), number, "AWAITING_SHIPMENT", "SHIPPED")


@app.post("/v1/orders/{number}/receive")
async def receive(number: str, request: Request) -> dict[str, Any]:
    """The buyer has the goods."""
    return await move_order(shop_of(request), number, "SHIPPED", "RECEIVED")


@app.post("/v1/orders/{number}/after-sales", status_code=201)
async def apply(number: str, request: Request) -> dict[str, Any]:
    """The buyer applies, before shipping."""
    here, case_no = shop_of(request), case_no_of(number)
    async with here.engine.begin() as connection:
        insert = """INSERT INTO after_sales (case_no, out_trade_no, state, refund_fee)
                    SELECT :case_no, out_trade_no, 'PENDING_MERCHANT', total_fee FROM orders
                    WHERE out_trade_no = :no AND state = 'AWAITING_SHIPMENT' RETURNING case_no"""
        guarded(await run(connection, insert, no=number, case_no=case_no))
        await note(connection, number, "CASE_OPENED")
        await note(connection, case_no, "APPLIED")
    return await seen(here.engine, "after_sales", "case_no", case_no)


@app.post("/v1/after-sales/{case_no}/merchant-review")
async def merchant_review(case_no: str, request: Request) -> dict[str, Any]:
    """The merchant approves."""
    here = shop_of(request)
    async with here.engine.begin() as connection:
        await move_case(connection, case_no, "PENDING_MERCHANT", "PENDING_PLATFORM")
    return await seen(here.engine, "after_sales", "case_no", case_no)


@app.post("/v1/after-sales/{case_no}/platform-review")
async def platform_review(case_no: str, request: Request) -> dict[str, Any]:
    """The platform approves: the refund is written down, and the loop finds it."""
    here = shop_of(request)
    async with here.engine.begin() as connection:
        number = await move_case(connection, case_no, "PENDING_PLATFORM", "REFUNDING")
        insert = """INSERT INTO refunds (out_refund_no, out_trade_no, case_no, state)
                    VALUES (:refund_no, :no, :case_no, 'CREATED')"""
        await run(connection, insert, refund_no=refund_no(case_no), no=number, case_no=case_no)
    return await seen(here.engine, "after_sales", "case_no", case_no)


@app.get("/v1/after-sales/{case_no}")
async def case(case_no: str, request: Request) -> dict[str, Any]:
    """A case."""
    return await seen(shop_of(request).engine, "after_sales", "case_no", case_no)


@app.post("/apis/{which}_notify")
async def hear(which: str, request: Request) -> Response:
    """WeChat Pay says something: held, then acknowledged."""
    told = await notified(request)
    async with shop_of(request).engine.begin() as connection:
        if isinstance(told, PaymentNotification):
            paid = """UPDATE orders SET state = 'AWAITING_SHIPMENT', updated_at = now(),
                        transaction_id = :transaction_id
                      WHERE out_trade_no = :no AND total_fee = :fee AND state = 'PENDING_PAYMENT'
                      RETURNING out_trade_no"""
            number, fee = told.out_trade_no, told.total_fee
            transaction_id = told.transaction_id
            if await run(connection, paid, no=number, fee=fee, transaction_id=transaction_id):
                await note(connection, number, "PAID")
        else:
            hint = "UPDATE refunds SET hinted = true WHERE out_refund_no = :no"
            await run(connection, hint, no=told.out_refund_no)
    return acknowledged()


async def look_for_ever(here: Shop) -> None:
    """Take what is due, again at once while there is more."""
    while True:
        async with here.engine.begin() as connection:
            due = (await connection.execute(TAKE_DUE, {"at_once": AT_ONCE})).all()
        await asyncio.gather(*(advance(here, *row) for row in due))
        await asyncio.sleep(0 if due else LOOK_EVERY_S)


async def advance(here: Shop, case_no: str, number: str, state: str) -> None:
    """One step of one refund; what goes wrong is tried again when its time is up."""
    try:
        if state == "CREATED":
            await submit(here, case_no, number)
        elif await here.is_refunded(case_no):
            await finish(here, case_no, number)
    except Exception:
        log.exception("a refund did not go on")


async def submit(here: Shop, case_no: str, number: str) -> None:
    """Call WeChat Pay, and look again in a minute or when it notifies."""
    async with here.engine.connect() as connection:
        query = "SELECT transaction_id, total_fee FROM orders WHERE out_trade_no = :no"
        transaction_id, fee = await run(connection, query, no=number)
    await here.submit_refund(case_no, transaction_id, fee)
    async with here.engine.begin() as connection:
        update = """UPDATE refunds SET state = 'PROCESSING', look_at = now() + interval '1 min'
                    WHERE out_refund_no = :no"""
        await run(connection, update, no=refund_no(case_no))
        await note(connection, case_no, "ACCEPTED")


async def finish(here: Shop, case_no: str, number: str) -> None:
    """The money is back."""
    async with here.engine.begin() as connection:
        update = "UPDATE refunds SET state = 'SUCCEEDED' WHERE out_refund_no = :no"
        await run(connection, update, no=refund_no(case_no))
        await move_case(connection, case_no, "REFUNDING", "COMPLETED")
        close = "UPDATE orders SET state = 'CLOSED', updated_at = now() WHERE out_trade_no = :no"
        await run(connection, close, no=number)
        await note(connection, number, "REFUNDED_IN_FULL")


async def move_order(here: Shop, number: str, source: str, target: str) -> dict[str, Any]:
    """One step of an order; 409 when it is not there."""
    async with here.engine.begin() as connection:
        update = """UPDATE orders SET state = :target, updated_at = now()
                    WHERE out_trade_no = :no AND state = :source RETURNING out_trade_no"""
        guarded(await run(connection, update, no=number, source=source, target=target))
        await note(connection, number, target)
    return await seen(here.engine, "orders", "out_trade_no", number)


async def move_case(connection: AsyncConnection, case_no: str, source: str, target: str) -> str:
    """One step of a case, answering its order; 409 when it is not there."""
    update = """UPDATE after_sales SET state = :target, updated_at = now()
                WHERE case_no = :no AND state = :source RETURNING out_trade_no"""
    row = guarded(await run(connection, update, no=case_no, source=source, target=target))
    await note(connection, case_no, target)
    return str(row[0])


def guarded(row: Any) -> Any:
    """The row; 409 without one."""
    if row is None:
        raise HTTPException(409, "not in this state")
    return row


def shop_of(request: Request) -> Shop:
    """The connections of this process."""
    found: Shop = request.app.state.shop
    return found
