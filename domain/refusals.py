"""Every "no" that a caller can get, each with a stable code."""

from enum import StrEnum


class Code(StrEnum):
    """Why something was refused; `docs/shop-developer.md` explains each."""

    # What was sent
    INVALID_FIELD = "invalid_field"
    REASON_REQUIRED = "reason_required"
    RESPONSIBILITY_REQUIRED = "responsibility_required"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    # Orders
    ORDER_NOT_FOUND = "order_not_found"
    OUT_TRADE_NO_USED = "out_trade_no_used"
    ORDER_STATE = "order_state"
    ORDER_PAID = "order_paid"
    CHANNEL_REFUSED = "channel_refused"
    UNSHIPPED_REFUND_OPEN = "unshipped_refund_open"
    CASE_OPEN = "case_open"
    NO_DEADLINE = "no_deadline"
    # After-sale cases
    CASE_NOT_FOUND = "case_not_found"
    CASE_STATE = "case_state"
    TYPE_NOT_ALLOWED = "type_not_allowed"
    WINDOW_CLOSED = "window_closed"
    NOTHING_LEFT = "nothing_left"
    QUANTITY_NOT_LEFT = "quantity_not_left"
    TOO_MANY_APPLICATIONS = "too_many_applications"
    DEADLINE_PASSED = "deadline_passed"
    # Refunds
    REFUND_NOT_FOUND = "refund_not_found"
    REFUND_STATE = "refund_state"
    SECOND_PERSON_REQUIRED = "second_person_required"
    # Gift vouchers and merchants
    COUPON_NOT_FOUND = "coupon_not_found"
    COUPON_STATE = "coupon_state"
    MERCHANT_NOT_FOUND = "merchant_not_found"
    # Reconciliations
    RECONCILIATION_NOT_FOUND = "reconciliation_not_found"
    BILL_NOT_READY = "bill_not_ready"


class Refused(Exception):
    """A command that the rules do not allow; nothing changed."""

    def __init__(self, code: Code, detail: str, field: str = "", **extra: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.extra = extra
        """What else the caller is told, as plain data."""
