"""What holds for every order at every instant, whatever happened to it."""

from collections import defaultdict

from domain.after_sale import CaseState
from domain.allocation import all_units
from domain.ledger import Account
from domain.messages import RefundStatus
from domain.order import OrderState, PayState
from domain.refund import STUCK, RefundState
from tests.domain.world import World

BACK = (RefundState.SUCCEEDED, RefundState.MANUAL_SETTLED)
RELEASED = (CaseState.REJECTED, CaseState.CLOSED)


def goods_and_freight_are_conserved(world: World) -> None:
    """What came into escrow is held, owed to the buyer, or released to the merchant."""
    if world.order.pay_state is not PayState.PAID:
        return
    due = [world.fixed[case_no] for case_no in world.before_release]
    goods = sum(one.goods + one.platform_coupon for one in due)
    freight = sum(one.freight for one in due)
    held_goods = -world.balance(Account.ESCROW_GOODS)
    held_freight = -world.balance(Account.ESCROW_FREIGHT)
    credited = world.terms.total_fee - world.terms.freight + world.terms.platform_coupon
    released_goods, released_freight = world.released
    assert min(held_goods, held_freight, released_goods, released_freight) >= 0
    assert goods + held_goods + released_goods == credited
    assert freight + held_freight + released_freight == world.terms.freight
    if world.order.state is OrderState.CLOSED:
        assert released_goods == 0, "refunded in full, and yet something was left"


def no_more_than_was_paid_is_held_or_moved(world: World) -> None:
    """And no case is paid twice by WeChat Pay, under whatever numbers."""
    held: dict[str, int] = defaultdict(int)
    moved: dict[str, int] = defaultdict(int)
    of_case: dict[str, int] = defaultdict(int)
    for number, one in world.refunds.items():
        held[one.intent.transaction_id] += world.holds.get(number, 0)
        if world.wechat.get(number) is RefundStatus.SUCCEEDED:
            moved[one.intent.transaction_id] += one.intent.refund_fee
            of_case[one.intent.case_no] += one.intent.refund_fee
    for transaction_id, payment in world.payments.items():
        assert payment.held == held[transaction_id] <= payment.fen
        assert moved[transaction_id] <= payment.held
    for case_no, fen in of_case.items():
        assert fen == world.fixed[case_no].refund_fee


def the_books_balance(world: World) -> None:
    """The buyer is owed what was approved and is not back; a merchant never less than nothing."""
    assert sum(world.balances.values()) == 0
    assert -world.balance(Account.MERCHANT_PAYABLE) >= 0
    assert world.balance(Account.MERCHANT_RECEIVABLE) >= 0
    back = {one.intent.case_no for one in world.refunds.values() if one.state in BACK}
    owed = sum(due.refund_fee for no, due in world.fixed.items() if no not in back)
    assert -world.balance(Account.REFUND_PAYABLE) == owed


def a_number_never_changes_its_amount(world: World) -> None:
    """Every call under one number asks for the same fen."""
    for number, asked in world.asked.items():
        assert set(asked) == {world.refunds[number].intent.refund_fee}
        assert asked[0] > 0


def no_case_ends_before_its_refund(world: World) -> None:
    """And none that is turned down has one; goods that were sent back are never forgotten."""
    for case in world.cases.values():
        assert not (case.parcel and case.state is CaseState.CLOSED)
        if case.state in RELEASED:
            assert case.case_no not in world.fixed
        elif case.state is CaseState.COMPLETED and world.fixed[case.case_no].refund_fee:
            assert world.current_refund(case).state in BACK
        elif case.state is CaseState.REFUND_ABNORMAL:
            assert world.current_refund(case).state in STUCK | {RefundState.PROCESSING}


def it_is_settled_with_its_end(world: World) -> None:
    """Once, and with nothing left open; `World` refuses to settle beside an open case."""
    is_paid = world.order.pay_state is PayState.PAID
    assert is_paid is bool(world.order.transaction_id)
    assert world.is_settled is (is_paid and world.order.is_final)
    if world.order.is_final:
        assert not world.order.open_claims
        assert world.order.deadline is None


def no_unit_is_refunded_twice(world: World) -> None:
    """Each unit is held by one case at most, or is left."""
    cases = [case for case in world.cases.values() if case.state not in RELEASED]
    held = [unit for case in cases for unit in case.units]
    assert sorted([*held, *world.units_left()]) == list(all_units(world.terms))


ALWAYS = (
    goods_and_freight_are_conserved,
    no_more_than_was_paid_is_held_or_moved,
    the_books_balance,
    a_number_never_changes_its_amount,
    no_case_ends_before_its_refund,
    it_is_settled_with_its_end,
    no_unit_is_refunded_twice,
)
