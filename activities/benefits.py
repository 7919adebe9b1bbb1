"""Gift vouchers (兑换券): spending one on another order."""

from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from db import coupons
from db.engine import Database
from domain.messages import UseCoupon
from domain.refusals import Refused


class Benefits:
    """Activities on gift vouchers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(no_thread_cancel_exception=True)
    def use_coupon(self, command: UseCoupon, now: datetime) -> None:
        """Spend a voucher on an order, once."""
        try:
            with self._database.write() as session:
                coupons.use(session, command.coupon_no, command.spent_on, now)
        except Refused as refused:
            raise ApplicationError(
                refused.detail, refused.field, type=refused.code, non_retryable=True
            ) from None
