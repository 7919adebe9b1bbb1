"""An order from placing to completion: paid, shipped, received, and its after-sale windows over."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from domain import after_sale, order, payments
    from domain.after_sale import Case, Origin
    from domain.messages import (
        Apply,
        BecameReturn,
        Booking,
        BookingKind,
        CaseEnd,
        CaseStart,
        OrderStart,
        PaymentFact,
        Place,
        RefundRest,
        Ship,
        SignalName,
        TradeState,
        UseCoupon,
    )
    from domain.order import Claim, Order, OrderEvent, OrderState, PayState
    from domain.refusals import Code, Refused
    from domain.timeline import CLOCK, RESTORED, STEP_LOST, SYSTEM, WECHAT, Actor, Subject

from workflows import calls
from workflows.after_sale import AfterSaleWorkflow
from workflows.journal import Journal, Snapshot
from workflows.messaging import (
    AFTER_SALE_STATE,
    ORDER_STATE,
    attributes,
    refusals,
    show,
    until,
    wait_for,
)

WHO_ACTS = {
    OrderState.PENDING_PAYMENT: "The buyer has to pay.",
    OrderState.AWAITING_SHIPMENT: "The shop has to ship.",
    OrderState.SHIPPED: "The buyer has to receive the goods.",
    OrderState.RECEIVED: "The buyer may still apply for a return.",
    OrderState.COMPLETED: "Nothing is left to do.",
    OrderState.CLOSED: "Nothing is left to do.",
}

A_MOMENT = timedelta(seconds=1)


@workflow.defn
class OrderWorkflow:
    """One order of one buyer at one merchant."""

    @workflow.init
    def __init__(self, start: OrderStart) -> None:
        self._fingerprint = start.fingerprint
        self._applies_for_sure = start.applies_for_sure
        self._order = order.placed(start.terms, workflow.now())
        self._opening: asyncio.Task[None] | None = None
        self._refused = ""
        self._close_for: tuple[Actor, str] | None = None
        self._payments: list[PaymentFact] = []
        self._known_payments: set[str] = set()
        self._new_cases: list[Case] = []
        self._case_ends: list[CaseEnd] = []
        self._return_answers: set[str] = set()
        self._followers: set[asyncio.Task[None]] = set()
        number, merchant_id = start.terms.out_trade_no, start.terms.merchant_id
        # Others may be lost after they were written, and are given again; see `restore`.
        self._journal = Journal(
            Subject.ORDER, number, merchant_id, number, self._snapshot, sure_first=False
        )

    @workflow.run
    async def run(self, start: OrderStart) -> str:
        """Until the order is completed or closed, and no payment of it is left unheard."""
        await self._open_payment()
        while not (self._order.is_final and await self._all_is_heard()):
            await self._take_in_payments()
            await self._take_in_case_ends()
            await self._keep_time()
            await self._journal.flush()
            await self._something_happens()
        return self._order.state

    # ---- paid, or closed

    async def _open_payment(self) -> None:
        """The buyer can pay from here on; WeChat Pay being away only delays that."""
        try:
            await self._ask_for_prepay_id(calls.AT_ONCE)
            self._note("PLACED", SYSTEM)
        except ActivityError as error:
            self._note("PLACED", SYSTEM, f"not payable yet: {error.cause}")
            if not self._gives_up(error):
                self._opening = asyncio.create_task(self._open_payment_later())

    async def _open_payment_later(self) -> None:
        try:
            await self._ask_for_prepay_id(None)
            self._note("PAYABLE", SYSTEM)
        except ActivityError as error:
            self._gives_up(error)

    async def _ask_for_prepay_id(self, limit: timedelta | None) -> None:
        prepay_id = await calls.open_payment(self._order.terms, limit)
        self._order = order.payable(self._order, prepay_id)

    def _gives_up(self, error: ActivityError) -> bool:
        """An order that WeChat Pay refuses for good can only be closed."""
        refused = isinstance(error.cause, ApplicationError) and error.cause.non_retryable
        if refused:
            self._refused = str(error.cause)
            self._close_for = (SYSTEM, self._refused)
        return refused

    async def _take_in_payments(self) -> None:
        """Payments as WeChat Pay tells them: each transaction counts once."""
        while self._payments:
            fact = self._payments.pop(0)
            if not fact.succeeded:
                self._take_in_failure(fact)
            elif fact.transaction_id not in self._known_payments:
                self._known_payments.add(fact.transaction_id)
                await self._take_in(fact)

    def _take_in_failure(self, fact: PaymentFact) -> None:
        if self._is_unpaid() and self._order.pay_state is not PayState.FAILED:
            self._move(order.payment_failed(self._order), "PAYMENT_FAILED", WECHAT, fact.problem)

    async def _take_in(self, fact: PaymentFact) -> None:
        due = self._order.terms.total_fee
        if fact.total_fee != due:
            fact = await self._as_wechat_knows(fact)
        if fact.total_fee != due:
            reason = f"{fact.total_fee} fen were paid, {due} fen are due"
            self._note("PAYMENT_UNEXPECTED", WECHAT, reason, transaction_id=fact.transaction_id)
            self._book_payment(BookingKind.UNEXPECTED_PAYMENT, fact, reason)
        elif self._order.state is OrderState.PENDING_PAYMENT:
            after = order.paid(self._order, fact.transaction_id, fact.paid_at)
            self._move(after, OrderEvent.PAID, WECHAT, transaction_id=fact.transaction_id)
            self._book_payment(BookingKind.ORDER_PAID, fact)
        else:
            await self._send_back(fact)

    async def _as_wechat_knows(self, fact: PaymentFact) -> PaymentFact:
        """An amount that is not the order's is only a claim until WeChat Pay says it itself."""
        known = (await calls.query_trade(self._order.terms)).payment
        return known if known and known.transaction_id == fact.transaction_id else fact

    async def _send_back(self, fact: PaymentFact) -> None:
        """A second or late payment goes back by itself, through the same machinery."""
        is_late = self._order.pay_state is not PayState.PAID
        origin = Origin.LATE_PAYMENT if is_late else Origin.SECOND_PAYMENT
        start = payments.sent_back(fact, origin, self._order.terms, workflow.now())
        self._note(origin, WECHAT, case_no=start.case.case_no, transaction_id=fact.transaction_id)
        await self._journal.flush()
        await self._start_case(start)

    async def _close(self, actor: Actor, reason: str) -> None:
        """Ask, close at WeChat Pay, close here; paid in the meantime is paid."""
        if self._opening is not None:
            self._opening.cancel()
        closing = asyncio.create_task(self._close_at_wechat())
        while self._is_unpaid() and not closing.done():
            await workflow.wait_condition(lambda: closing.done() or bool(self._payments))
            await self._take_in_payments()
        if self._is_unpaid():
            await closing
            after = order.closed_unpaid(self._order, workflow.now())
            self._move(after, OrderEvent.CLOSED_UNPAID, actor, reason)
        closing.cancel()

    async def _close_at_wechat(self) -> None:
        terms = self._order.terms
        trade = await calls.query_trade(terms)
        while trade.state is TradeState.NOT_PAID:
            if await calls.close_trade(terms) is not TradeState.PAID:
                return
            await workflow.sleep(A_MOMENT, summary="closeorder says paid: asks how")
            trade = await calls.query_trade(terms)
        if trade.payment is not None:
            self._payments.append(trade.payment)

    # ---- shipped, received, completed

    async def _something_happens(self) -> None:
        """Until somebody, or the clock, has something for this order."""
        before, deadline = self._order, self._order.deadline
        words = f"**{before.state}** {WHO_ACTS[before.state]} {until(deadline)}"
        show(ORDER_STATE, before.state, deadline, words)
        if not before.is_final:
            await wait_for(lambda: self._order is not before or self._is_waited_for(), deadline)

    async def _keep_time(self) -> None:
        """What nobody did in time, the clock does."""
        if self._close_for is not None:
            await self._close(*self._close_for)
            self._close_for = None
        deadline, now = self._order.deadline, workflow.now()
        if deadline is None or deadline.passed or not deadline.is_over(now):
            return
        if self._order.state is OrderState.PENDING_PAYMENT:
            await self._close(CLOCK, "not paid in time")
        elif self._order.state is OrderState.SHIPPED:
            self._move(order.auto_received(self._order, now), OrderEvent.RECEIVED, CLOCK)
        elif self._order.open_claims:
            self._order = order.clock_passed(self._order)
        else:
            self._complete()

    def _complete(self) -> None:
        after = order.window_ended(self._order, workflow.now())
        self._move(after, OrderEvent.WINDOW_ENDED, CLOCK)
        self._book_final()

    # ---- after-sale

    async def _open_case(self, case: Case, actor: Actor) -> None:
        """Hold the units, write the case down, start it."""
        claim = Claim(case.case_no, case.type, case.units, by_buyer=case.origin is Origin.BUYER)
        self._new_cases.append(case)
        after = order.claimed(self._order, claim, workflow.now())
        self._move(after, "CASE_OPENED", actor, case.reason, case_no=case.case_no)
        self._journal.note_case(case, "APPLIED", actor, "", case.state, case.reason)
        # A case in the tables that has no run could not be decided.
        await self._journal.flush(is_sure_first=self._applies_for_sure)
        await self._start_case(CaseStart(case, self._order.terms.policies))

    async def _start_case(self, start: CaseStart) -> None:
        case = start.case
        handle = await workflow.start_child_workflow(
            AfterSaleWorkflow.run,
            start,
            id=f"after-sale-{case.case_no}",
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            search_attributes=attributes(
                AFTER_SALE_STATE, case.state, case.merchant_id, case.deadline
            ),
            static_summary=f"{case.type} of {case.out_trade_no} ({case.origin})",
        )
        follower = asyncio.create_task(self._follow(case.case_no, handle))
        self._followers.add(follower)

    async def _follow(
        self, case_no: str, handle: "workflow.ChildWorkflowHandle[AfterSaleWorkflow, CaseEnd]"
    ) -> None:
        try:
            self._case_ends.append(await handle)
        except ChildWorkflowError as error:
            self._case_ends.append(CaseEnd(case_no, refunded=False, state=f"LOST: {error.cause}"))

    async def _take_in_case_ends(self) -> None:
        """A case that ends gives its units back or has refunded them; all refunded closes."""
        while self._case_ends:
            end = self._case_ends.pop(0)
            if all(claim.case_no != end.case_no for claim in self._order.open_claims):
                continue
            after = order.claim_ended(self._order, end.case_no, end.refunded, workflow.now())
            event = OrderEvent.REFUNDED_IN_FULL if after.is_final else "CASE_ENDED"
            self._move(after, event, SYSTEM, case_no=end.case_no, case_state=end.state)
            if after.is_final:
                self._book_final()
            elif after.deadline and after.deadline.passed and not after.open_claims:
                self._complete()

    async def _ask_for_return(self, case_no: str, actor: Actor) -> None:
        """The parcel had left: a case for unshipped goods goes on as a return, if it still can."""
        case = workflow.get_external_workflow_handle(f"after-sale-{case_no}")
        with suppress(ApplicationError):  # it has ended, and this order hears of that
            await case.signal(SignalName.PARCEL_HAD_LEFT, actor)
        await workflow.wait_condition(
            lambda: (
                case_no in self._return_answers
                or all(claim.case_no != case_no for claim in self._order.open_claims)
            )
        )

    # ---- facts

    @workflow.signal
    def payment_notified(self, fact: PaymentFact) -> None:
        """WeChat Pay says that the buyer paid, or failed to."""
        self._payments.append(fact)

    @workflow.signal
    def case_became_return(self, answer: BecameReturn) -> None:
        """A case answers whether it goes on as a return."""
        self._return_answers.add(answer.case_no)
        if answer.converted:
            self._order = order.became_return(self._order, answer.case_no)

    @workflow.signal
    def restore(self) -> None:
        """The tables hold a step that Temporal has lost, with its command: write what is true."""
        self._note(RESTORED, SYSTEM, STEP_LOST)

    # ---- commands

    @workflow.update
    async def place(self, command: Place) -> None:
        """Answered once the buyer can pay, or never will."""
        await workflow.wait_condition(
            lambda: bool(self._order.prepay_id or self._refused) or not self._is_unpaid()
        )
        await self._journal.flush()
        if self._refused:
            raise ApplicationError(self._refused, type=Code.CHANNEL_REFUSED, non_retryable=True)
        if self._order.state is OrderState.CLOSED:
            detail = "the order was closed before it could be paid"
            raise ApplicationError(detail, type=Code.ORDER_STATE, non_retryable=True)

    @place.validator
    def _may_place(self, command: Place) -> None:
        with refusals():
            if command.fingerprint != self._fingerprint:
                detail = "another order was placed under this out_trade_no"
                raise Refused(Code.OUT_TRADE_NO_USED, detail, "out_trade_no")

    @workflow.update
    async def ship(self, command: Ship) -> None:
        """The parcel leaves, or had left."""
        open_claims = self._order.open_claims
        parcel = {"carrier": command.carrier, "tracking_no": command.tracking_no}
        self._move(self._shipped(command), OrderEvent.SHIPPED, command.actor, **parcel)
        for claim in open_claims:
            await self._ask_for_return(claim.case_no, command.actor)
        await self._journal.flush()

    @ship.validator
    def _may_ship(self, command: Ship) -> None:
        with refusals():
            self._shipped(command)

    @workflow.update
    async def receive(self, actor: Actor) -> None:
        """The buyer has the goods."""
        after = order.received(self._order, workflow.now())
        self._move(after, OrderEvent.RECEIVED, actor)
        await self._journal.flush()

    @receive.validator
    def _may_receive(self, actor: Actor) -> None:
        with refusals():
            order.received(self._order, workflow.now())

    @workflow.update
    async def close(self, actor: Actor) -> None:
        """Close an unpaid order, unless the buyer is faster."""
        self._close_for = (actor, "closed by the shop")
        await workflow.wait_condition(lambda: not self._is_unpaid())
        await self._journal.flush()
        if self._order.state is not OrderState.CLOSED:
            detail = "the buyer was faster: the order is paid"
            raise ApplicationError(detail, type=Code.ORDER_PAID, non_retryable=True)

    @close.validator
    def _may_close(self, actor: Actor) -> None:
        with refusals():
            order.check_closable(self._order)

    @workflow.update
    async def apply(self, command: Apply) -> None:
        """The buyer applies for a refund."""
        application, now = command.application, workflow.now()
        units = order.check_application(self._order, application, now)
        case = after_sale.of_application(self._order, application, units, command.case_no, now)
        await self._open_case(case, command.actor)

    @apply.validator
    def _may_apply(self, command: Apply) -> None:
        with refusals():
            order.check_application(self._order, command.application, workflow.now())

    @workflow.update
    async def refund_rest(self, command: RefundRest) -> str:
        """Refund all that is left, without reviews; answers the case that does it."""
        if running := self._operators_case():
            return running
        terms, transaction_id = self._order.terms, self._order.transaction_id
        left = self._order.units_left
        case = after_sale.of_operator(terms, transaction_id, left, command.case_no, workflow.now())
        await self._open_case(case, command.actor)
        return case.case_no

    @refund_rest.validator
    def _may_refund_rest(self, command: RefundRest) -> None:
        with refusals():
            if not self._operators_case():
                order.check_refundable(self._order)

    @workflow.update
    async def use_coupon(self, command: UseCoupon) -> None:
        """A gift voucher of this order, or for it, is spent."""
        try:
            await calls.use_coupon(command, workflow.now())
        except ActivityError as error:
            raise error.cause or error from error

    @workflow.update
    async def expire(self, actor: Actor) -> None:
        """The current deadline passes now (sandbox)."""
        self._order = order.expired(self._order, workflow.now())
        self._note("EXPIRED", actor)
        waiting = self._order.deadline
        await workflow.wait_condition(lambda: self._order.deadline is not waiting)
        await self._journal.flush()

    @expire.validator
    def _may_expire(self, actor: Actor) -> None:
        with refusals():
            order.expired(self._order, workflow.now())

    # ---- state

    @property
    def written(self) -> int:
        """How many batches it knows to be written."""
        return self._journal.batches

    async def _all_is_heard(self) -> bool:
        await self._journal.flush()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return not self._payments

    def _is_unpaid(self) -> bool:
        return self._order.state is OrderState.PENDING_PAYMENT

    def _operators_case(self) -> str:
        claims = (claim.case_no for claim in self._order.open_claims if not claim.by_buyer)
        return next(claims, "")

    def _is_waited_for(self) -> bool:
        return bool(self._payments or self._case_ends or self._close_for)

    def _shipped(self, command: Ship) -> Order:
        return order.shipped(
            self._order,
            command.carrier,
            command.tracking_no,
            command.already_shipped,
            workflow.now(),
        )

    def _move(
        self, after: Order, event: str, actor: Actor, reason: str = "", **detail: str
    ) -> None:
        before, self._order = self._order, after
        self._journal.note(event, actor, before.state, after.state, reason, **detail)

    def _note(self, event: str, actor: Actor, reason: str = "", **detail: str) -> None:
        self._move(self._order, event, actor, reason, **detail)

    def _book_payment(self, kind: BookingKind, fact: PaymentFact, reason: str = "") -> None:
        self._journal.book(payments.booking(kind, fact, reason))

    def _book_final(self) -> None:
        number = self._order.terms.out_trade_no
        self._journal.book(
            Booking(
                BookingKind.ORDER_FINAL,
                f"final-{number}",
                workflow.now(),
                number,
                self._order.transaction_id,
            )
        )

    def _snapshot(self) -> Snapshot:
        cases, self._new_cases = tuple(self._new_cases), []
        return Snapshot(order=self._order, cases=cases)
