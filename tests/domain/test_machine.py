"""Random lives of random orders: whatever happens in whatever order, no fen is lost or doubled."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain import after_sale, order
from domain.after_sale import DESKS, CaseState, Decision, Parcel, Stage
from domain.allocation import CouponState, Party
from domain.deadline import Deadline
from domain.ledger import Account
from domain.messages import RefundStatus
from domain.order import Application, CaseType, OrderState, PayState, ReasonCode
from domain.policy import FeePolicy, Policies
from domain.refund import STUCK, UNSETTLED, RefundState
from domain.refusals import Refused
from domain.terms import Terms
from tests.domain.builders import NOW, SECOND
from tests.domain.invariants import ALWAYS
from tests.domain.strategies import orders
from tests.domain.world import World, is_late

LENGTHS = st.sampled_from([timedelta(hours=hours) for hours in (24, 48, 72, 1, 0)])
WINDOWS = st.sampled_from([timedelta(days=days) for days in (15, 7, 1, 0)])
POLICIES = st.builds(
    Policies,
    unpaid_close=LENGTHS,
    merchant_review=LENGTHS,
    return_needs_approval=st.booleans(),
    buyer_return=LENGTHS,
    merchant_receipt=LENGTHS,
    platform_process=LENGTHS,
    auto_receive=WINDOWS,
    after_sale_window_no_reason=WINDOWS,
    after_sale_window_quality=WINDOWS,
    auto_process_limit=st.sampled_from([0, 5_000, 10**9]),
    fee_policy=st.sampled_from(FeePolicy),
    fee_rate=st.sampled_from([Decimal(0), Decimal("0.006")]),
    commission_rate=st.sampled_from([Decimal(0), Decimal("0.02")]),
)
PICK = st.integers(0, 5)
RARELY = st.integers(0, 9).map(lambda throw: throw == 9)
MOSTLY = st.integers(0, 4).map(lambda throw: throw < 4)
AT_DESK = tuple(DESKS.values())


class Lives(RuleBasedStateMachine):
    """One order; people, WeChat Pay and the clock take turns at random."""

    world: World

    @initialize(
        terms=orders(lines_max=3),
        policies=POLICIES,
        goes_well=st.sampled_from(["unpaid", "paid", "shipped", "received"]),
    )
    def place(self, terms: Terms, policies: Policies, goes_well: str) -> None:
        self.world = World(replace(terms, policies=policies), NOW)
        if goes_well != "unpaid":
            self.world.pay()
        if goes_well in ("shipped", "received"):
            self.shop_ships(had_left=False)
        if goes_well == "received":
            self.buyer_receives()

    @property
    def policies(self) -> Policies:
        return self.world.terms.policies

    # ---- time

    @rule(
        to_deadline=st.sampled_from([None, None, None, -SECOND, timedelta(0), SECOND]),
        length=st.timedeltas(timedelta(0), timedelta(hours=12)),
        a_year=RARELY,
        worker_is_up=MOSTLY,
    )
    def time_passes(
        self, to_deadline: timedelta | None, length: timedelta, a_year: bool, worker_is_up: bool
    ) -> None:
        due = min((deadline.at for deadline in self._running()), default=None)
        to = self.world.now + length
        if to_deadline is not None and due is not None:
            to = due + to_deadline
        elif a_year and self.world.refunds:
            to = self.world.now + timedelta(days=365)
        self.world.now = max(self.world.now, to)
        if worker_is_up:
            self._clock()

    def _clock(self) -> None:
        self.world.clock()
        over = [deadline for deadline in self._running() if deadline.is_over(self.world.now)]
        if over:
            # What the clock started may have no time at all under such policies.
            self._clock()

    def _running(self) -> list[Deadline]:
        found = [case.deadline for case in self.world.open_cases] + [self.world.order.deadline]
        return [deadline for deadline in found if deadline and not deadline.passed]

    # ---- the order

    @rule(succeeds=MOSTLY, again=RARELY)
    @precondition(lambda self: len(self.world.payments) < 2)
    def buyer_pays(self, succeeds: bool, again: bool) -> None:
        is_due = self.world.order.state is OrderState.PENDING_PAYMENT
        if is_due and not succeeds:
            self.world.order = order.payment_failed(self.world.order)
        elif is_due or again:
            self.world.pay()

    @rule(really=RARELY)
    @precondition(lambda self: self.world.order.state is OrderState.PENDING_PAYMENT)
    def shop_closes(self, really: bool) -> None:
        order.check_closable(self.world.order)
        if really:
            self.world.order = order.closed_unpaid(self.world.order, self.world.now)

    @rule(had_left=st.booleans())
    @precondition(lambda self: self.world.order.state is OrderState.AWAITING_SHIPMENT)
    def shop_ships(self, had_left: bool) -> None:
        world = self.world
        claims = world.order.open_claims
        try:
            world.order = order.shipped(world.order, "SF", "SF1", had_left, world.now)
        except Refused:
            assert claims
            return
        for claim in claims:
            case = world.cases[claim.case_no]
            try:
                world.move(after_sale.became_return(case, self.policies, world.now))
                world.order = order.became_return(world.order, claim.case_no)
            except Refused:
                assert case.state in (CaseState.REFUNDING, CaseState.REFUND_ABNORMAL)

    @rule()
    @precondition(lambda self: self.world.order.state is OrderState.SHIPPED)
    def buyer_receives(self) -> None:
        try:
            self.world.order = order.received(self.world.order, self.world.now)
        except Refused:
            assert self.world.order.open_claims

    @rule(pick=PICK)
    @precondition(lambda self: CouponState.ISSUED in self.world.vouchers.values())
    def buyer_spends_a_voucher(self, pick: int) -> None:
        unspent = [no for no, to in self.world.vouchers.items() if to is CouponState.ISSUED]
        self.world.use_voucher(unspent[pick % len(unspent)])

    # ---- cases

    @rule(
        type=st.sampled_from([None, None, None, *CaseType]),
        reason=st.sampled_from(ReasonCode),
        quantities=st.none()
        | st.dictionaries(
            st.sampled_from(["sku-0", "sku-1", "sku-2"]), st.just(1) | st.integers(1, 4), min_size=1
        ),
    )
    @precondition(lambda self: self.world.order.pay_state is PayState.PAID)
    def buyer_applies(
        self, type: CaseType | None, reason: ReasonCode, quantities: dict[str, int] | None
    ) -> None:
        world = self.world
        is_unshipped = world.order.state is OrderState.AWAITING_SHIPMENT
        right = CaseType.REFUND_ONLY if is_unshipped else CaseType.RETURN_REFUND
        wanted = Application(type or right, reason, "不想要了", quantities)
        try:
            units = order.check_application(world.order, wanted, world.now)
        except Refused:
            return
        number = f"case-{len(world.cases) + 1}"
        world.open_case(after_sale.of_application(world.order, wanted, units, number, world.now))

    @rule(really=RARELY)
    @precondition(lambda self: self.world.order.pay_state is PayState.PAID)
    def operator_refunds_the_rest(self, really: bool) -> None:
        world, number = self.world, f"case-{len(self.world.cases) + 1}"
        left = world.units_left()
        if really and left:
            terms, paid_by = world.terms, world.order.transaction_id
            world.open_case(after_sale.of_operator(terms, paid_by, left, number, world.now))

    @rule(
        pick=PICK,
        stage=st.sampled_from([None, None, None, *Stage]),
        approve=MOSTLY,
        reason=st.sampled_from(["看过了", "看过了", ""]),
        party=st.none() | st.sampled_from(Party),
    )
    @precondition(lambda self: self.world.cases_in(*AT_DESK))
    def somebody_decides(
        self, pick: int, stage: Stage | None, approve: bool, reason: str, party: Party | None
    ) -> None:
        cases = self.world.cases_in(*AT_DESK)
        case = cases[pick % len(cases)]
        own = next(desk for desk, state in DESKS.items() if state is case.state)
        decision = Decision(stage or own, approve, reason, responsibility=party)
        try:
            self.world.act(after_sale.decided(case, decision, self.policies, self.world.now))
        except Refused:
            assert (
                stage not in (None, own) or not (approve or reason) or is_late(case, self.world.now)
            )

    @rule(pick=PICK)
    @precondition(lambda self: self.world.cases_in(CaseState.AWAITING_RETURN))
    def buyer_sends_back(self, pick: int) -> None:
        cases = self.world.cases_in(CaseState.AWAITING_RETURN)
        case, parcel = cases[pick % len(cases)], Parcel("SF", "SF2")
        try:
            self.world.act(after_sale.sent_back(case, parcel, self.policies, self.world.now))
        except Refused:
            assert is_late(case, self.world.now)

    @rule(pick=PICK, really=RARELY)
    @precondition(lambda self: self.world.open_cases)
    def buyer_withdraws(self, pick: int, really: bool) -> None:
        case = self.world.open_cases[pick % len(self.world.open_cases)]
        try:
            withdrawn = after_sale.withdrawn(case, self.policies, self.world.now)
            if really:
                self.world.act(withdrawn)
        except Refused:
            assert case.parcel or case.deadline is None or is_late(case, self.world.now)

    @rule(pick=PICK, longer=LENGTHS)
    @precondition(lambda self: self.world.open_cases)
    def operator_extends(self, pick: int, longer: timedelta) -> None:
        case = self.world.open_cases[pick % len(self.world.open_cases)]
        until = self.world.now + longer
        try:
            self.world.act(after_sale.extended(case, until, "春节", self.world.now))
        except Refused:
            deadline = case.deadline
            assert (
                not deadline
                or until <= max(deadline.at, self.world.now)
                or is_late(case, self.world.now)
            )

    # ---- refunds

    @rule(pick=PICK, arrives=MOSTLY, answered=MOSTLY)
    @precondition(lambda self: self._refunds(*UNSETTLED))
    def refund_is_submitted(self, pick: int, arrives: bool, answered: bool) -> None:
        refunds = self._refunds(*UNSETTLED)
        self.world.submit(self.world.refunds[refunds[pick % len(refunds)]], arrives, answered)

    @rule(
        pick=PICK,
        to=st.sampled_from(
            [
                None,
                RefundStatus.SUCCEEDED,
                RefundStatus.ABNORMAL,
                RefundStatus.CLOSED,
                RefundStatus.PROCESSING,
            ]
        ),
        is_asked=MOSTLY,
    )
    @precondition(lambda self: self.world.wechat)
    def wechat_goes_on(self, pick: int, to: RefundStatus | None, is_asked: bool) -> None:
        number = list(self.world.wechat)[pick % len(self.world.wechat)]
        if to and number in self._moving():
            self.world.wechat[number] = to
        if is_asked:
            self.world.ask(self.world.refunds[number])

    @rule(pick=PICK, offline=st.booleans())
    @precondition(lambda self: self._stuck())
    def people_deal_with_a_stuck_refund(self, pick: int, offline: bool) -> None:
        case = self._stuck()[pick % len(self._stuck())]
        is_closed = self.world.current_refund(case).state is RefundState.CLOSED
        if offline or not is_closed:
            self.world.settle_offline(case)
        else:
            self.world.refund_again(case)

    def _refunds(self, *states: RefundState) -> list[str]:
        return [no for no, one in self.world.refunds.items() if one.state in states]

    def _stuck(self) -> list[after_sale.Case]:
        cases = self.world.cases_in(CaseState.REFUND_ABNORMAL)
        return [case for case in cases if self.world.current_refund(case).state in STUCK]

    def _moving(self) -> list[str]:
        still = (RefundStatus.PROCESSING, RefundStatus.ABNORMAL)
        return [no for no, status in self.world.wechat.items() if status in still]

    # ---- what always holds

    @invariant()
    def no_fen_is_lost_or_doubled(self) -> None:
        for holds in ALWAYS:
            holds(self.world)

    # ---- and how it ends

    def teardown(self) -> None:
        """Whoever stays silent, everything comes to an end once people do what only they can."""
        if not hasattr(self, "world"):
            return
        world = self.world
        for _ in range(30):
            world.now += timedelta(days=4)
            self._clock()
            self._people_do_their_work()
            if world.order.state is OrderState.AWAITING_SHIPMENT:
                self.shop_ships(had_left=True)
            self.no_fen_is_lost_or_doubled()
        assert world.order.is_final
        assert not world.open_cases
        assert world.balance(Account.REFUND_PAYABLE) == 0
        assert world.balance(Account.ESCROW_GOODS) == world.balance(Account.ESCROW_FREIGHT) == 0

    def _people_do_their_work(self) -> None:
        world = self.world
        for case in world.cases_in(CaseState.PENDING_PLATFORM):
            approval = Decision(Stage.PLATFORM, approve=True)
            world.act(after_sale.decided(case, approval, self.policies, world.now))
        for number in self._refunds(*UNSETTLED):
            world.submit(world.refunds[number], arrives=True, answered=True)
        for number in self._moving():
            world.wechat[number] = RefundStatus.SUCCEEDED
        for number in list(world.refunds):
            world.ask(world.refunds[number])
        for case in self._stuck():
            world.settle_offline(case)


PLAY = settings(deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=50)


class TestLives(Lives.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(PLAY, max_examples=100)


@pytest.mark.slow
@pytest.mark.timeout(1200)
class TestManyLives(Lives.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(PLAY, max_examples=2000)
