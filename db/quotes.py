"""What an application that was refused could still come to."""

from datetime import datetime

from sqlmodel import Session

from db import closed_orders
from db.documents import dump
from db.reservations import estimate
from db.views import View
from domain import after_sale
from domain.order import Application, Order, units_left_of
from domain.refusals import Refused


def due(
    session: Session, out_trade_no: str, application: Application, now: datetime
) -> View | None:
    """The amounts of what is left of the units asked for, in fen; None where nothing is."""
    try:
        rest = closed_orders.rest(session, out_trade_no)
    except Refused:
        return None
    paid = Order(rest.terms, now, deadline=None, transaction_id=rest.transaction_id)
    units = units_left_of(paid, rest.units_left, application.quantities)
    if not units:
        return None
    case = after_sale.of_application(paid, application, units, "", now)
    amounts: View = dump(estimate(session, case))
    return amounts
