"""A shop in memory: one order with its cases, refunds and books, and the WeChat Pay that it asks.

It puts the domain's rules together as the workflows and tables do, so that a test can play at
random with them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain import after_sale, ledger, order, payments, refund
from domain.after_sale import Case, CaseEvent, CaseState, Origin
from domain.allocation import Amounts, CouponState, Standing, Units, all_units, amounts
from domain.ledger import Account, Posting
from domain.messages import PaymentFact, RefundStatus
from domain.money import at_rate
from domain.order import Claim, OrderState, PayState
from domain.refund import Intent, Refund, RefundEvent, RefundState
from domain.terms import Terms

MEANS = {
    RefundStatus.PROCESSING: RefundEvent.ACCEPTED,
    RefundStatus.SUCCEEDED: RefundEvent.SUCCEEDED,
    RefundStatus.ABNORMAL: RefundEvent.ABNORMAL,
    RefundStatus.CLOSED: RefundEvent.CLOSED,
}


def is_late(case: Case, now: datetime) -> bool:
    """Whether only the clock may act on the case."""
    deadline = case.deadline
    return deadline is not None and not deadline.passed and now >= deadline.at


@dataclass
class Payment:
    """Money that came in, in fen; `held` is what refunds reserved or took."""

    fen: int
    fee: int
    paid_at: datetime
    held: int = 0
    refunds: int = 0


@dataclass
class World:
    """Everything about one order; only its methods change it."""

    terms: Terms
    now: datetime
    cases: dict[str, Case] = field(default_factory=dict)
    fixed: dict[str, Amounts] = field(default_factory=dict)
    before_release: set[str] = field(default_factory=set)
    refunds: dict[str, Refund] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    vouchers: dict[str, CouponState] = field(default_factory=dict)
    balances: Counter[tuple[str, Account]] = field(default_factory=Counter)
    posted: set[tuple[str, str]] = field(default_factory=set)
    wechat: dict[str, RefundStatus] = field(default_factory=dict)
    asked: dict[str, list[int]] = field(default_factory=dict)
    is_settled: bool = False
    released: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.order = order.placed(self.terms, self.now)

    # ---- what is there

    @property
    def open_cases(self) -> list[Case]:
        return [case for case in self.cases.values() if not case.is_final]

    def cases_in(self, *states: CaseState) -> list[Case]:
        return [case for case in self.cases.values() if case.state in states]

    def current_refund(self, case: Case) -> Refund:
        return self.refunds[self.numbers[case.case_no][-1]]

    def balance(self, account: Account) -> int:
        """Of this order: debits less credits, in fen."""
        return self.balances[self.terms.out_trade_no, account]

    # ---- money comes in

    def pay(self) -> None:
        transaction_id = f"transaction-{len(self.payments) + 1}"
        fen, rate = self.terms.total_fee, self.terms.policies.fee_rate
        payment = Payment(fen, at_rate(fen, rate), self.now)
        fact = PaymentFact(self.terms.out_trade_no, transaction_id, fen, True, self.now)
        self.payments[transaction_id] = payment
        if self.order.state is OrderState.PENDING_PAYMENT:
            self.order = order.paid(self.order, transaction_id, self.now)
            self._post(f"pay-{transaction_id}", ledger.payment(self.terms, payment.fee))
            self.vouchers = {gift.coupon_no: CouponState.ISSUED for gift in self.terms.gifts}
            return
        is_late = self.order.pay_state is not PayState.PAID
        origin = Origin.LATE_PAYMENT if is_late else Origin.SECOND_PAYMENT
        self._post(f"pay-{transaction_id}", ledger.unowed_payment(fen, payment.fee))
        case = payments.sent_back(fact, origin, self.terms, self.now).case
        self.cases[case.case_no] = case
        self._reserve(case)

    # ---- cases

    def open_case(self, case: Case) -> None:
        """A case that holds units; after the order has ended there is nothing to hold."""
        if not self.order.is_final:
            by_buyer = case.origin is Origin.BUYER
            claim = Claim(case.case_no, case.type, case.units, by_buyer)
            self.order = order.claimed(self.order, claim, self.now)
        self.cases[case.case_no] = case
        if case.state is CaseState.REFUNDING:
            self._reserve(case)

    def units_left(self) -> Units:
        """Units that no case holds or has refunded, before the order's end and after."""
        released = (CaseState.REJECTED, CaseState.CLOSED)
        held = {u for c in self.cases.values() if c.state not in released for u in c.units}
        return tuple(unit for unit in all_units(self.terms) if unit not in held)

    def act(self, after: Case) -> None:
        """A person moved a case; a deadline that is over refuses everybody."""
        before = self.cases[after.case_no]
        after_sale.check_in_time(before, self.now)
        assert not is_late(before, self.now), "both a person and the clock would act"
        self.move(after)

    def move(self, after: Case) -> None:
        """A case goes on, and so does what waits for it."""
        before, self.cases[after.case_no] = self.cases[after.case_no], after
        if after.state is CaseState.REFUNDING and before.state is CaseState.PENDING_PLATFORM:
            self._reserve(after)
        elif after.is_final:
            self._end_claim(after)

    def estimate(self, case: Case) -> Amounts:
        if case.origin.is_unowed:
            return Amounts(refund_fee=self.payments[case.transaction_id].fen)
        gone = [
            (self.cases[no], due)
            for no, due in self.fixed.items()
            if not self.cases[no].origin.is_unowed and no != case.case_no
        ]
        standing = Standing(
            taken=tuple(unit for other, _ in gone for unit in other.units),
            freight_left=self.terms.freight - sum(due.freight for _, due in gone),
            vouchers=self.vouchers,
        )
        return amounts(self.terms, case.units, standing, case.responsibility, case.freight_rule)

    def _end_claim(self, case: Case) -> None:
        if all(claim.case_no != case.case_no for claim in self.order.open_claims):
            return
        refunded = case.state is CaseState.COMPLETED
        self.order = order.claim_ended(self.order, case.case_no, refunded, self.now)
        deadline = self.order.deadline
        if self.order.is_final:
            self._settle()
        elif deadline and deadline.passed and not self.order.open_claims:
            self._complete()

    # ---- refunds

    def _reserve(self, case: Case, instead_of: str = "") -> None:
        due = self.fixed.get(case.case_no) or self._fix(case)
        if due.refund_fee == 0:
            self._told(case, CaseEvent.NOTHING_TO_REFUND)
            return
        numbers = self.numbers.setdefault(case.case_no, [])
        number = refund.refund_number(case.case_no, len(numbers) + 1)
        numbers.append(number)
        intent = self._intent(case, number, due.refund_fee)
        payment, passed_on = self.payments[case.transaction_id], self.holds.get(instead_of, 0)
        is_too_old = self.now >= payment.paid_at + refund.REFUNDABLE_FOR
        if is_too_old or due.refund_fee > payment.fen - payment.held + passed_on:
            self.refunds[number] = refund.refused(Refund(intent), "too old, or beyond the cap")
            self._told(case, CaseEvent.REFUND_STUCK)
            return
        if passed_on:
            self.holds[instead_of] = 0
        self.refunds[number], self.holds[number] = Refund(intent), due.refund_fee
        payment.held += due.refund_fee - passed_on
        payment.refunds += 1

    def _intent(self, case: Case, number: str, fen: int) -> Intent:
        return Intent(
            out_refund_no=number,
            out_trade_no=case.out_trade_no,
            transaction_id=case.transaction_id,
            case_no=case.case_no,
            merchant_id=case.merchant_id,
            refund_fee=fen,
            total_fee=self.terms.total_fee,
            reason=case.reason,
            not_before=self.now,
        )

    def _fix(self, case: Case) -> Amounts:
        due = self.estimate(case)
        self.fixed[case.case_no] = due
        for effect in due.vouchers:
            self.vouchers[effect.coupon_no] = effect.to
        if case.origin.is_unowed:
            self._post(case.case_no, ledger.unowed_refund(due.refund_fee))
            return due
        payable = None
        if self.is_settled:
            payable = -self.balance(Account.MERCHANT_PAYABLE)
        else:
            self.before_release.add(case.case_no)
        self._post(case.case_no, ledger.refund_approved(due, payable))
        return due

    def submit(self, one: Refund, arrives: bool, answered: bool) -> None:
        """One call to WeChat Pay: it may get lost on the way there or on the way back."""
        number = one.intent.out_refund_no
        self.asked.setdefault(number, []).append(one.intent.refund_fee)
        one = refund.moved(one, RefundEvent.SUBMITTED)
        if arrives:
            self.wechat.setdefault(number, RefundStatus.PROCESSING)
        if arrives and answered:
            one = refund.moved(
                refund.identified(one, f"wx-{number}", self.now), RefundEvent.ACCEPTED
            )
        elif answered and number not in self.wechat:
            one = refund.moved(one, RefundEvent.REFUSED, "refused for good")
        else:
            one = refund.moved(one, RefundEvent.OUTCOME_UNKNOWN)
        self._keep(one)

    def ask(self, one: Refund) -> None:
        """What refundquery says is the truth."""
        status = self.wechat.get(one.intent.out_refund_no)
        event = MEANS[status] if status else None
        if event in refund.TRANSITIONS[one.state]:
            assert event is not None
            one = refund.identified(one, f"wx-{one.intent.out_refund_no}", self.now)
            self._keep(refund.moved(one, event))

    def settle_offline(self, case: Case) -> None:
        one = refund.replaced(self.current_refund(case))
        self._post(one.intent.out_refund_no, ledger.settled_offline(one.intent.refund_fee))
        self._keep(refund.moved(one, RefundEvent.SETTLED_OFFLINE))

    def refund_again(self, case: Case) -> None:
        """A new number, where WeChat Pay proves that the old one moved nothing."""
        old = self.current_refund(case)
        assert old.state is RefundState.CLOSED
        assert self.wechat.get(old.intent.out_refund_no) in (None, RefundStatus.CLOSED)
        self.refunds[old.intent.out_refund_no] = refund.replaced(old)
        self.cases[case.case_no] = after_sale.moved(
            case, CaseEvent.REFUND_RETRIED, self.terms.policies, self.now
        )
        self._reserve(self.cases[case.case_no], old.intent.out_refund_no)

    def _keep(self, one: Refund) -> None:
        number = one.intent.out_refund_no
        self.refunds[number] = one
        if one.state is RefundState.SUCCEEDED:
            rate = self.terms.policies.fee_rate
            before = sum(
                other.intent.refund_fee
                for other in self.refunds.values()
                if other.state is RefundState.SUCCEEDED
                and other.intent.transaction_id == one.intent.transaction_id
                and other is not one
            )
            fen = one.intent.refund_fee
            back = ledger.fee_returned(rate, before, fen)
            self._post(number, ledger.refund_paid(fen, back, expected=not one.replaced))
        case = self.cases[one.intent.case_no]
        if number != self.numbers[case.case_no][-1] or case.is_final:
            return
        if one.state is RefundState.SUCCEEDED:
            self._told(case, CaseEvent.REFUND_SUCCEEDED)
        elif one.state is RefundState.MANUAL_SETTLED:
            self._told(case, CaseEvent.SETTLED_OFFLINE)
        elif one.state in refund.STUCK and case.state is CaseState.REFUNDING:
            self._told(case, CaseEvent.REFUND_STUCK)

    def _told(self, case: Case, event: CaseEvent) -> None:
        self.move(after_sale.moved(case, event, self.terms.policies, self.now))

    # ---- time

    def clock(self) -> None:
        """Everything that is due happens now."""
        for case in self.open_cases:
            self._clock_of(case)
        deadline = self.order.deadline
        if deadline is None or deadline.passed or not deadline.is_over(self.now):
            return
        if self.order.state is OrderState.PENDING_PAYMENT:
            self.order = order.closed_unpaid(self.order, self.now)
        elif self.order.state is OrderState.SHIPPED:
            self.order = order.auto_received(self.order, self.now)
        elif self.order.open_claims:
            self.order = order.clock_passed(self.order)
        else:
            self._complete()

    def _clock_of(self, case: Case) -> None:
        deadline, policies = case.deadline, self.terms.policies
        if deadline is None or deadline.passed:
            return
        if deadline.alarms(self.now):
            self.cases[case.case_no] = case = after_sale.alarmed(case)
        if deadline.is_over(self.now):
            fee = self.estimate(case).refund_fee
            event = after_sale.clock_event(case, policies, fee)
            self.move(after_sale.clock_passed(case, event, policies, self.now))

    # ---- the end

    def _complete(self) -> None:
        self.order = order.window_ended(self.order, self.now)
        self._settle()

    def _settle(self) -> None:
        assert not self.is_settled
        assert all(case.origin.is_unowed for case in self.open_cases), "settled beside an open case"
        self.is_settled, policies = True, self.terms.policies
        goods, freight = -self.balance(Account.ESCROW_GOODS), -self.balance(Account.ESCROW_FREIGHT)
        self.released = (goods, freight)
        self._post("final", ledger.release(goods, freight, policies.commission_rate))
        paid = self.payments[self.order.transaction_id]
        refunded = sum(
            one.intent.refund_fee
            for one in self.refunds.values()
            if one.state is RefundState.SUCCEEDED
            and one.intent.transaction_id == self.order.transaction_id
        )
        returned = at_rate(refunded, policies.fee_rate)
        payable = -self.balance(Account.MERCHANT_PAYABLE)
        self._post("final", ledger.handling_fee(paid.fee, returned, policies.fee_policy, payable))

    def use_voucher(self, coupon_no: str) -> None:
        """Spent on another order."""
        self.vouchers[coupon_no] = CouponState.USED
        face_value = next(g.face_value for g in self.terms.gifts if g.coupon_no == coupon_no)
        self._post(f"coupon-{coupon_no}", ledger.gift_used(face_value), "another-order")

    def _post(self, cause: str, made: Sequence[Posting], out_trade_no: str = "") -> None:
        for posting in made:
            assert (cause, posting.kind) not in self.posted, "posted twice"
            self.posted.add((cause, posting.kind))
            for account, fen in posting.entries:
                self.balances[out_trade_no or self.terms.out_trade_no, account] += fen
