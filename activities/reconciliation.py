"""A day against WeChat Pay's bill: download it, compare, ask where the bill leaves a doubt."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from sqlmodel import Session
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.channel import STATUSES, again
from db import fees, reconciliations, unowed
from db.engine import Database
from domain import reconciliation, refund
from domain.messages import (
    CaseStart,
    DayRun,
    Findings,
    PaymentFact,
    RefundHint,
    RefundStatus,
    TradeState,
)
from domain.reconciliation import Billed, Book, DayState, Difference, Item, Key, Kind
from domain.refund import Intent
from wechat.bills import TradeRow
from wechat.client import OrderState, RefundState, WeChatPay
from wechat.errors import Refused, WeChatError

T = TypeVar("T")

ASKED_AT_ONCE = 8
PATIENT_ATTEMPTS = 5
"""After that many, a question without an answer stays one, and the difference open."""
REPAIRS_MAX = 500
"""Lost facts of each kind that one comparison hands over; the next one brings more."""

_NOT_THERE = frozenset({"ORDERNOTEXIST", "REFUNDNOTEXIST", "INVALID_TRANSACTIONID"})
_BILL_FAILURE = "FAIL"


@dataclass(frozen=True)
class Told:
    """WeChat Pay's answer about one doubt: the state in our words, and the signed facts."""

    state: str
    payment: OrderState | None = None
    refund: RefundState | None = None


class Reconciler:
    """Activities on one account and one database; each may be repeated at will."""

    def __init__(self, client: WeChatPay, database: Database) -> None:
        self._client, self._database = client, database

    @activity.defn
    async def fetch_bill(self, run: DayRun) -> None:
        """Begin the run and keep the day's bill; fails while WeChat Pay is still making it."""
        await self._write(lambda session: reconciliations.start(session, run, _now()))
        try:
            bill = await self._client.download_bill(run.day)
        except WeChatError as error:
            problem = str(error)
            await self._write(lambda session: reconciliations.note_problem(session, run, problem))
            raise ApplicationError(problem, type="BILL_NOT_READY") from error
        rows = [_billed(row) for row in bill.rows]
        await self._write(lambda session: reconciliations.keep_bill(session, run, rows))

    @activity.defn
    async def compare_day(self, run: DayRun) -> Findings:
        """Write down the differences of now and the true fees; answers what was lost on its way."""
        book = await self._read(lambda session: reconciliations.load(session, run.day))
        told = await self._ask(book)
        found = reconciliation.compare(book, {key: one.state for key, one in told.items()})
        await self._write(lambda session: _keep(session, run, book, found))
        return _findings(book, told, found)

    @activity.defn(no_thread_cancel_exception=True)
    def finish_day(self, run: DayRun, state: DayState, problem: str) -> None:
        """End the run: an event, and an alarm unless the two agree."""
        with self._database.write() as session:
            reconciliations.finish(session, run, state, problem, _now())

    @activity.defn(no_thread_cancel_exception=True)
    def take_in_unowed(self, fact: PaymentFact) -> CaseStart | None:
        """What becomes of a payment that no running order waits for: the case to be started."""
        with self._database.write() as session:
            return unowed.take_in(session, fact, _now())

    # ---- questions

    async def _ask(self, book: Book) -> Mapping[Key, Told]:
        turns = asyncio.Semaphore(ASKED_AT_ONCE)

        async def ask(key: Key) -> Told | None:
            async with turns:
                activity.heartbeat()
                return await self._answer(book, key)

        keys = reconciliation.doubts(book)
        answers = await asyncio.gather(*map(ask, keys))
        return {key: told for key, told in zip(keys, answers, strict=True) if told is not None}

    async def _answer(self, book: Book, key: Key) -> Told | None:
        either = book.billed.get(key) or book.ours[key]
        is_payment = either.item is Item.PAYMENT
        try:
            if is_payment:
                return await self._trade(either.number, either.sub_mch_id)
            return await self._refund(either.number, either.sub_mch_id)
        except WeChatError as error:
            if isinstance(error, Refused) and error.err_code in _NOT_THERE:
                return Told(TradeState.UNKNOWN_ORDER if is_payment else RefundStatus.NOT_FOUND)
            if activity.info().attempt < PATIENT_ATTEMPTS:
                raise again(error) from error
            return None

    async def _trade(self, transaction_id: str, sub_mch_id: str) -> Told:
        told = await self._client.order_query(transaction_id=transaction_id, sub_mch_id=sub_mch_id)
        return Told(TradeState.PAID if told.paid else TradeState.NOT_PAID, payment=told)

    async def _refund(self, out_refund_no: str, sub_mch_id: str) -> Told:
        told = await self._client.refund_query(out_refund_no=out_refund_no, sub_mch_id=sub_mch_id)
        state = STATUSES.get(told.refund_status, RefundStatus.PROCESSING)
        return Told(state, refund=told)

    # ---- tables

    async def _read(self, look: Callable[[Session], T]) -> T:
        def run() -> T:
            with self._database.read() as session:
                return look(session)

        return await asyncio.to_thread(run)

    async def _write(self, change: Callable[[Session], T]) -> T:
        def run() -> T:
            with self._database.write() as session:
                return change(session)

        return await asyncio.to_thread(run)


def _keep(session: Session, run: DayRun, book: Book, found: Sequence[Difference]) -> None:
    now = _now()
    trued_up = fees.true_up(session, str(run.day), run.run_id, now)
    reconciliations.keep_findings(session, run, book, found, trued_up, now)


def _findings(book: Book, told: Mapping[Key, Told], found: Sequence[Difference]) -> Findings:
    payments: list[PaymentFact] = []
    refunds: list[RefundHint] = []
    strangers: list[Intent] = []
    for difference in found:
        answer = told.get((difference.item, difference.number))
        if difference.kind is Kind.MISSING_HERE and answer and answer.payment:
            payments += _lost_payment(answer.payment)
        elif difference.kind is Kind.MISSING_HERE and answer and answer.refund:
            strangers.append(_stranger(answer.refund))
        elif difference.kind is Kind.STATE and difference.item is Item.REFUND:
            refunds.append(RefundHint(difference.number, difference.their_state))
    return Findings(
        open=len(found),
        payments=tuple(payments[:REPAIRS_MAX]),
        refunds=tuple(refunds[:REPAIRS_MAX]),
        strangers=tuple(strangers[:REPAIRS_MAX]),
    )


def _lost_payment(told: OrderState) -> list[PaymentFact]:
    if not told.paid or told.transaction_id is None or told.total_fee is None:
        return []
    return [
        PaymentFact(
            out_trade_no=told.out_trade_no,
            transaction_id=told.transaction_id,
            total_fee=told.total_fee,
            succeeded=True,
            paid_at=told.time_end or _now(),
        )
    ]


def _stranger(told: RefundState) -> Intent:
    return refund.made_at_wechat(
        told.out_refund_no,
        told.out_trade_no,
        told.transaction_id,
        told.refund_fee,
        told.total_fee,
        _now(),
    )


def _billed(row: TradeRow) -> Billed:
    is_refund = bool(row.out_refund_no)
    return Billed(
        item=Item.REFUND if is_refund else Item.PAYMENT,
        number=row.out_refund_no or row.transaction_id,
        out_trade_no=row.out_trade_no,
        transaction_id=row.transaction_id,
        fen=row.refund_fee if is_refund else row.total_fee,
        state=_refund_state(row.refund_status) if is_refund else _trade_state(row.trade_state),
        fee=row.handling_fee,
        at=row.at,
        sub_mch_id=row.sub_mch_id,
    )


def _refund_state(word: str) -> RefundStatus:
    # The bill says FAIL where refundquery says REFUNDCLOSE.
    if word == _BILL_FAILURE:
        return RefundStatus.CLOSED
    return STATUSES.get(word, RefundStatus.PROCESSING)


def _trade_state(word: str) -> TradeState:
    return TradeState.CLOSED if word == "REVOKED" else TradeState.PAID


def _now() -> datetime:
    return datetime.now(UTC)
