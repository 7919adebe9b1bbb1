"""What can go wrong, and what the caller must do about it.

WeChatError
├── Refused                    the channel said no, signed; `duty` says what to do
├── Unknown                    nobody can say what happened; ask before anything else
├── MalformedBill              also a ValueError: not a whole bill
└── RejectedNotification       a message that came in and is not to be believed
    ├── MalformedXML           also a ValueError
    ├── BadSignature
    ├── WrongMerchant
    └── UndecipherableReqInfo  also a ValueError
"""

from collections.abc import Mapping
from enum import StrEnum


class Duty(StrEnum):
    """What a caller owes after an answer that was not a plain success."""

    DONE = "DONE"
    """What was wanted is already so."""
    RETRY_SAME = "RETRY_SAME"
    """Nothing happened, or a repeat is harmless: the same number and parameters again, after a
    wait of minutes; a question is asked again."""
    QUERY_FIRST = "QUERY_FIRST"
    """Something may have happened: ask by our own number, then decide."""
    WAIT_FOR_FUNDS = "WAIT_FOR_FUNDS"
    """Nothing was accepted: the same number and parameters, once the paying account has money."""
    FIX_CONFIG = "FIX_CONFIG"
    """Our configuration or permission is wrong: a person mends it, the number stays open."""
    STOP = "STOP"
    """This very request is refused for good: a person decides. For a refund, query the number
    once before the refusal counts as proved: an earlier copy may have been accepted."""


class WeChatError(Exception):
    """Base of every error of this package."""


class Refused(WeChatError):
    """A signed `result_code=FAIL`: the channel answered and did not do it.

    `call` is the last part of the path (`refund`), `duty` comes from `DUTIES`.
    """

    def __init__(self, call: str, err_code: str, err_code_des: str, duty: Duty) -> None:
        super().__init__(f"{call}: {err_code} {err_code_des} ({duty})")
        self.call = call
        self.err_code = err_code
        self.err_code_des = err_code_des
        self.duty = duty


class Unknown(WeChatError):
    """The outcome of a call is not known: no answer, or none that proves anything.

    `err_code` is set when the channel itself said that it does not know (SYSTEMERROR), or said
    something that no sheet explains.
    """

    def __init__(
        self,
        call: str,
        reason: str,
        err_code: str | None = None,
        duty: Duty = Duty.QUERY_FIRST,
    ) -> None:
        super().__init__(f"{call}: outcome unknown: {reason}")
        self.call = call
        self.reason = reason
        self.err_code = err_code
        self.duty = duty


class MalformedBill(WeChatError, ValueError):
    """Not the text of a bill, or not all of it."""


class RejectedNotification(WeChatError):
    """A message that must not be acted on; `reason` may be logged and answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MalformedXML(RejectedNotification, ValueError):
    """Not the flat XML of WeChat Pay, or without a field that it must have."""


class BadSignature(RejectedNotification):
    """The signature is missing or not made with our key."""


class WrongMerchant(RejectedNotification):
    """Authentic, but for another appid or mch_id."""


class UndecipherableReqInfo(RejectedNotification, ValueError):
    """`req_info` does not open with our API key."""


_OUR_FAULT: dict[str, Duty] = dict.fromkeys(
    (
        "APPID_MCHID_NOT_MATCH",
        "APPID_NOT_EXIST",
        "CERT_ERROR",
        "LACK_PARAMS",
        "MCHID_NOT_EXIST",
        "NOAUTH",
        "NOT_UTF8",
        "PARAM_ERROR",
        "POST_DATA_EMPTY",
        "REQUIRE_POST_METHOD",
        "SIGNERROR",
        "XML_FORMAT_ERROR",
    ),
    Duty.FIX_CONFIG,
)

_BILL_WORDS: dict[str, Duty] = {
    "NO BILL EXIST": Duty.DONE,
    "BILL CREATING": Duty.RETRY_SAME,
    "COMPRESSGZIP ERROR": Duty.RETRY_SAME,
    "SYSTEMERROR": Duty.RETRY_SAME,
    "INVALID BILL_TYPE": Duty.FIX_CONFIG,
    "DATA FORMAT ERROR": Duty.FIX_CONFIG,
    "MISSING PARAMETER": Duty.FIX_CONFIG,
    "SIGN ERROR": Duty.FIX_CONFIG,
}

_BY_CALL: dict[str, dict[str, Duty]] = {
    "unifiedorder": {
        **_OUR_FAULT,
        "INVALID_REQUEST": Duty.STOP,
        "NOTENOUGH": Duty.WAIT_FOR_FUNDS,
        "ORDERCLOSED": Duty.STOP,
        "ORDERPAID": Duty.QUERY_FIRST,
        "OUT_TRADE_NO_USED": Duty.QUERY_FIRST,
        "SYSTEMERROR": Duty.RETRY_SAME,
    },
    "orderquery": {
        **_OUR_FAULT,
        "ORDERNOTEXIST": Duty.RETRY_SAME,
        "SYSTEMERROR": Duty.RETRY_SAME,
    },
    "closeorder": {
        **_OUR_FAULT,
        "ORDERCLOSED": Duty.DONE,
        "ORDERNOTEXIST": Duty.QUERY_FIRST,
        "ORDERPAID": Duty.QUERY_FIRST,
        "SYSTEMERROR": Duty.RETRY_SAME,
        "TRADE_STATE_ERROR": Duty.QUERY_FIRST,
    },
    "refund": {
        **_OUR_FAULT,
        "BIZERR_NEED_RETRY": Duty.RETRY_SAME,
        "ERROR": Duty.STOP,
        "FREQUENCY_LIMITED": Duty.QUERY_FIRST,
        "INVALID_REQUEST": Duty.STOP,
        "INVALID_REQ_TOO_MUCH": Duty.RETRY_SAME,
        "INVALID_TRANSACTIONID": Duty.STOP,
        "NOTENOUGH": Duty.WAIT_FOR_FUNDS,
        "ORDERNOTEXIST": Duty.STOP,
        "ORDER_NOT_READY": Duty.RETRY_SAME,
        "REFUND_FEE_MISMATCH": Duty.STOP,
        "SYSTEMERROR": Duty.QUERY_FIRST,
        "TRADE_OVERDUE": Duty.STOP,
        "USER_ACCOUNT_ABNORMAL": Duty.STOP,
    },
    "refundquery": {
        **_OUR_FAULT,
        "INVALID_TRANSACTIONID": Duty.STOP,
        "REFUNDNOTEXIST": Duty.RETRY_SAME,
        "SYSTEMERROR": Duty.RETRY_SAME,
    },
    "downloadbill": _BILL_WORDS,
    "downloadfundflow": _BILL_WORDS,
}

DUTIES: Mapping[tuple[str, str], Duty] = {
    (call, code): duty for call, codes in _BY_CALL.items() for code, duty in codes.items()
}
"""(call, err_code) → duty; the same table as in docs/wechat-pay.md."""

# For FREQUENCY_LIMITED, V2 says "not accepted" and V3 "may be in process": hold under both.
_INDEFINITE = frozenset({"SYSTEMERROR", "FREQUENCY_LIMITED"})


def duty_of(call: str, err_code: str) -> Duty:
    """What the caller must do; a code on no sheet means: query first."""
    return DUTIES.get((call, err_code), Duty.QUERY_FIRST)


def failure(call: str, err_code: str, err_code_des: str) -> Refused | Unknown:
    """The error for an authentic FAIL: `Refused` only where the sheet proves a refusal."""
    duty = duty_of(call, err_code)
    if (call, err_code) in DUTIES and err_code not in _INDEFINITE:
        return Refused(call, err_code, err_code_des, duty)
    return Unknown(call, f"{err_code} {err_code_des}", err_code, duty)
