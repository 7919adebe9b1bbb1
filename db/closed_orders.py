"""What is left of an order to be refunded, also after its workflow has ended."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from db.documents import load
from db.tables import CaseRow, OrderRow
from domain.after_sale import FINAL, CaseState, Origin
from domain.allocation import Units, all_units
from domain.order import PayState
from domain.refusals import Code, Refused
from domain.terms import Terms

_RELEASED = (CaseState.REJECTED, CaseState.CLOSED)


@dataclass(frozen=True)
class Rest:
    """What is left of an order, and the cases by which operators refunded it before."""

    terms: Terms
    transaction_id: str
    units_left: Units
    operator_cases: tuple[str, ...]
    running: str
    """The one of them that has not ended."""


def rest(session: Session, out_trade_no: str) -> Rest:
    """Raises Refused for an order that is unknown, or was never paid."""
    row = session.get(OrderRow, out_trade_no)
    if row is None:
        raise Refused(Code.ORDER_NOT_FOUND, f"no order {out_trade_no}", "no")
    if row.pay_state != PayState.PAID:
        raise Refused(Code.ORDER_STATE, f"the order is {row.state}: it was not paid")
    terms = load(Terms, row.terms)
    of_order = select(CaseRow).where(
        col(CaseRow.out_trade_no) == out_trade_no,
        col(CaseRow.transaction_id) == row.transaction_id,
    )
    cases = list(session.exec(of_order.order_by(col(CaseRow.opened_at))))
    taken = {(a, b) for case in cases if case.state not in _RELEASED for a, b in case.units}
    by_operators = [case for case in cases if case.origin == Origin.OPERATOR]
    return Rest(
        terms=terms,
        transaction_id=row.transaction_id,
        units_left=tuple(unit for unit in all_units(terms) if unit not in taken),
        operator_cases=tuple(case.case_no for case in by_operators),
        running=next((case.case_no for case in by_operators if case.state not in FINAL), ""),
    )
