"""What WeChat Pay tells us by itself: a payment, or how a refund ended.

One reader for both addresses, because notifications arrive at the wrong one: a message with
`req_info` is about a refund, any other about a payment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from wechat import req_info, xml
from wechat.config import Config
from wechat.errors import BadSignature, MalformedXML, WrongMerchant
from wechat.fields import Fields, fen, fen_or_none, moment_or_none, text
from wechat.signing import verify
from wechat.times import from_compact, from_spaced

BYTES_MAX = 16 * 1024
"""Some twenty times what WeChat Pay sends: whoever may not be believed costs little to refuse."""


@dataclass(frozen=True)
class PaymentNotification:
    """A signed fact: the buyer paid, or failed to. Amounts in fen, `time_end` in UTC.

    Compare `total_fee` with the order before acting. After a failed payment `transaction_id` is
    "" and `total_fee` 0 where WeChat doesn't say them.
    """

    out_trade_no: str
    transaction_id: str
    total_fee: int
    success: bool
    err_code: str
    err_code_des: str
    openid: str
    bank_type: str
    cash_fee: int | None
    attach: str
    time_end: datetime | None
    raw: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class RefundNotification:
    """A hint, for nothing signs it: confirm it by refundquery. Amounts in fen, times in UTC.

    `refund_status` is SUCCESS, CHANGE or REFUNDCLOSE; `request_source` is API, or VENDOR_PLATFORM
    for a refund made by hand in WeChat's merchant console. `raw` holds the decrypted fields.
    """

    out_refund_no: str
    out_trade_no: str
    transaction_id: str
    refund_id: str
    refund_fee: int
    total_fee: int
    refund_status: str
    success_time: datetime | None
    request_source: str
    raw: Mapping[str, str] = field(repr=False)


def parse(body: bytes, config: Config) -> PaymentNotification | RefundNotification:
    """The fact in a notification's body, proved to come from WeChat Pay and to be for us.

    A payment's signature is checked over every field that came, under the current and the previous
    API key, MD5 or HMAC-SHA256 by the signature's length. A refund's `req_info` must open with one
    of these keys. Raises a RejectedNotification. Sources: WeChat Pay, payment result notification,
    refund result notification.
    """
    if len(body) > BYTES_MAX:
        raise MalformedXML(f"longer than {BYTES_MAX} bytes")
    fields = xml.parse(body)
    if "req_info" in fields:
        _check_merchant(fields, config)
        return _refund(req_info.decrypt(fields["req_info"], config.keys))
    if not verify(fields, config.keys):
        raise BadSignature("the signature is missing or wrong")
    _check_merchant(fields, config)
    return _payment(fields)


def reply(ok: bool, message: str = "OK") -> bytes:
    """The answer: SUCCESS ends the repeats, FAIL asks for another; `message` is for WeChat's log.

    Raises ValueError for a character that XML can't carry.
    """
    return xml.render({"return_code": "SUCCESS" if ok else "FAIL", "return_msg": message})


def _check_merchant(fields: Fields, config: Config) -> None:
    mch_id, appid = fields.get("mch_id", ""), fields.get("appid", config.appid)
    if (mch_id, appid) != (config.mch_id, config.appid):
        raise WrongMerchant(f"for mch_id {mch_id[:32]!r} and appid {appid[:32]!r}")


def _payment(fields: Fields) -> PaymentNotification:
    success = (fields.get("return_code"), fields.get("result_code")) == ("SUCCESS", "SUCCESS")
    return PaymentNotification(
        out_trade_no=text(fields, "out_trade_no"),
        transaction_id=text(fields, "transaction_id")
        if success
        else fields.get("transaction_id", ""),
        total_fee=fen(fields, "total_fee") if success else fen_or_none(fields, "total_fee") or 0,
        success=success,
        err_code=fields.get("err_code", ""),
        err_code_des=fields.get("err_code_des", ""),
        openid=fields.get("openid", ""),
        bank_type=fields.get("bank_type", ""),
        cash_fee=fen_or_none(fields, "cash_fee"),
        attach=fields.get("attach", ""),
        time_end=moment_or_none(fields, "time_end", from_compact),
        raw=MappingProxyType(dict(fields)),
    )


def _refund(fields: Fields) -> RefundNotification:
    return RefundNotification(
        out_refund_no=text(fields, "out_refund_no"),
        out_trade_no=text(fields, "out_trade_no"),
        transaction_id=text(fields, "transaction_id"),
        refund_id=text(fields, "refund_id"),
        refund_fee=fen(fields, "refund_fee"),
        total_fee=fen(fields, "total_fee"),
        refund_status=text(fields, "refund_status"),
        success_time=moment_or_none(fields, "success_time", from_spaced),
        request_source=fields.get("refund_request_source", ""),
        raw=MappingProxyType(dict(fields)),
    )
