"""An after-sale case: reviewed by the merchant, sent back if need be, processed by the platform,
refunded."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from domain import after_sale, decisions
    from domain.after_sale import Case, CaseEvent, CaseState
    from domain.decisions import Settlement
    from domain.messages import (
        BecameReturn,
        CaseEnd,
        CaseStart,
        Decide,
        Extend,
        RefundAgain,
        RefundStart,
        RefundStatus,
        RefundTold,
        Replaced,
        Reservation,
        Reserve,
        SendBack,
        SettleOffline,
        SignalName,
        Watch,
    )
    from domain.order import CaseType
    from domain.refund import Intent, RefundState, refund_number
    from domain.refusals import Code, Refused
    from domain.timeline import CLOCK, SYSTEM, WECHAT, Actor, Subject

from workflows import calls
from workflows.journal import Journal, Snapshot
from workflows.messaging import AFTER_SALE_STATE, refusals, show, until, wait_for
from workflows.refund import RefundWorkflow

WHO_ACTS = {
    CaseState.PENDING_MERCHANT: "The merchant has to approve or reject.",
    CaseState.AWAITING_RETURN: "The buyer has to send the goods back.",
    CaseState.AWAITING_RECEIPT: "The merchant has to receive and inspect the goods.",
    CaseState.PENDING_PLATFORM: "The platform has to process the case.",
    CaseState.REFUNDING: "WeChat Pay is refunding.",
    CaseState.REFUND_ABNORMAL: "A person has to decide how the refund goes on.",
    CaseState.REJECTED: "Nothing is left to do.",
    CaseState.COMPLETED: "Nothing is left to do.",
    CaseState.CLOSED: "Nothing is left to do.",
}
MEANS = {
    RefundState.SUCCEEDED: CaseEvent.REFUND_SUCCEEDED,
    RefundState.MANUAL_SETTLED: CaseEvent.SETTLED_OFFLINE,
    RefundState.PROCESSING: CaseEvent.REFUND_RETRIED,
}
"""What the end of a refund means for its case; anything else is stuck."""


@workflow.defn
class AfterSaleWorkflow:
    """One case of one order."""

    @workflow.init
    def __init__(self, start: CaseStart) -> None:
        self._case = start.case
        self._policies = start.policies
        self._signals: list[tuple[bool, Any]] = []
        self._parcel_left: Actor | None = None
        self._refunds = 0
        self._refund_no = ""
        self._replaced_no = ""
        self._intent: Intent | None = None
        self._reservation: Reservation | None = None
        self._refund_state = RefundState.CREATED
        self._lost_no = ""
        self._told: list[RefundTold] = []
        self._proposal: Settlement | None = None
        self._is_deciding = False
        self._followers: set[asyncio.Task[None]] = set()
        case = start.case
        self._journal = Journal(
            Subject.AFTER_SALE, case.case_no, case.merchant_id, case.out_trade_no, self._snapshot
        )

    @workflow.run
    async def run(self, start: CaseStart) -> CaseEnd:
        """Until the case is rejected, closed, or its money is back."""
        if not start.is_recorded:
            self._record_itself(start)
        while not (self._case.is_final and await self._all_is_heard()):
            await self._something_happens()
            await self._take_in_signals()
            await self._keep_time()
            await self._refund_if_due()
            self._take_in_refunds()
        self._show()
        refunded = self._case.state is CaseState.COMPLETED
        return CaseEnd(self._case.case_no, refunded, self._case.state)

    def _record_itself(self, start: CaseStart) -> None:
        self._note("APPLIED", SYSTEM, self._case.reason)
        if start.payment is not None:
            self._journal.book(start.payment)

    # ---- reviews and deadlines

    async def _something_happens(self) -> None:
        """Until somebody, or the clock, has something for this case."""
        before = self._case
        self._show()
        await self._journal.flush()
        if not before.is_final:
            await wait_for(
                lambda: self._case is not before or self._is_waited_for(), before.deadline
            )

    async def _keep_time(self) -> None:
        """Three quarters on, people are reminded; at the end the clock decides by the policy."""
        deadline, now = self._case.deadline, workflow.now()
        if deadline is None or deadline.passed:
            return
        if deadline.alarms(now):
            self._case = after_sale.alarmed(self._case)
            self._note("ALARM", CLOCK, until(deadline))
        if deadline.is_over(now):
            fee = await self._fee_if_it_matters()
            event = after_sale.clock_event(self._case, self._policies, fee)
            self._move(
                after_sale.clock_passed(self._case, event, self._policies, now), event, CLOCK
            )

    async def _fee_if_it_matters(self) -> int:
        if self._case.state is CaseState.PENDING_PLATFORM and self._case.approved_in_person:
            return await calls.estimate_refund_fee(self._case)
        return 0

    async def _take_in_signals(self) -> None:
        """Decisions by signal; one that doesn't fit is noted and changes nothing."""
        while self._signals:
            approve, message = self._signals.pop(0)
            actor, decision = decisions.read(message, approve)
            try:
                if isinstance(decision, Refused):
                    raise decision
                self._decide(Decide(actor, decision))
            except Refused as refused:
                self._note("DECISION_IGNORED", actor, refused.detail, code=refused.code)
        if self._parcel_left is not None:
            actor, self._parcel_left = self._parcel_left, None
            await self._become_return(actor)

    async def _become_return(self, actor: Actor) -> None:
        try:
            after = after_sale.became_return(self._case, self._policies, workflow.now())
            self._move(after, CaseEvent.PARCEL_HAD_LEFT, actor)
        except Refused as refused:
            self._note("PARCEL_HAD_LEFT", actor, refused.detail)
        await self._journal.flush()
        converted = self._case.type is CaseType.RETURN_REFUND
        await self._tell_order(BecameReturn(self._case.case_no, converted))

    async def _tell_order(self, answer: BecameReturn) -> None:
        parent = workflow.info().parent
        if parent is not None:
            order = workflow.get_external_workflow_handle(parent.workflow_id)
            with suppress(ApplicationError):  # nobody waits for the answer any more
                await order.signal(SignalName.CASE_BECAME_RETURN, answer)

    # ---- the refund

    async def _reserve_if_due(self) -> None:
        """Hold the money under a new number, in the transaction that writes down why."""
        if not self._is_refund_due():
            return
        self._refunds += 1
        self._refund_no = refund_number(self._case.case_no, self._refunds)
        self._refund_state = RefundState.CREATED
        wanted = Reserve(self._case, self._refund_no, workflow.now(), self._replaced_no)
        self._reservation = await self._journal.flush_with(
            lambda batch: calls.reserve_refund(replace(wanted, batch=batch))
        )
        self._intent = self._reservation.intent

    async def _refund_if_due(self) -> None:
        """Reserve what is due, and let a workflow of its own carry out what is reserved."""
        await self._reserve_if_due()
        reservation, self._reservation = self._reservation, None
        if reservation is None:
            return
        if reservation.intent is None:
            self._advance(CaseEvent.NOTHING_TO_REFUND, SYSTEM)
            return
        handle = await workflow.start_child_workflow(
            RefundWorkflow.run,
            RefundStart(reservation.intent, reservation.refused, state=reservation.state),
            id=f"refund-{self._refund_no}",
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"{reservation.intent.refund_fee} fen of {self._case.out_trade_no}",
        )
        self._followers.add(asyncio.create_task(self._follow(self._refund_no, handle)))

    async def _follow(
        self,
        number: str,
        handle: "workflow.ChildWorkflowHandle[RefundWorkflow, RefundState]",
    ) -> None:
        try:
            self._told.append(RefundTold(number, await handle))
        except ChildWorkflowError as error:
            self._lost_no = number
            self._told.append(RefundTold(number, RefundState.CLOSED, f"lost: {error.cause}"))

    def _take_in_refunds(self) -> None:
        """What the case's refund tells; one that another number has replaced tells nothing."""
        while self._told:
            told = self._told.pop(0)
            if told.out_refund_no == self._refund_no:
                self._refund_state = told.state
                self._take_in_refund(told)

    def _take_in_refund(self, told: RefundTold) -> None:
        event = MEANS.get(told.state, CaseEvent.REFUND_STUCK)
        if event in after_sale.TRANSITIONS[self._case.state]:
            self._advance(event, WECHAT, told.problem, refund_state=told.state)

    async def _is_proved_closed(self) -> bool:
        """Whether WeChat Pay says, asked again, that the refund moved nothing and never will."""
        assert self._intent is not None
        proof = await calls.ask_refund(Watch(self._intent))
        return proof.status in (RefundStatus.CLOSED, RefundStatus.NOT_FOUND)

    async def _tell_refund(self, replaced: Replaced) -> None:
        """One that has ended just now needs no telling: it tells us."""
        refund = workflow.get_external_workflow_handle(f"refund-{self._refund_no}")
        with suppress(ApplicationError):
            await refund.signal(SignalName.REPLACED, replaced)

    # ---- facts and decisions by signal

    @workflow.signal
    def approve(self, *said: Any) -> None:
        """A reviewer approves: {"stage", "reviewer", "reason"?, "responsibility"?}."""
        self._signals.append((True, said[0] if len(said) == 1 else None))

    @workflow.signal
    def reject(self, *said: Any) -> None:
        """A reviewer rejects: {"stage", "reviewer", "reason"}."""
        self._signals.append((False, said[0] if len(said) == 1 else None))

    @workflow.signal
    def parcel_had_left(self, actor: Actor) -> None:
        """The order's parcel had left before this case was opened."""
        self._parcel_left = actor

    @workflow.signal
    def refund_told(self, told: RefundTold) -> None:
        """A refund of this case is stuck, or was settled offline."""
        self._told.append(told)

    # ---- commands

    @workflow.update
    async def decide(self, command: Decide) -> None:
        """Approve or reject at the desk where the case lies."""
        self._decide(command)
        await self._reserve_if_due()
        await self._journal.flush()

    @decide.validator
    def _may_decide(self, command: Decide) -> None:
        with refusals():
            self._in_time()
            after_sale.decided(self._case, command.decision, self._policies, workflow.now())

    @workflow.update
    async def send_back(self, command: SendBack) -> None:
        """The buyer has sent the goods back."""
        now, parcel = workflow.now(), command.parcel
        after = after_sale.sent_back(self._case, parcel, self._policies, now)
        detail = {"carrier": parcel.carrier, "tracking_no": parcel.tracking_no}
        self._move(after, CaseEvent.RETURN_SHIPPED, command.actor, **detail)
        await self._journal.flush()

    @send_back.validator
    def _may_send_back(self, command: SendBack) -> None:
        with refusals():
            self._in_time()
            after_sale.sent_back(self._case, command.parcel, self._policies, workflow.now())

    @workflow.update
    async def withdraw(self, actor: Actor) -> None:
        """The buyer takes the application back."""
        after = after_sale.withdrawn(self._case, self._policies, workflow.now())
        self._move(after, CaseEvent.WITHDRAWN, actor)
        await self._journal.flush()

    @withdraw.validator
    def _may_withdraw(self, actor: Actor) -> None:
        with refusals():
            self._in_time()
            after_sale.withdrawn(self._case, self._policies, workflow.now())

    @workflow.update
    async def extend(self, command: Extend) -> None:
        """An operator gives the desk more time."""
        after = after_sale.extended(self._case, command.until, command.reason, workflow.now())
        self._move(after, "EXTENDED", command.actor, command.reason, until=str(command.until))
        await self._journal.flush()

    @extend.validator
    def _may_extend(self, command: Extend) -> None:
        with refusals():
            self._in_time()
            after_sale.extended(self._case, command.until, command.reason, workflow.now())

    @workflow.update
    async def expire(self, actor: Actor) -> None:
        """The current deadline passes now (sandbox)."""
        self._case = after_sale.expired(self._case, workflow.now())
        self._note("EXPIRED", actor)
        waiting = self._case.deadline
        await workflow.wait_condition(lambda: self._case.deadline is not waiting)
        await self._journal.flush()

    @expire.validator
    def _may_expire(self, actor: Actor) -> None:
        with refusals():
            after_sale.expired(self._case, workflow.now())

    @workflow.update
    async def settle_offline(self, command: SettleOffline) -> None:
        """One person proposes, another confirms, that the buyer was paid another way."""
        proposal = Settlement(command.actor.name, command.out_refund_no, command.reference)
        if decisions.confirms(self._proposal, proposal):
            with self._deciding():
                await self._settle(command)
        else:
            self._proposal = proposal
            note = "OFFLINE_SETTLEMENT_PROPOSED"
            self._note(note, command.actor, command.reason, reference=command.reference)
        await self._journal.flush()

    @settle_offline.validator
    def _may_settle_offline(self, command: SettleOffline) -> None:
        with refusals():
            self._check_undecided()
            self._check_stuck(command.out_refund_no)
            if command.out_refund_no == self._lost_no:
                detail = "the refund's run was ended by hand: ask for a new number"
                raise Refused(Code.REFUND_STATE, detail, "out_refund_no")
            proposal = Settlement(command.actor.name, command.out_refund_no, command.reference)
            after_sale.checked_reason(command.reason)
            decisions.confirms(self._proposal, proposal)

    async def _settle(self, command: SettleOffline) -> None:
        """Unless the money has come through, or is on its way, after all."""
        note = "OFFLINE_SETTLEMENT_CONFIRMED"
        self._note(note, command.actor, command.reason, reference=command.reference)
        self._proposal = None
        await self._tell_refund(Replaced(str(command.actor), True, command.reference))
        await workflow.wait_condition(lambda: self._case.state is not CaseState.REFUND_ABNORMAL)
        with refusals():
            if self._refund_state is not RefundState.MANUAL_SETTLED:
                detail = f"the refund is {self._refund_state} meanwhile: nothing was settled"
                raise Refused(Code.REFUND_STATE, detail, "out_refund_no")

    @workflow.update
    async def refund_again(self, command: RefundAgain) -> None:
        """A person wants a new number in place of a refund that is proved closed."""
        with self._deciding(), refusals():
            if not await self._is_proved_closed():
                detail = "WeChat Pay does not say that the refund is closed: it may yet go through"
                raise Refused(Code.REFUND_STATE, detail, "out_refund_no")
            await self._tell_refund(Replaced(str(command.actor), False, "a new number"))
            self._check_stuck(command.out_refund_no)
            self._replaced_no, self._refund_no, self._intent = self._refund_no, "", None
            instead_of = self._replaced_no
            self._advance(CaseEvent.REFUND_RETRIED, command.actor, instead_of=instead_of)
        await workflow.wait_condition(lambda: self._intent is not None or self._case.is_final)
        await self._journal.flush()

    @refund_again.validator
    def _may_refund_again(self, command: RefundAgain) -> None:
        with refusals():
            self._check_undecided()
            self._check_stuck(command.out_refund_no)

    # ---- state

    @property
    def written(self) -> int:
        """How many batches it knows to be written."""
        return self._journal.batches

    def _decide(self, command: Decide) -> None:
        self._in_time()
        decision = command.decision
        event = after_sale.decision_event(self._case, decision)
        after = after_sale.decided(self._case, decision, self._policies, workflow.now())
        self._move(after, event, command.actor, decision.reason, reason_code=decision.reason_code)

    def _in_time(self) -> None:
        after_sale.check_in_time(self._case, workflow.now())

    def _check_stuck(self, out_refund_no: str) -> None:
        if out_refund_no != self._refund_no:
            detail = f"the case's refund is {self._refund_no or 'not made yet'}"
            raise Refused(Code.REFUND_NOT_FOUND, detail, "out_refund_no")
        if self._case.state is not CaseState.REFUND_ABNORMAL:
            raise Refused(Code.CASE_STATE, f"the case is {self._case.state}: not possible")

    def _check_undecided(self) -> None:
        if self._is_deciding:
            detail = "somebody's decision about this refund is being carried out"
            raise Refused(Code.REFUND_STATE, detail, "out_refund_no")

    @contextmanager
    def _deciding(self) -> Iterator[None]:
        """One decision about a stuck refund at a time: two could pay the buyer twice."""
        self._is_deciding = True
        try:
            yield
        finally:
            self._is_deciding = False

    def _is_refund_due(self) -> bool:
        return self._case.state is CaseState.REFUNDING and not self._refund_no

    def _is_waited_for(self) -> bool:
        is_told = bool(self._signals or self._parcel_left or self._told)
        return is_told or self._reservation is not None or self._is_refund_due()

    async def _all_is_heard(self) -> bool:
        await self._journal.flush()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return not (self._signals or self._parcel_left)

    def _advance(self, event: CaseEvent, actor: Actor, reason: str = "", **detail: str) -> None:
        after = after_sale.moved(self._case, event, self._policies, workflow.now())
        self._move(after, event, actor, reason, **detail)

    def _move(self, after: Case, event: str, actor: Actor, reason: str = "", **detail: str) -> None:
        before, self._case = self._case, after
        said = {name: value for name, value in detail.items() if value}
        self._journal.note(event, actor, before.state, after.state, reason, **said)

    def _note(self, event: str, actor: Actor, reason: str = "", **detail: str) -> None:
        self._move(self._case, event, actor, reason, **detail)

    def _show(self) -> None:
        case = self._case
        words = f"**{case.state}** {WHO_ACTS[case.state]} {until(case.deadline)}"
        show(AFTER_SALE_STATE, case.state, case.deadline, words)

    def _snapshot(self) -> Snapshot:
        return Snapshot(cases=(self._case,))
