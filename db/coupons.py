"""Gift vouchers as they are spent; taking them back happens where refunds are reserved."""

from datetime import datetime

from sqlmodel import Session, col, select

from db import books
from db.books import Tags
from db.tables import Coupon
from domain import ledger
from domain.allocation import CouponState
from domain.refusals import Code, Refused


def use(session: Session, coupon_no: str, spent_on: str, now: datetime) -> None:
    """Spend a voucher on an order; again on the same order changes nothing. Raises Refused."""
    query = select(Coupon).where(col(Coupon.coupon_no) == coupon_no).with_for_update()
    coupon = session.exec(query).one_or_none()
    if coupon is None:
        raise Refused(Code.COUPON_NOT_FOUND, f"no voucher {coupon_no}", "coupon_no")
    if coupon.state == CouponState.USED and coupon.used_on == spent_on:
        return
    if coupon.state != CouponState.ISSUED:
        raise Refused(Code.COUPON_STATE, f"the voucher is {coupon.state}: it can't be used")
    coupon.state, coupon.used_on, coupon.updated_at = CouponState.USED, spent_on, now
    tags = Tags(f"coupon-{coupon_no}", now, coupon.merchant_id, spent_on)
    books.post(session, tags, ledger.gift_used(coupon.face_value))
