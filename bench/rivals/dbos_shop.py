"""The same story in DBOS: durable functions on the same PostgreSQL, in the same process as the API.

Written as its guides say: one workflow for an order and one for a case, steps for WeChat Pay,
datasource transactions for the tables (rows and checkpoint commit together), `recv` for what comes
in, an event for each answer. Two processes serve it, for ours has two as well; either may take any
request.
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from dbos import DBOS, AsyncSQLAlchemyDatasource, SetWorkflowID
from fastapi import FastAPI, Request, Response
from sqlalchemy import text

from bench.rivals.shared import (
    Shop,
    acknowledged,
    case_no_of,
    make_tables,
    notified,
    refund_no,
    seen,
    shop,
    total_fee,
)
from wechat.notifications import PaymentNotification

HALF_AN_HOUR_S = 1800.0
TEN_DAYS_S = 864_000.0
A_MINUTE_S = 60.0
ANSWERED_WITHIN_S = 30.0
COMMITTED: Any = {"isolation_level": "READ COMMITTED"}

DBOS(
    config={
        "name": "shop",
        "system_database_url": os.environ["DATABASE_URL"],
        "executor_id": str(os.getpid()),
        "application_version": "1",
        "log_level": "ERROR",
        "sys_db_pool_size": 20,
    }
)


class _Here:
    shop: Shop
    tables: AsyncSQLAlchemyDatasource


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connections, tables, DBOS."""
    async with shop() as made:
        await make_tables(made.engine)
        _Here.shop = made
        _Here.tables = await AsyncSQLAlchemyDatasource.create(
            os.environ["DATABASE_URL"], engine=made.engine
        )
        DBOS.launch()
        yield
        DBOS.destroy()


app = FastAPI(lifespan=lifespan)


# ---- the workflows


@DBOS.workflow()
async def order_workflow(terms: dict[str, Any]) -> str:
    """Placed, paid, then whatever is commanded, until it is received or refunded."""
    number = terms["out_trade_no"]
    prepay_id = await open_payment(terms)
    await write(record_placed, terms, prepay_id)
    await DBOS.set_event_async("placed", prepay_id)
    transaction_id = await DBOS.recv_async("payment", HALF_AN_HOUR_S)
    await write(record_order, number, "AWAITING_SHIPMENT", transaction_id)
    while True:
        command = await DBOS.recv_async("command", TEN_DAYS_S)
        if command["do"] == "apply":
            await open_case(number, transaction_id, total_fee(terms))
        else:
            await write(record_order, number, command["do"], "")
        await DBOS.set_event_async(command["do"], "done")
        if command["do"] in ("RECEIVED", "CLOSED"):
            return str(command["do"])


async def open_case(number: str, transaction_id: str, fee: int) -> None:
    """Write the case down and start it."""
    case_no = case_no_of(number)
    await write(record_case, case_no, number, "PENDING_MERCHANT", fee)
    with SetWorkflowID(case_no):
        await DBOS.start_workflow_async(case_workflow, case_no, number, transaction_id, fee)


@DBOS.workflow()
async def case_workflow(case_no: str, number: str, transaction_id: str, fee: int) -> str:
    """Approved by merchant and platform, refunded, confirmed."""
    for desk, target in (("merchant", "PENDING_PLATFORM"), ("platform", "REFUNDING")):
        await DBOS.recv_async(desk, TEN_DAYS_S)
        await write(record_case, case_no, number, target, fee)
        await DBOS.set_event_async(desk, "done")
    await write(record_refund, case_no, number, "CREATED")
    await submit_refund(case_no, transaction_id, fee)
    await write(record_refund, case_no, number, "PROCESSING")
    while not await is_refunded(case_no):
        await DBOS.recv_async("hint", A_MINUTE_S)
    await write(record_refund, case_no, number, "SUCCEEDED")
    await write(record_case, case_no, number, "COMPLETED", fee)
    await DBOS.send_async(number, {"do": "CLOSED"}, "command")
    return "COMPLETED"


# ---- steps


@DBOS.step(retries_allowed=True)
async def open_payment(terms: dict[str, Any]) -> str:
    """Let the buyer pay."""
    return await _Here.shop.open_payment(terms)


@DBOS.step(retries_allowed=True)
async def submit_refund(case_no: str, transaction_id: str, fee: int) -> str:
    """Ask WeChat Pay to refund."""
    return await _Here.shop.submit_refund(case_no, transaction_id, fee)


@DBOS.step(retries_allowed=True)
async def is_refunded(case_no: str) -> bool:
    """Ask WeChat Pay whether the money is back."""
    return await _Here.shop.is_refunded(case_no)


async def write(change: Callable[..., Awaitable[None]], *values: Any) -> None:
    """Rows and checkpoint in one transaction."""
    await _Here.tables.run_tx_step_async(COMMITTED, change, *values)


async def record_placed(terms: dict[str, Any], prepay_id: str) -> None:
    """A payable order."""
    await _execute(
        """INSERT INTO orders (out_trade_no, state, total_fee, terms, prepay_id)
           VALUES (:no, 'PENDING_PAYMENT', :fee, :terms, :prepay_id)""",
        no=terms["out_trade_no"],
        fee=total_fee(terms),
        terms=json.dumps(terms),
        prepay_id=prepay_id,
    )
    await _note(terms["out_trade_no"], "PLACED")


async def record_order(number: str, state: str, transaction_id: str) -> None:
    """An order's next state."""
    await _execute(
        """UPDATE orders SET state = :state, updated_at = now(),
             transaction_id = CASE WHEN :paid = '' THEN transaction_id ELSE :paid END
           WHERE out_trade_no = :no""",
        no=number,
        state=state,
        paid=transaction_id,
    )
    await _note(number, state)


async def record_case(case_no: str, number: str, state: str, fee: int) -> None:
    """A case's next state."""
    await _execute(
        """INSERT INTO after_sales (case_no, out_trade_no, state, refund_fee)
           VALUES (:case_no, :no, :state, :fee)
           ON CONFLICT (case_no) DO UPDATE SET state = :state, updated_at = now()""",
        case_no=case_no,
        no=number,
        state=state,
        fee=fee,
    )
    await _note(case_no, state)


async def record_refund(case_no: str, number: str, state: str) -> None:
    """A refund's next state."""
    await _execute(
        """INSERT INTO refunds (out_refund_no, out_trade_no, case_no, state)
           VALUES (:refund_no, :no, :case_no, :state)
           ON CONFLICT (out_refund_no) DO UPDATE SET state = :state""",
        refund_no=refund_no(case_no),
        no=number,
        case_no=case_no,
        state=state,
    )
    await _note(case_no, f"REFUND_{state}")


async def _execute(statement: str, **values: Any) -> None:
    await _Here.tables.sql_session().execute(text(statement), values)


async def _note(subject_no: str, event: str) -> None:
    statement = "INSERT INTO events (subject_no, event) VALUES (:no, :event)"
    await _execute(statement, no=subject_no, event=event)


# ---- what comes in


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Up."""
    return {"status": "ready"}


@app.post("/v1/orders", status_code=201)
async def place(terms: dict[str, Any]) -> dict[str, Any]:
    """Place an order; answered once the buyer can pay."""
    number = terms["out_trade_no"]
    with SetWorkflowID(number):
        await DBOS.start_workflow_async(order_workflow, terms)
    await DBOS.get_event_async(number, "placed", ANSWERED_WITHIN_S)
    return await order(number)


@app.get("/v1/orders/{number}")
async def order(number: str) -> dict[str, Any]:
    """An order."""
    return await seen(_Here.shop.engine, "orders", "out_trade_no", number)


@app.post("/v1/orders/{number}/ship")
async def ship(number: str) -> dict[str, Any]:
    """The parcel leaves."""
    return await command(number, "SHIPPED")


@app.post("/v1/orders/{number}/receive")
async def receive(number: str) -> dict[str, Any]:
    """The buyer has the goods."""
    return await command(number, "RECEIVED")


@app.post("/v1/orders/{number}/after-sales", status_code=201)
async def apply(number: str) -> dict[str, Any]:
    """The buyer applies, before shipping."""
    await command(number, "apply")
    return await case(case_no_of(number))


@app.post("/v1/after-sales/{case_no}/{desk}-review")
async def review(case_no: str, desk: str) -> dict[str, Any]:
    """Merchant or platform approves; answered once that is written down."""
    await DBOS.send_async(case_no, "approve", desk)
    await DBOS.get_event_async(case_no, desk, ANSWERED_WITHIN_S)
    return await case(case_no)


@app.get("/v1/after-sales/{case_no}")
async def case(case_no: str) -> dict[str, Any]:
    """A case."""
    return await seen(_Here.shop.engine, "after_sales", "case_no", case_no)


@app.post("/apis/{which}_notify")
async def hear(which: str, request: Request) -> Response:
    """WeChat Pay says something: sent durably, then acknowledged."""
    told = await notified(request)
    if isinstance(told, PaymentNotification):
        number, said, key = told.out_trade_no, told.transaction_id, told.transaction_id
        await DBOS.send_async(number, said, "payment", idempotency_key=key)
    else:
        case_no, status = told.out_refund_no.removesuffix("-1"), told.refund_status
        key = f"{told.out_refund_no}-{status}"
        await DBOS.send_async(case_no, status, "hint", idempotency_key=key)
    return acknowledged()


async def command(number: str, do: str) -> dict[str, Any]:
    """Have an order's workflow do it; answered once that is written down."""
    await DBOS.send_async(number, {"do": do}, "command")
    await DBOS.get_event_async(number, do, ANSWERED_WITHIN_S)
    return await order(number)
