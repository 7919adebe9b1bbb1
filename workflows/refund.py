"""One refund: submitted under a number that never changes, and followed until the money moved."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain import refund
    from domain.messages import (
        Answer,
        Booking,
        BookingKind,
        RefundHint,
        RefundStart,
        RefundStatus,
        RefundTold,
        Replaced,
        SignalName,
        Submitted,
        Watch,
    )
    from domain.refund import REFUNDABLE_FOR, Refund, RefundEvent, RefundState
    from domain.timeline import CLOCK, SYSTEM, WECHAT, Actor, Subject

from workflows import calls
from workflows.journal import Journal, Snapshot

FIRST_LOOK = timedelta(minutes=1)
ALARM_AFTER = timedelta(hours=24)
A_MOMENT = timedelta(seconds=2)

MEANS = {
    RefundStatus.PROCESSING: RefundEvent.ACCEPTED,
    RefundStatus.SUCCEEDED: RefundEvent.SUCCEEDED,
    RefundStatus.ABNORMAL: RefundEvent.ABNORMAL,
    RefundStatus.CLOSED: RefundEvent.CLOSED,
}
NOT_PROVED = (RefundStatus.NOT_FOUND, RefundStatus.PROCESSING, RefundStatus.ABNORMAL)
ONLY_SUCCESS_IS_NEWS = tuple(status for status in RefundStatus if status != RefundStatus.SUCCEEDED)
WORDS = {
    RefundState.CREATED: "It waits for its turn among the refunds of its order.",
    RefundState.SUBMITTING: "It is being submitted to WeChat Pay.",
    RefundState.PROCESSING: "WeChat Pay has accepted it; the money is on its way.",
    RefundState.UNKNOWN: "Whether WeChat Pay took it is unknown: asking.",
    RefundState.SUCCEEDED: "The money is back.",
    RefundState.ABNORMAL: "The payer's account can't take the money: a person must act.",
    RefundState.CLOSED: "It failed and the money stayed: a person must decide.",
    RefundState.MANUAL_SETTLED: "Two people settled it offline; WeChat Pay is still watched.",
}


@workflow.defn
class RefundWorkflow:
    """One movement of money, at most once."""

    @workflow.init
    def __init__(self, start: RefundStart) -> None:
        self._refund = Refund(start.intent, start.state)
        self._hints: set[str] = set()
        self._is_hinted = False
        self._is_alarmed = False
        self._told = RefundState.CREATED
        self._polling: workflow.ActivityHandle[Answer] | None = None
        self._polled = Watch(start.intent)
        intent = start.intent
        self._journal = Journal(
            Subject.REFUND,
            intent.out_refund_no,
            intent.merchant_id,
            intent.out_trade_no,
            lambda: Snapshot(refund=self._refund),
        )

    @workflow.run
    async def run(self, start: RefundStart) -> RefundState:
        """Until the money is back, or WeChat Pay could not move it any more."""
        if start.is_claim:
            return await self._adopt()
        if start.refused:
            self._refund = refund.refused(self._refund, start.refused)
            self._note("REFUSED", SYSTEM, start.refused)
        else:
            await self._wait_for_turn()
        while not (self._is_over() and await self._all_is_told()):
            before = self._refund
            self._show()
            await self._journal.flush()
            await self._tell_case()
            if self._has_gone_on(before):
                continue
            if self._refund.state in refund.UNSETTLED:
                await self._submit()
            else:
                await self._watch()
        return self._refund.state

    def _has_gone_on(self, before: Refund) -> bool:
        """Whether people did something while the case was told: that is to be written and told."""
        changed = self._refund != before or bool(self._journal.notes)
        return changed and workflow.patched("tells-what-comes-meanwhile")

    async def _wait_for_turn(self) -> None:
        """WeChat Pay takes one refund of an order a minute: each has its own instant."""
        turn = self._refund.intent.not_before - workflow.now()
        self._show()
        if turn > timedelta(0):
            await workflow.sleep(turn, summary="waits for its turn")

    # ---- submitted

    async def _submit(self) -> None:
        """Ask for the refund; whatever is unclear is asked about before the same number again."""
        insist = self._refund.state is RefundState.UNKNOWN
        self._advance(RefundEvent.SUBMITTED, SYSTEM)
        self._show()
        await self._journal.flush()
        submission = await calls.submit_refund(self._refund.intent, insist=insist)
        if submission.outcome is Submitted.ACCEPTED:
            self._accepted(submission.refund_id)
            return
        if submission.outcome is Submitted.UNKNOWN:
            self._advance(RefundEvent.OUTCOME_UNKNOWN, WECHAT, submission.problem)
            self._show()
            await self._journal.flush()
            # Seconds after a lost call, "no such refund" may only mean "not yet".
            await workflow.sleep(A_MOMENT, summary="outcome unknown: asks in a moment")
        answer = await calls.ask_refund(Watch(self._refund.intent))
        if answer.status is not RefundStatus.NOT_FOUND:
            self._believe(answer)
        elif submission.outcome is Submitted.REFUSED:
            self._advance(RefundEvent.REFUSED, WECHAT, submission.problem)

    def _accepted(self, refund_id: str) -> None:
        self._refund = refund.identified(self._refund, refund_id, workflow.now())
        self._advance(RefundEvent.ACCEPTED, WECHAT)

    # ---- followed

    async def _watch(self) -> None:
        """Until WeChat Pay says something new; a notification only makes us ask at once."""
        before = self._refund
        if before.state is RefundState.PROCESSING and not self._polling:
            if not self._hints:
                await self._wait(lambda: self._is_hinted or self._refund != before, FIRST_LOOK)
            await self._look_if_hinted()
        if self._refund != before:
            return
        polling = self._poll()
        await self._wait(
            lambda: polling.done() or self._is_hinted or self._refund != before, self._patience()
        )
        self._remind()
        if polling.done():
            self._polling = None
            self._believe(polling.result())
        else:
            await self._look_if_hinted()

    async def _look_if_hinted(self) -> None:
        """One question, which may fail: there is polling after it."""
        if not self._is_hinted:
            return
        self._is_hinted, before = False, self._refund
        asking = calls.ask_refund(Watch(before.intent), calls.SOON)
        await workflow.wait_condition(lambda: asking.done() or self._refund != before)
        if asking.done():
            with suppress(ActivityError):
                self._believe(asking.result())
        else:
            asking.cancel()  # people have settled it meanwhile, and its case waits to hear that

    def _poll(self) -> "workflow.ActivityHandle[Answer]":
        """One poll at a time: one that asks for less than is wanted ends at its next question."""
        wanted = self._what_is_news()
        is_enough = wanted.no_news == self._polled.no_news or self._is_replaced()
        if self._polling is None or not is_enough:
            self._polling, self._polled = calls.ask_refund(wanted), wanted
            self._is_hinted = False
        return self._polling

    def _what_is_news(self) -> Watch:
        state, intent = self._refund.state, self._refund.intent
        if state is RefundState.PROCESSING:
            return Watch(intent, (RefundStatus.PROCESSING,))
        if state is RefundState.ABNORMAL:
            return Watch(intent, (RefundStatus.ABNORMAL,), slowly=True)
        return Watch(intent, ONLY_SUCCESS_IS_NEWS, slowly=True)

    async def _wait(self, news: Callable[[], bool], patience: timedelta | None) -> None:
        with suppress(TimeoutError):
            words = WORDS[self._refund.state]
            await workflow.wait_condition(news, timeout=patience, timeout_summary=words)

    def _patience(self) -> timedelta | None:
        """How long until something has to be done though there is no news."""
        due = self._hope_ends_at() if self._is_replaced() else self._alarm_at()
        return due - workflow.now() if due else None

    def _remind(self) -> None:
        """A refund is never failed by its age; people are told of it."""
        alarm_at = self._alarm_at()
        if alarm_at is not None and workflow.now() >= alarm_at:
            self._is_alarmed = True
            self._note("ALARM", CLOCK, "accepted a day ago, and the money is not back yet")

    def _alarm_at(self) -> datetime | None:
        accepted_at = self._refund.accepted_at
        if self._refund.state is not RefundState.PROCESSING or accepted_at is None:
            return None
        return None if self._is_alarmed else accepted_at + ALARM_AFTER

    def _is_over(self) -> bool:
        done = self._refund.state is RefundState.SUCCEEDED
        return done or (self._is_replaced() and workflow.now() >= self._hope_ends_at())

    def _is_replaced(self) -> bool:
        """Nobody expects this money any more, but if it moves all the same it must be known."""
        return self._refund.replaced and self._refund.state in refund.GIVEN_UP

    def _hope_ends_at(self) -> datetime:
        return self._refund.intent.not_before + REFUNDABLE_FOR

    async def _all_is_told(self) -> bool:
        self._show()
        await self._journal.flush()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return True

    # ---- what is believed

    def _believe(self, answer: Answer) -> None:
        """What refundquery says is the truth."""
        if answer.status is RefundStatus.NOT_FOUND:
            if self._refund.state is RefundState.PROCESSING:
                self._advance(RefundEvent.OUTCOME_UNKNOWN, WECHAT, "accepted, but not to be found")
            return
        self._refund = refund.identified(self._refund, answer.refund_id, workflow.now())
        if answer.status is RefundStatus.SUCCEEDED:
            self._refund = refund.dated(self._refund, answer.succeeded_at or workflow.now())
        self._advance(MEANS[answer.status], WECHAT)

    def _advance(self, event: RefundEvent, actor: Actor | str, problem: str = "") -> None:
        """Take the event in, unless it says nothing new."""
        before = self._refund
        if event not in refund.TRANSITIONS[before.state]:
            return
        self._refund = refund.moved(before, event, problem)
        self._journal.note(event, actor, before.state, self._refund.state, problem)
        if event is RefundEvent.SUCCEEDED:
            reason = "REFUND_AFTER_SETTLEMENT" if before.replaced else ""
            self._book(BookingKind.REFUND_SUCCEEDED, reason)

    async def _tell_case(self) -> None:
        """A stuck refund needs a person; its end is told by this workflow's result."""
        state, parent = self._refund.state, workflow.info().parent
        goes_on = state is RefundState.PROCESSING and self._told in refund.STUCK
        is_news = goes_on or state in refund.GIVEN_UP | refund.STUCK
        if parent is None or not is_news or state is self._told:
            return
        self._told = state
        case = workflow.get_external_workflow_handle(parent.workflow_id)
        told = RefundTold(self._refund.intent.out_refund_no, state, self._refund.problem)
        with suppress(ApplicationError):
            await case.signal(SignalName.REFUND_TOLD, told)

    async def _adopt(self) -> RefundState:
        """A refund that staff made at WeChat by hand: recorded once it is proved to have moved."""
        answer = await calls.ask_refund(Watch(self._refund.intent, NOT_PROVED))
        if answer.status is not RefundStatus.SUCCEEDED:
            return RefundState.CLOSED
        await calls.adopt_refund(self._refund.intent, answer, workflow.now())
        return RefundState.SUCCEEDED

    # ---- facts and commands

    @workflow.signal
    def refund_notified(self, hint: RefundHint) -> None:
        """WeChat Pay says how the refund ended: a reason to ask."""
        if hint.refund_status not in self._hints:
            self._hints.add(hint.refund_status)
            self._is_hinted = True

    @workflow.signal
    def replaced(self, replaced: Replaced) -> None:
        """People settled it offline, or gave it another number; it is only watched from here on."""
        if self._refund.state not in refund.STUCK:
            self._note("NOT_REPLACED", replaced.actor, "it has gone on meanwhile")
            return
        self._refund = refund.replaced(self._refund)
        if replaced.offline:
            self._advance(RefundEvent.SETTLED_OFFLINE, replaced.actor, replaced.reason)
            self._book(BookingKind.REFUND_SETTLED_OFFLINE)
        else:
            self._note("REPLACED", replaced.actor, replaced.reason)

    @workflow.update
    async def query_wechat(self, actor: Actor) -> None:
        """Ask WeChat Pay now."""
        self._note("QUERIED", actor)
        self._believe(await calls.ask_refund(Watch(self._refund.intent)))
        await self._journal.flush()

    # ---- state

    def _note(self, event: str, actor: Actor | str, reason: str = "") -> None:
        state = self._refund.state
        self._journal.note(event, actor, state, state, reason)

    def _book(self, kind: BookingKind, reason: str = "") -> None:
        intent = self._refund.intent
        self._journal.book(
            Booking(
                kind,
                cause=intent.out_refund_no,
                at=workflow.now(),
                out_trade_no=intent.out_trade_no,
                transaction_id=intent.transaction_id,
                out_refund_no=intent.out_refund_no,
                fen=intent.refund_fee,
                reason=reason,
            )
        )

    def _show(self) -> None:
        state = self._refund.state
        workflow.set_current_details(f"**{state}** {WORDS[state]}")
