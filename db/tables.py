"""The tables. Amounts are fen, times UTC.

Business tables are written by workflows' activities alone; the API owns `idempotency_keys`,
`audit`, `users`, `sessions`, `sign_in_failures` and `merchants`, and adds `incidents` for money
that fits no order.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from db.columns import Document, Fen, Instant, Serial


def _instant(**more: Any) -> Any:
    return Column(Instant(), **more)


class Merchant(SQLModel, table=True):
    """A merchant and its settings; `payable` is the running balance of account 2010."""

    __tablename__ = "merchants"
    merchant_id: str = Field(primary_key=True, max_length=64)
    name: str = Field(default="", max_length=200)
    sub_mch_id: str = Field(default="", max_length=32)
    return_address: dict[str, str] = Field(default={}, sa_column=Column(Document, nullable=False))
    policies: dict[str, str] = Field(default={}, sa_column=Column(Document, nullable=False))
    payable: int = Field(default=0, sa_column=Column(Fen, nullable=False))
    updated_at: datetime = Field(sa_column=_instant(nullable=False))


class OrderRow(SQLModel, table=True):
    """An order; `terms` is what was agreed, whole."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("orders_by_change", "updated_at", "out_trade_no"),
        Index("orders_by_state", "state", "updated_at", "out_trade_no"),
        Index("orders_by_merchant", "merchant_id", "updated_at", "out_trade_no"),
        Index("orders_by_merchant_state", "merchant_id", "state", "updated_at", "out_trade_no"),
        Index("orders_by_buyer", "openid"),
    )
    out_trade_no: str = Field(primary_key=True, max_length=32)
    merchant_id: str = Field(max_length=64)
    openid: str = Field(max_length=128)
    state: str = Field(max_length=32)
    pay_state: int
    total_fee: int = Field(sa_column=Column(Fen, nullable=False))
    terms: dict[str, Any] = Field(sa_column=Column(Document, nullable=False))
    prepay_id: str = Field(default="", max_length=64)
    transaction_id: str = Field(default="", max_length=32)
    carrier: str = Field(default="", max_length=64)
    tracking_no: str = Field(default="", max_length=64)
    deadline_policy: str = Field(default="", max_length=32)
    deadline_at: datetime | None = Field(default=None, sa_column=_instant())
    placed_at: datetime = Field(sa_column=_instant(nullable=False))
    paid_at: datetime | None = Field(default=None, sa_column=_instant())
    shipped_at: datetime | None = Field(default=None, sa_column=_instant())
    received_at: datetime | None = Field(default=None, sa_column=_instant())
    ended_at: datetime | None = Field(default=None, sa_column=_instant())
    updated_at: datetime = Field(sa_column=_instant(nullable=False))


class Payment(SQLModel, table=True):
    """Money that came in; `held` is what refunds reserved or took, never more than was paid.

    `kind` is FIRST, SECOND_PAYMENT, LATE_PAYMENT or UNEXPECTED; `fee` is WeChat Pay's, estimated
    until the bill.
    """

    __tablename__ = "payments"
    __table_args__ = (CheckConstraint("held >= 0 AND held <= total_fee", name="payments_cap"),)
    transaction_id: str = Field(primary_key=True, max_length=32)
    out_trade_no: str = Field(index=True, max_length=32)
    merchant_id: str = Field(max_length=64)
    kind: str = Field(max_length=16)
    total_fee: int = Field(sa_column=Column(Fen, nullable=False))
    fee: int = Field(sa_column=Column(Fen, nullable=False))
    held: int = Field(default=0, sa_column=Column(Fen, nullable=False))
    refunds: int = 0
    next_refund_at: datetime | None = Field(default=None, sa_column=_instant())
    paid_at: datetime = Field(sa_column=_instant(nullable=False, index=True))


class CaseRow(SQLModel, table=True):
    """An after-sale case; `reserved` once its amounts are final and its refund has a number."""

    __tablename__ = "after_sales"
    __table_args__ = (
        Index("after_sales_by_change", "updated_at", "case_no"),
        Index("after_sales_by_state", "state", "updated_at", "case_no"),
        Index("after_sales_by_merchant", "merchant_id", "updated_at", "case_no"),
        Index("after_sales_by_deadline", "deadline_at", "case_no"),
        Index("after_sales_by_desk", "state", "deadline_at", "case_no"),
        Index("after_sales_by_merchant_state", "merchant_id", "state", "updated_at", "case_no"),
        Index("after_sales_by_merchant_desk", "merchant_id", "state", "deadline_at", "case_no"),
        Index("after_sales_by_opening", "opened_at"),
    )
    case_no: str = Field(primary_key=True, max_length=64)
    out_trade_no: str = Field(index=True, max_length=32)
    merchant_id: str = Field(max_length=64)
    transaction_id: str = Field(max_length=32)
    origin: str = Field(max_length=16)
    type: str = Field(max_length=16)
    state: str = Field(max_length=32)
    responsibility: str = Field(max_length=16)
    reason_code: str = Field(max_length=32)
    reason: str = Field(max_length=500)
    evidence: list[str] = Field(sa_column=Column(Document, nullable=False))
    units: list[list[int]] = Field(sa_column=Column(Document, nullable=False))
    amounts: dict[str, Any] = Field(sa_column=Column(Document, nullable=False))
    refund_fee: int = Field(sa_column=Column(Fen, nullable=False))
    reserved: bool = False
    approved_in_person: bool = False
    deadline_policy: str = Field(default="", max_length=32)
    deadline_at: datetime | None = Field(default=None, sa_column=_instant())
    alarm_at: datetime | None = Field(default=None, sa_column=_instant())
    breached_at: datetime | None = Field(default=None, sa_column=_instant())
    processed_at: datetime | None = Field(default=None, sa_column=_instant())
    return_carrier: str = Field(default="", max_length=64)
    return_tracking_no: str = Field(default="", max_length=64)
    opened_at: datetime = Field(sa_column=_instant(nullable=False))
    ended_at: datetime | None = Field(default=None, sa_column=_instant())
    updated_at: datetime = Field(sa_column=_instant(nullable=False))


class RefundRow(SQLModel, table=True):
    """One movement of money back; `origin` is CASE, or CONSOLE for one made at WeChat by hand.

    `held` is its part of what the payment holds; `fee_returned` what WeChat Pay gives back of its
    fee, estimated when the money is back, until the bill.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        Index("refunds_by_state", "state", "updated_at"),
        Index("refunds_by_change", "updated_at", "out_refund_no"),
        Index("refunds_by_wechat_number", "refund_id"),
    )
    out_refund_no: str = Field(primary_key=True, max_length=64)
    origin: str = Field(default="CASE", max_length=16)
    out_trade_no: str = Field(index=True, max_length=32)
    case_no: str = Field(index=True, max_length=64)
    merchant_id: str = Field(max_length=64)
    transaction_id: str = Field(max_length=32)
    refund_fee: int = Field(sa_column=Column(Fen, nullable=False))
    held: int = Field(default=0, sa_column=Column(Fen, nullable=False))
    fee_returned: int | None = Field(default=None, sa_column=Column(Fen))
    state: str = Field(max_length=32)
    refund_id: str = Field(default="", max_length=32)
    problem: str = Field(default="", max_length=500)
    not_before: datetime = Field(sa_column=_instant(nullable=False))
    created_at: datetime = Field(sa_column=_instant(nullable=False))
    accepted_at: datetime | None = Field(default=None, sa_column=_instant(index=True))
    succeeded_at: datetime | None = Field(default=None, sa_column=_instant())
    updated_at: datetime = Field(sa_column=_instant(nullable=False))


class RefundAttempt(SQLModel, table=True):
    """One call to WeChat Pay about a refund, and what it answered."""

    __tablename__ = "refund_attempts"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    out_refund_no: str = Field(index=True, max_length=64)
    call: str = Field(max_length=32)
    outcome: str = Field(max_length=32)
    message: str = Field(default="", max_length=500)
    at: datetime = Field(sa_column=_instant(nullable=False))


class Event(SQLModel, table=True):
    """What happened, once each and in order; a batch of a workflow is found by its stream."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("stream", "number", "position", name="events_once"),
        Index("events_by_subject", "subject", "subject_no"),
        Index("events_by_order", "out_trade_no"),
    )
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    stream: str = Field(max_length=100)
    number: int
    position: int
    at: datetime = Field(sa_column=_instant(nullable=False))
    merchant_id: str = Field(max_length=64)
    out_trade_no: str = Field(max_length=32)
    subject: str = Field(max_length=16)
    subject_no: str = Field(max_length=64)
    actor: str = Field(max_length=200)
    event: str = Field(max_length=64)
    source: str = Field(max_length=32)
    target: str = Field(max_length=32)
    reason: str = Field(default="", max_length=1000)
    detail: dict[str, str] = Field(sa_column=Column(Document, nullable=False))


class LostStep(SQLModel, table=True):
    """An event of a workflow task that was lost, and came out otherwise when it was done again."""

    __tablename__ = "lost_steps"
    event_id: int = Field(sa_column=Column(Serial, primary_key=True, autoincrement=False))
    stream: str = Field(index=True, max_length=100)
    number: int | None = None
    """The batch that has said it since, or undone it; none as long as a later one may."""


class Transfer(SQLModel, table=True):
    """One amount from one account to another: it cannot be out of balance. Never edited.

    A posting of several entries is several transfers of the same cause and kind.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        UniqueConstraint("cause", "kind", "debit", "credit", name="transfers_once"),
        CheckConstraint("amount > 0", name="transfers_amount"),
        CheckConstraint("debit <> credit", name="transfers_accounts"),
        Index("transfers_by_order", "out_trade_no"),
        Index("transfers_by_merchant", "merchant_id", "at"),
        Index("transfers_by_time", "at"),
    )
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    cause: str = Field(max_length=128)
    kind: str = Field(max_length=32)
    debit: str = Field(max_length=4)
    credit: str = Field(max_length=4)
    amount: int = Field(sa_column=Column(Fen, nullable=False))
    at: datetime = Field(sa_column=_instant(nullable=False))
    merchant_id: str = Field(max_length=64)
    out_trade_no: str = Field(max_length=32)
    case_no: str = Field(default="", max_length=64)
    out_refund_no: str = Field(default="", max_length=64)


class Coupon(SQLModel, table=True):
    """A gift voucher that paying an order gave to the buyer."""

    __tablename__ = "coupons"
    coupon_no: str = Field(primary_key=True, max_length=64)
    out_trade_no: str = Field(index=True, max_length=32)
    merchant_id: str = Field(max_length=64)
    openid: str = Field(max_length=128)
    title: str = Field(max_length=200)
    face_value: int = Field(sa_column=Column(Fen, nullable=False))
    keep_if_goods_at_least: int | None = Field(default=None, sa_column=Column(Fen))
    state: str = Field(max_length=16)
    used_on: str = Field(default="", max_length=32)
    issued_at: datetime = Field(sa_column=_instant(nullable=False))
    updated_at: datetime = Field(sa_column=_instant(nullable=False))


class Incident(SQLModel, table=True):
    """What a person must look at: money that fits no order, or a fact against a belief.

    Whoever has looked says so with a note.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("kind", "cause", name="incidents_once"),
        Index("incidents_open", "handled_at", "id"),
    )
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    kind: str = Field(max_length=32)
    cause: str = Field(max_length=128)
    at: datetime = Field(sa_column=_instant(nullable=False))
    out_trade_no: str = Field(default="", max_length=32)
    fen: int = Field(default=0, sa_column=Column(Fen, nullable=False))
    reason: str = Field(default="", max_length=1000)
    handled_at: datetime | None = Field(default=None, sa_column=_instant())
    handled_by: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=500)


class IdempotencyKey(SQLModel, table=True):
    """The first answer to a request, by the hash of who asked what under which key."""

    __tablename__ = "idempotency_keys"
    request_id: str = Field(primary_key=True, max_length=64)
    body_hash: str = Field(max_length=64)
    status: int | None = None
    answer: dict[str, Any] | None = Field(default=None, sa_column=Column(Document))
    created_at: datetime = Field(sa_column=_instant(nullable=False, index=True))


class BillRow(SQLModel, table=True):
    """A payment or refund as WeChat Pay's bill of a day in China shows it; `fee` as it says there.

    `number` is the transaction_id of a payment and the out_refund_no of a refund.
    """

    __tablename__ = "bill_rows"
    __table_args__ = (Index("bill_rows_by_number", "item", "number"),)
    day: str = Field(primary_key=True, max_length=10)
    item: str = Field(primary_key=True, max_length=8)
    number: str = Field(primary_key=True, max_length=64)
    out_trade_no: str = Field(max_length=32)
    transaction_id: str = Field(max_length=32)
    sub_mch_id: str = Field(default="", max_length=32)
    fen: int = Field(sa_column=Column(Fen, nullable=False))
    state: str = Field(max_length=16)
    fee: int = Field(sa_column=Column(Fen, nullable=False))
    at: datetime = Field(sa_column=_instant(nullable=False))


class Reconciliation(SQLModel, table=True):
    """A day in China against its bill; `run_id` is the workflow run that wrote it last."""

    __tablename__ = "reconciliations"
    day: str = Field(primary_key=True, max_length=10)
    state: str = Field(max_length=16)
    run_id: str = Field(max_length=64)
    problem: str = Field(default="", max_length=500)
    counts: dict[str, int] = Field(sa_column=Column(Document, nullable=False))
    started_at: datetime = Field(sa_column=_instant(nullable=False))
    finished_at: datetime | None = Field(default=None, sa_column=_instant())


class DifferenceRow(SQLModel, table=True):
    """One thing on which a day and its bill disagree, or did; amounts as each side has them."""

    __tablename__ = "differences"
    __table_args__ = (UniqueConstraint("day", "item", "number", "kind", name="differences_once"),)
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    day: str = Field(max_length=10)
    item: str = Field(max_length=8)
    number: str = Field(max_length=64)
    kind: str = Field(max_length=16)
    out_trade_no: str = Field(max_length=32)
    merchant_id: str = Field(default="", max_length=64)
    our_fen: int | None = Field(default=None, sa_column=Column(Fen))
    their_fen: int | None = Field(default=None, sa_column=Column(Fen))
    our_state: str = Field(default="", max_length=16)
    their_state: str = Field(default="", max_length=16)
    found_at: datetime = Field(sa_column=_instant(nullable=False))
    settled_at: datetime | None = Field(default=None, sa_column=_instant())


class Delivery(SQLModel, table=True):
    """One event on its way to the shop's webhook, and what became of it."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("webhook_deliveries_due", "state", "next_at"),)
    event_id: int = Field(sa_column=Column(Serial, primary_key=True, autoincrement=False))
    state: str = Field(max_length=16)
    attempts: int = 0
    status: int | None = None
    problem: str = Field(default="", max_length=500)
    next_at: datetime | None = Field(default=None, sa_column=_instant())
    delivered_at: datetime | None = Field(default=None, sa_column=_instant())


class User(SQLModel, table=True):
    """A person who may sign in; everybody knows the password of a sandbox one.

    `totp_secret` is "" without a second factor; `totp_step` the newest step whose code was taken.
    """

    __tablename__ = "users"
    name: str = Field(primary_key=True, max_length=64)
    role: str = Field(max_length=16)
    merchant_id: str = Field(default="", max_length=64)
    password_hash: str = Field(max_length=200)
    is_sandbox: bool = False
    created_at: datetime = Field(sa_column=_instant(nullable=False))
    disabled_at: datetime | None = Field(default=None, sa_column=_instant())
    totp_secret: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
    totp_step: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class SessionRow(SQLModel, table=True):
    """Somebody signed in; only the hash of the cookie is kept.

    `utc_offset_minutes` is the reader's zone, as the browser says.
    """

    __tablename__ = "sessions"
    token_hash: str = Field(primary_key=True, max_length=64)
    name: str = Field(index=True, max_length=64)
    created_at: datetime = Field(sa_column=_instant(nullable=False))
    expires_at: datetime = Field(sa_column=_instant(nullable=False))
    utc_offset_minutes: int | None = None
    address: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})


class SignInFailure(SQLModel, table=True):
    """A password that was wrong; what sign-in is throttled by."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (
        Index("sign_in_failures_by_name", "name", "at"),
        Index("sign_in_failures_by_address", "address", "at"),
    )
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    name: str = Field(max_length=64)
    address: str = Field(max_length=64)
    at: datetime = Field(sa_column=_instant(nullable=False))


class AuditEntry(SQLModel, table=True):
    """Who was refused what, who read whose personal data, who signed in. Never edited."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_by_actor", "actor", "id"),)
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    at: datetime = Field(sa_column=_instant(nullable=False))
    actor: str = Field(max_length=100)
    role: str = Field(max_length=16)
    action: str = Field(max_length=64)
    outcome: str = Field(max_length=16)
    subject: str = Field(default="", max_length=300)
    address: str = Field(default="", max_length=64)
