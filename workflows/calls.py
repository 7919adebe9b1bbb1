"""The workflows' calls to the world, each with the patience it deserves."""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.benefits import Benefits
    from activities.channel import Channel
    from activities.reconciliation import Reconciler
    from activities.records import Records
    from domain.after_sale import Case
    from domain.messages import (
        Answer,
        CaseStart,
        DayRun,
        Findings,
        PaymentFact,
        Reservation,
        Reserve,
        Submission,
        Trade,
        TradeState,
        UseCoupon,
        Watch,
    )
    from domain.reconciliation import DayState
    from domain.refund import Intent
    from domain.terms import Terms

from workflows.queues import CHANNEL

ONE_CALL = timedelta(seconds=30)
AT_ONCE = timedelta(seconds=8)
SOON = timedelta(minutes=10)
PATIENT = RetryPolicy(maximum_interval=timedelta(minutes=1))
WHOLE_DAY = timedelta(minutes=30)
HEARTBEAT = timedelta(minutes=1)
BILL_WITHIN = timedelta(hours=24)
BILL_IN_TIME = RetryPolicy(maximum_interval=timedelta(minutes=10))


async def open_payment(terms: Terms, limit: timedelta | None) -> str:
    """The order's prepay_id; raises ActivityError when WeChat Pay refuses or `limit` is over."""
    return await workflow.execute_activity_method(
        Channel.open_payment,
        terms,
        task_queue=CHANNEL,
        start_to_close_timeout=ONE_CALL,
        schedule_to_close_timeout=limit,
        retry_policy=PATIENT,
        summary=f"unifiedorder {terms.total_fee} fen",
    )


async def query_trade(terms: Terms) -> Trade:
    """How the order stands at WeChat Pay."""
    return await workflow.execute_activity_method(
        Channel.query_trade,
        terms,
        task_queue=CHANNEL,
        start_to_close_timeout=ONE_CALL,
        retry_policy=PATIENT,
        summary="orderquery",
    )


async def close_trade(terms: Terms) -> TradeState:
    """Close the order at WeChat Pay, unless it is paid."""
    return await workflow.execute_activity_method(
        Channel.close_trade,
        terms,
        task_queue=CHANNEL,
        start_to_close_timeout=ONE_CALL,
        retry_policy=PATIENT,
        summary="closeorder",
    )


async def use_coupon(command: UseCoupon, now: datetime) -> None:
    """Spend a gift voucher; raises ActivityError when it can't be spent."""
    await workflow.execute_activity_method(
        Benefits.use_coupon,
        args=[command, now],
        start_to_close_timeout=ONE_CALL,
        summary=f"voucher {command.coupon_no} is spent on {command.spent_on}",
    )


async def estimate_refund_fee(case: Case) -> int:
    """What the case comes to now, in fen."""
    return await workflow.execute_activity_method(
        Records.estimate_refund_fee,
        case,
        start_to_close_timeout=ONE_CALL,
        summary="what the case comes to",
    )


async def reserve_refund(wanted: Reserve) -> Reservation:
    """Hold the money for a case's refund, and fix its amounts."""
    return await workflow.execute_activity_method(
        Records.reserve_refund,
        wanted,
        start_to_close_timeout=ONE_CALL,
        summary=f"reserve {wanted.out_refund_no}",
    )


async def submit_refund(intent: Intent, *, insist: bool) -> Submission:
    """Ask WeChat Pay to refund; waits while it says "later" or "no funds".

    To `insist` is to wait for a clear answer too.
    """
    return await workflow.execute_activity_method(
        Channel.submit_refund,
        args=[intent, insist],
        task_queue=CHANNEL,
        start_to_close_timeout=ONE_CALL,
        retry_policy=PATIENT,
        summary=f"refund {intent.refund_fee} fen as {intent.out_refund_no}",
    )


async def adopt_refund(intent: Intent, answer: Answer, now: datetime) -> None:
    """Write down a refund that staff made at WeChat by hand."""
    await workflow.execute_activity_method(
        Records.adopt_refund,
        args=[intent, answer, now],
        start_to_close_timeout=ONE_CALL,
        summary=f"record {intent.out_refund_no}, made at WeChat",
    )


def ask_refund(watch: Watch, limit: timedelta | None = None) -> "workflow.ActivityHandle[Answer]":
    """Ask WeChat Pay how a refund stands, until it says something new, or `limit` is over."""
    return workflow.start_activity_method(
        Channel.ask_refund,
        watch,
        task_queue=CHANNEL,
        start_to_close_timeout=ONE_CALL,
        schedule_to_close_timeout=limit,
        retry_policy=PATIENT,
        summary=f"refundquery {watch.intent.out_refund_no}",
    )


async def fetch_bill(run: DayRun) -> None:
    """Keep the day's bill; raises ActivityError when WeChat Pay has none after a day of asking."""
    await workflow.execute_activity_method(
        Reconciler.fetch_bill,
        run,
        task_queue=CHANNEL,
        start_to_close_timeout=WHOLE_DAY,
        schedule_to_close_timeout=BILL_WITHIN,
        retry_policy=BILL_IN_TIME,
        summary=f"downloadbill {run.day}",
    )


async def compare_day(run: DayRun) -> Findings:
    """Hold the day against its bill."""
    return await workflow.execute_activity_method(
        Reconciler.compare_day,
        run,
        task_queue=CHANNEL,
        start_to_close_timeout=WHOLE_DAY,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=PATIENT,
        summary=f"compare {run.day} with its bill",
    )


async def finish_day(run: DayRun, state: DayState, problem: str) -> None:
    """Write down how the day stands."""
    await workflow.execute_activity_method(
        Reconciler.finish_day,
        args=[run, state, problem],
        start_to_close_timeout=ONE_CALL,
        summary=f"{run.day} is {state}",
    )


async def take_in_unowed(fact: PaymentFact) -> CaseStart | None:
    """The case that sends back a payment that no running order waits for, if one is due."""
    return await workflow.execute_activity_method(
        Reconciler.take_in_unowed,
        fact,
        start_to_close_timeout=ONE_CALL,
        summary=f"{fact.transaction_id} found no running order",
    )
