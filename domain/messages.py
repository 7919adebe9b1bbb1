"""What crosses a border: between API, workflows and activities.

Everything here is plain data that survives being written down and read back by a newer release:
add fields with defaults, never rename or remove one.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from domain.after_sale import Case, Decision, Parcel
from domain.order import Application, Order
from domain.policy import Policies
from domain.refund import Intent, Refund, RefundState
from domain.terms import Terms
from domain.timeline import Actor, Entry, Subject


class UpdateName(StrEnum):
    """Commands: updates by the names that the Temporal UI shows."""

    PLACE = "place"
    SHIP = "ship"
    RECEIVE = "receive"
    CLOSE = "close"
    APPLY = "apply"
    REFUND_REST = "refund_rest"
    USE_COUPON = "use_coupon"
    EXPIRE = "expire"
    DECIDE = "decide"
    SEND_BACK = "send_back"
    WITHDRAW = "withdraw"
    EXTEND = "extend"
    SETTLE_OFFLINE = "settle_offline"
    REFUND_AGAIN = "refund_again"
    QUERY_WECHAT = "query_wechat"


class SignalName(StrEnum):
    """Facts: signals by name."""

    PAYMENT_NOTIFIED = "payment_notified"
    REFUND_NOTIFIED = "refund_notified"
    APPROVE = "approve"
    REJECT = "reject"
    PARCEL_HAD_LEFT = "parcel_had_left"
    CASE_BECAME_RETURN = "case_became_return"
    REFUND_TOLD = "refund_told"
    REPLACED = "replaced"
    RESTORE = "restore"


@dataclass(frozen=True)
class PaymentFact:
    """A payment as WeChat Pay told it; fen, UTC."""

    out_trade_no: str
    transaction_id: str
    total_fee: int
    succeeded: bool
    paid_at: datetime
    problem: str = ""


@dataclass(frozen=True)
class RefundHint:
    """What a refund notification claims; believed only after asking. Fen."""

    out_refund_no: str
    refund_status: str


@dataclass(frozen=True)
class OrderStart:
    """The argument of OrderWorkflow; `fingerprint` tells two requests for one number apart."""

    terms: Terms
    fingerprint: str
    applies_for_sure: bool = False
    """An application is written once Temporal has it; runs that began earlier write it before."""


@dataclass(frozen=True)
class Place:
    """Place the order, or find it placed by the same request before."""

    actor: Actor
    fingerprint: str


@dataclass(frozen=True)
class Ship:
    """The parcel leaves; `already_shipped`: it had left before the refund was asked for."""

    actor: Actor
    carrier: str
    tracking_no: str
    already_shipped: bool = False


@dataclass(frozen=True)
class Apply:
    """A buyer's application under the number that its request gave it."""

    actor: Actor
    case_no: str
    application: Application


@dataclass(frozen=True)
class RefundRest:
    """Refund all that is left, without reviews."""

    actor: Actor
    case_no: str


@dataclass(frozen=True)
class UseCoupon:
    """A gift voucher is spent on another order."""

    actor: Actor
    coupon_no: str
    spent_on: str


@dataclass(frozen=True)
class Decide:
    """A decision at one desk."""

    actor: Actor
    decision: Decision


@dataclass(frozen=True)
class SendBack:
    """The buyer's parcel is on its way back."""

    actor: Actor
    parcel: Parcel


@dataclass(frozen=True)
class Extend:
    """More time for the desk where the case lies."""

    actor: Actor
    until: datetime
    reason: str


@dataclass(frozen=True)
class SettleOffline:
    """One of two people vouches that the buyer was paid another way."""

    actor: Actor
    out_refund_no: str
    reference: str
    reason: str


@dataclass(frozen=True)
class RefundAgain:
    """A new number in place of a refund that is proved closed."""

    actor: Actor
    out_refund_no: str


@dataclass(frozen=True)
class Replaced:
    """A stuck refund is settled in another way: by people offline, or by a new number."""

    actor: str
    offline: bool
    reason: str


@dataclass(frozen=True)
class BecameReturn:
    """A case answers that the parcel had left; False: its money was on its way already."""

    case_no: str
    converted: bool


class BookingKind(StrEnum):
    """What has to be entered into the books beside a state change."""

    ORDER_PAID = "ORDER_PAID"
    UNOWED_PAYMENT = "UNOWED_PAYMENT"
    UNEXPECTED_PAYMENT = "UNEXPECTED_PAYMENT"
    ORDER_FINAL = "ORDER_FINAL"
    REFUND_SUCCEEDED = "REFUND_SUCCEEDED"
    REFUND_SETTLED_OFFLINE = "REFUND_SETTLED_OFFLINE"


@dataclass(frozen=True)
class Booking:
    """One thing for the books, found again by its cause; fen, UTC."""

    kind: BookingKind
    cause: str
    at: datetime
    out_trade_no: str
    transaction_id: str = ""
    out_refund_no: str = ""
    fen: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Note:
    """A timeline entry with what it is about."""

    subject: Subject
    subject_no: str
    entry: Entry


@dataclass(frozen=True)
class Batch:
    """What one workflow has to write, in one transaction: the `number`-th of its `stream`."""

    stream: str
    number: int
    merchant_id: str
    out_trade_no: str
    notes: tuple[Note, ...] = ()
    order: Order | None = None
    cases: tuple[Case, ...] = ()
    refund: Refund | None = None
    bookings: tuple[Booking, ...] = ()


class TradeState(StrEnum):
    """What WeChat Pay says of an order, in our words."""

    PAID = "PAID"
    NOT_PAID = "NOT_PAID"
    CLOSED = "CLOSED"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"


@dataclass(frozen=True)
class Trade:
    """The answer of orderquery."""

    state: TradeState
    payment: PaymentFact | None = None


class Submitted(StrEnum):
    """How submitting a refund ended."""

    ACCEPTED = "ACCEPTED"
    UNKNOWN = "UNKNOWN"
    REFUSED = "REFUSED"


class RefundStatus(StrEnum):
    """What refundquery says, in our words."""

    NOT_FOUND = "NOT_FOUND"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    ABNORMAL = "ABNORMAL"
    CLOSED = "CLOSED"


@dataclass(frozen=True)
class Submission:
    """The answer to a refund call."""

    outcome: Submitted
    refund_id: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Watch:
    """Ask WeChat Pay about a refund, again and again while the answer is no news."""

    intent: Intent
    no_news: tuple[RefundStatus, ...] = ()
    slowly: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer of refundquery; UTC."""

    status: RefundStatus
    refund_id: str = ""
    succeeded_at: datetime | None = None


@dataclass(frozen=True)
class Reservation:
    """A case's refund, none if nothing is due; `refused` says why it may not be submitted.

    It is SUBMITTING from the start, and so written, unless it has to wait for its turn.
    """

    intent: Intent | None = None
    refused: str = ""
    state: RefundState = RefundState.CREATED


@dataclass(frozen=True)
class RefundStart:
    """The argument of RefundWorkflow.

    `refused`: it must not be submitted. `is_claim`: not ours; a notification claims that staff
    made it at WeChat by hand.
    """

    intent: Intent
    refused: str = ""
    is_claim: bool = False
    state: RefundState = RefundState.CREATED


@dataclass(frozen=True)
class RefundTold:
    """A refund tells its case where it stands."""

    out_refund_no: str
    state: RefundState
    problem: str = ""


@dataclass(frozen=True)
class Reserve:
    """Reserve a refund for a case under a number; `instead_of` a closed one.

    `batch`: what else the case has to write down, in the same transaction.
    """

    case: Case
    out_refund_no: str
    now: datetime
    instead_of: str = ""
    batch: Batch | None = None


@dataclass(frozen=True)
class CaseStart:
    """The argument of AfterSaleWorkflow: a case at its start, and the policies it goes by.

    One that nobody has recorded yet records itself first, with the payment it is about.
    """

    case: Case
    policies: Policies
    is_recorded: bool = True
    payment: Booking | None = None
    reason: str = ""


@dataclass(frozen=True)
class CaseEnd:
    """What a case came to."""

    case_no: str
    refunded: bool
    state: str


@dataclass(frozen=True)
class DayRun:
    """One run of a day's reconciliation, by the run of its workflow."""

    day: date
    run_id: str


@dataclass(frozen=True)
class Findings:
    """What holding a day against its bill came to.

    `open`: how many differences there are. The rest are facts that were lost on their way here: to
    be told to the workflows they are for.
    """

    open: int
    payments: tuple[PaymentFact, ...] = ()
    refunds: tuple[RefundHint, ...] = ()
    strangers: tuple[Intent, ...] = ()
    """Refunds that none of our workflows made."""
