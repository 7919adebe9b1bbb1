"""Calls to WeChat Pay. Numbers and amounts come from the workflow and never change on a retry."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from db import attempts
from db.engine import Database
from domain.messages import (
    Answer,
    PaymentFact,
    RefundStatus,
    Submission,
    Submitted,
    Trade,
    TradeState,
    Watch,
)
from domain.refund import Intent
from domain.refusals import Code
from domain.terms import Terms
from wechat.client import WeChatPay
from wechat.errors import Duty, Refused, Unknown, WeChatError

T = TypeVar("T")

MINUTE = timedelta(minutes=1)
POLL_DELAYS = (*[MINUTE] * 5, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE)
SLOW_POLL = timedelta(days=1)
QUICK_RETRY = timedelta(seconds=5)

STATUSES = {
    "SUCCESS": RefundStatus.SUCCEEDED,
    "CHANGE": RefundStatus.ABNORMAL,
    "REFUNDCLOSE": RefundStatus.CLOSED,
    # Older names and any word to come: keep asking, never call it failed.
    "PROCESSING": RefundStatus.PROCESSING,
}
_CLOSED = ("CLOSED", "REVOKED")


class Channel:
    """Activities on one WeChat Pay account."""

    def __init__(
        self, client: WeChatPay, database: Database, pay_notify_url: str, refund_notify_url: str
    ) -> None:
        self._client, self._database = client, database
        self._pay_notify_url, self._refund_notify_url = pay_notify_url, refund_notify_url

    @activity.defn
    async def open_payment(self, terms: Terms) -> str:
        """Let the buyer pay: the order's prepay_id."""
        placed = await _insist(
            self._client.unified_order(
                out_trade_no=terms.out_trade_no,
                total_fee=terms.total_fee,
                body=terms.description,
                openid=terms.openid,
                spbill_create_ip=terms.client_ip,
                notify_url=self._pay_notify_url,
                attach=terms.attach,
                sub_mch_id=terms.sub_mch_id,
            )
        )
        return placed.prepay_id

    @activity.defn
    async def query_trade(self, terms: Terms) -> Trade:
        """Ask how the order stands at WeChat Pay."""
        try:
            told = await self._client.order_query(
                out_trade_no=terms.out_trade_no, sub_mch_id=terms.sub_mch_id
            )
        except Refused as error:
            if error.err_code == "ORDERNOTEXIST":
                return Trade(TradeState.UNKNOWN_ORDER)
            raise again(error) from error
        except Unknown as error:
            raise again(error) from error
        if told.paid:
            return Trade(
                TradeState.PAID,
                PaymentFact(
                    out_trade_no=told.out_trade_no,
                    transaction_id=told.transaction_id or "",
                    total_fee=told.total_fee or 0,
                    succeeded=True,
                    paid_at=told.time_end or datetime.now(UTC),
                ),
            )
        closed = told.trade_state in _CLOSED
        return Trade(TradeState.CLOSED if closed else TradeState.NOT_PAID)

    @activity.defn
    async def close_trade(self, terms: Terms) -> TradeState:
        """Close the order at WeChat Pay, unless the buyer was faster."""
        try:
            await self._client.close_order(
                out_trade_no=terms.out_trade_no, sub_mch_id=terms.sub_mch_id
            )
        except Refused as error:
            if error.err_code == "ORDERNOTEXIST":
                return TradeState.UNKNOWN_ORDER
            if error.err_code == "ORDERPAID":
                return TradeState.PAID
            raise again(error) from error
        except Unknown as error:
            raise again(error) from error
        return TradeState.CLOSED

    @activity.defn
    async def submit_refund(self, intent: Intent, insist: bool = False) -> Submission:
        """Ask WeChat Pay to refund. A refusal that will pass is tried again, same number.

        To `insist` is to do the same with an outcome that is unknown, instead of telling it.
        """
        if activity.info().attempt > 1:
            found = await self._status(intent)
            if found.status is not RefundStatus.NOT_FOUND:
                return Submission(Submitted.ACCEPTED, found.refund_id)
        try:
            accepted = await self._client.refund(
                out_refund_no=intent.out_refund_no,
                transaction_id=intent.transaction_id,
                total_fee=intent.total_fee,
                refund_fee=intent.refund_fee,
                notify_url=self._refund_notify_url,
                refund_desc=intent.reason[:80],
                sub_mch_id=intent.sub_mch_id,
            )
        except Unknown as error:
            await self._note(intent, "refund", "UNKNOWN", str(error))
            return _unclear(error, insist)
        except Refused as error:
            await self._note(intent, "refund", error.err_code, str(error))
            return _refused(error, insist)
        await self._note(intent, "refund", "ACCEPTED", accepted.refund_id)
        return Submission(Submitted.ACCEPTED, accepted.refund_id)

    @activity.defn
    async def ask_refund(self, watch: Watch) -> Answer:
        """Ask how a refund stands; while that is no news, ask again after a while."""
        answer = await self._status(watch.intent)
        if answer.status in watch.no_news:
            raise ApplicationError(
                f"still {answer.status}",
                type="STILL_WAITING",
                next_retry_delay=_delay(watch),
                category=ApplicationErrorCategory.BENIGN,
            )
        return answer

    async def _status(self, intent: Intent) -> Answer:
        try:
            told = await self._client.refund_query(
                out_refund_no=intent.out_refund_no, sub_mch_id=intent.sub_mch_id
            )
        except Refused as error:
            await self._note(intent, "refundquery", error.err_code, str(error))
            if error.err_code == "REFUNDNOTEXIST":
                return Answer(RefundStatus.NOT_FOUND)
            raise again(error) from error
        except Unknown as error:
            await self._note(intent, "refundquery", "UNKNOWN", str(error))
            raise again(error) from error
        if (told.refund_fee, told.transaction_id) != (intent.refund_fee, intent.transaction_id):
            raise ApplicationError(
                f"WeChat Pay knows {told.out_refund_no} as {told.refund_fee} fen"
                f" of {told.transaction_id}: not this refund",
                type="ANOTHER_REFUND",
                next_retry_delay=POLL_DELAYS[-1],
            )
        await self._note(intent, "refundquery", told.refund_status, told.refund_id)
        status = STATUSES.get(told.refund_status, RefundStatus.PROCESSING)
        return Answer(status, told.refund_id, told.success_time)

    async def _note(self, intent: Intent, call: str, outcome: str, message: str) -> None:
        await asyncio.to_thread(
            attempts.note, self._database, intent.out_refund_no, call, outcome, message
        )


async def _insist(call: Awaitable[T]) -> T:
    """The reply; a refusal for good ends the activity, anything else is tried again."""
    try:
        return await call
    except Refused as error:
        if error.duty in (Duty.STOP, Duty.QUERY_FIRST):
            raise ApplicationError(
                str(error), type=Code.CHANNEL_REFUSED, non_retryable=True
            ) from error
        raise again(error) from error
    except Unknown as error:
        raise again(error) from error


def _refused(error: Refused, insist: bool) -> Submission:
    if error.duty is Duty.STOP:
        return Submission(Submitted.REFUSED, problem=str(error))
    if error.duty in (Duty.QUERY_FIRST, Duty.DONE):
        return _unclear(error, insist)
    raise again(error) from error


def _unclear(error: Refused | Unknown, insist: bool) -> Submission:
    if insist:
        raise again(error) from error
    return Submission(Submitted.UNKNOWN, problem=str(error))


def again(error: WeChatError) -> ApplicationError:
    """What Temporal retries; money and configuration take people minutes, the rest seconds."""
    duty = getattr(error, "duty", Duty.QUERY_FIRST)
    patient = duty in (Duty.WAIT_FOR_FUNDS, Duty.FIX_CONFIG, Duty.STOP)
    attempt = activity.info().attempt
    delay = _poll_delay(attempt) if patient else min(QUICK_RETRY * attempt, MINUTE)
    return ApplicationError(str(error), type=str(duty), next_retry_delay=delay)


def _delay(watch: Watch) -> timedelta:
    return SLOW_POLL if watch.slowly else _poll_delay(activity.info().attempt)


def _poll_delay(attempt: int) -> timedelta:
    return POLL_DELAYS[min(attempt, len(POLL_DELAYS)) - 1]
