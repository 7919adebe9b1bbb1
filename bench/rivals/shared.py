"""What the rivals share: their four tables, WeChat Pay, and words for both.

They keep no books, fees, vouchers, deadlines of people, roles or idempotency keys: whatever they
leave out makes them faster, not slower.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from simulator import defaults
from wechat import notifications
from wechat.client import WeChatPay
from wechat.config import Config
from wechat.notifications import PaymentNotification, RefundNotification

TABLES = (
    """CREATE TABLE IF NOT EXISTS orders (
         out_trade_no text PRIMARY KEY, state text NOT NULL, total_fee bigint NOT NULL,
         terms jsonb NOT NULL, prepay_id text NOT NULL DEFAULT '',
         transaction_id text NOT NULL DEFAULT '', updated_at timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX IF NOT EXISTS orders_by_state ON orders (state, updated_at)",
    """CREATE TABLE IF NOT EXISTS after_sales (
         case_no text PRIMARY KEY, out_trade_no text NOT NULL UNIQUE, state text NOT NULL,
         refund_fee bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX IF NOT EXISTS after_sales_by_state ON after_sales (state, updated_at)",
    """CREATE TABLE IF NOT EXISTS refunds (
         out_refund_no text PRIMARY KEY, out_trade_no text NOT NULL, case_no text NOT NULL,
         state text NOT NULL, look_at timestamptz NOT NULL DEFAULT now(),
         hinted boolean NOT NULL DEFAULT false)""",
    "CREATE INDEX IF NOT EXISTS refunds_due ON refunds (look_at) WHERE state <> 'SUCCEEDED'",
    """CREATE TABLE IF NOT EXISTS events (
         id bigserial PRIMARY KEY, subject_no text NOT NULL, event text NOT NULL,
         at timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX IF NOT EXISTS events_by_subject ON events (subject_no)",
)


@dataclass(frozen=True)
class Shop:
    """One process's connections."""

    engine: AsyncEngine
    wechat: WeChatPay

    async def open_payment(self, terms: dict[str, Any]) -> str:
        """Let the buyer pay: the prepay_id."""
        placed = await self.wechat.unified_order(
            out_trade_no=terms["out_trade_no"],
            total_fee=total_fee(terms),
            body=terms["description"],
            openid=terms["openid"],
            spbill_create_ip="127.0.0.1",
            notify_url=os.environ["PUBLIC_URL"] + "/apis/pay_notify",
        )
        return placed.prepay_id

    async def submit_refund(self, case_no: str, transaction_id: str, fee: int) -> str:
        """Ask WeChat Pay to refund; the refund_id."""
        accepted = await self.wechat.refund(
            out_refund_no=refund_no(case_no),
            transaction_id=transaction_id,
            total_fee=fee,
            refund_fee=fee,
            notify_url=os.environ["PUBLIC_URL"] + "/apis/refund_notify",
            refund_desc="refund",
        )
        return accepted.refund_id

    async def is_refunded(self, case_no: str) -> bool:
        """Whether WeChat Pay says that the money is back."""
        told = await self.wechat.refund_query(out_refund_no=refund_no(case_no))
        return told.refund_status == "SUCCESS"


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    """The connections of this process."""
    engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=20)
    async with WeChatPay(sandbox()) as wechat:
        yield Shop(engine, wechat)
    await engine.dispose()


def sandbox() -> Config:
    """The simulator's account."""
    return Config(
        appid=defaults.APPID,
        mch_id=defaults.MCH_ID,
        api_key=defaults.API_KEY,
        base_url=os.environ["WECHAT_BASE_URL"],
    )


async def make_tables(engine: AsyncEngine) -> None:
    """Create what is not there."""
    async with engine.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))


async def run(connection: AsyncConnection, statement: str, **values: Any) -> Any:
    """Execute one statement; the first row that it returns, if any."""
    result = await connection.execute(text(statement), values)
    return result.first() if result.returns_rows else None


async def note(connection: AsyncConnection, subject_no: str, event: str) -> None:
    """Put one line on the timeline."""
    statement = "INSERT INTO events (subject_no, event) VALUES (:no, :event)"
    await run(connection, statement, no=subject_no, event=event)


async def seen(engine: AsyncEngine, table: str, key: str, value: str) -> dict[str, Any]:
    """What somebody reads of an order or a case, with its timeline."""
    async with engine.connect() as connection:
        row = await run(connection, f"SELECT * FROM {table} WHERE {key} = :no", no=value)
        events = "SELECT event, at FROM events WHERE subject_no = :no ORDER BY id"
        told = await connection.execute(text(events), {"no": value})
        timeline = [{"event": event, "at": at} for event, at in told]
    return {**row._mapping, "timeline": timeline} if row else {}


async def notified(request: Request) -> PaymentNotification | RefundNotification:
    """What WeChat Pay says, its signature checked."""
    return notifications.parse(await request.body(), sandbox())


def acknowledged() -> Response:
    """Held durably."""
    return Response(notifications.reply(True), media_type="text/xml")


def total_fee(terms: dict[str, Any]) -> int:
    """What the buyer pays, in fen."""
    goods = sum(line["quantity"] * line["unit_price"] for line in terms["lines"])
    return int(goods + terms["freight"])


def refund_no(case_no: str) -> str:
    """The one refund of a case."""
    return f"{case_no}-1"


def case_no_of(out_trade_no: str) -> str:
    """The one case of an order."""
    return f"A{out_trade_no}"
