"""The seven calls of WeChat Pay V2 that an order and its refunds need.

Every call ends in a reply that is proved ours, or in one of two errors: `Refused` (the channel
said no, signed) or `Unknown` (nobody can say what happened). An answer that says that what was
wanted is already so (closing a closed order) is a success.

Amounts are integer fen, times aware. Numbers are never made here: a repeat is the same call with
the same arguments, and WeChat does it once.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal, Self, TypeVar

from wechat import bills, xml
from wechat.bills import FundFlow, TradeBill
from wechat.config import Config
from wechat.errors import Duty, MalformedBill, MalformedXML, Refused, Unknown, failure
from wechat.fields import Fields, fen, fen_or_none, moment_or_none, text
from wechat.signing import SignType, nonce, signed, verify
from wechat.times import from_compact, from_spaced, to_bill_date, to_compact
from wechat.transport import Transport

__all__ = [
    "AcceptedRefund",
    "Config",
    "OrderState",
    "PlacedOrder",
    "RefundState",
    "WeChatPay",
]

BillType = Literal["ALL", "SUCCESS", "REFUND", "RECHARGE_REFUND"]
AccountType = Literal["Basic", "Operation", "Fees"]

T = TypeVar("T")

Observer = Callable[[str, str, float], None]
"""Told of every call when it has ended: call, err_code (or SUCCESS, or UNKNOWN), seconds."""


@dataclass(frozen=True)
class PlacedOrder:
    """An order that can be paid; `prepay_id` is valid for two hours."""

    prepay_id: str
    raw: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class OrderState:
    """How an order stands. What only a paid order has is None before; amounts in fen.

    `trade_state` is WeChat's word: SUCCESS, REFUND, NOTPAY, CLOSED, REVOKED, USERPAYING, PAYERROR
    or ACCEPT; a word on no sheet is passed through.
    """

    out_trade_no: str
    trade_state: str
    trade_state_desc: str
    transaction_id: str | None
    openid: str | None
    total_fee: int | None
    cash_fee: int | None
    time_end: datetime | None
    attach: str
    raw: Mapping[str, str] = field(repr=False)

    @property
    def paid(self) -> bool:
        """Whether money came in: REFUND too says that the order was paid."""
        return self.trade_state in ("SUCCESS", "REFUND")


@dataclass(frozen=True)
class AcceptedRefund:
    """A refund that WeChat took on. It is not done: ask by `refund_query`. Amounts in fen."""

    out_refund_no: str
    refund_id: str
    transaction_id: str
    out_trade_no: str
    refund_fee: int
    total_fee: int
    raw: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class RefundState:
    """How one refund stands; amounts in fen.

    `refund_status` is WeChat's word: PROCESSING, SUCCESS, CHANGE (the payer's account can't take
    it, a person must act) or REFUNDCLOSE (failed, the money stayed). A word on no sheet is passed
    through and is not a failure. `success_time` is in UTC.
    """

    out_refund_no: str
    refund_id: str
    transaction_id: str
    out_trade_no: str
    refund_fee: int
    total_fee: int
    refund_status: str
    success_time: datetime | None
    refund_recv_account: str
    raw: Mapping[str, str] = field(repr=False)


class WeChatPay:
    """One merchant's connection to WeChat Pay; close it, or use it as a context.

    Every method raises Refused or Unknown, and ValueError for an argument that XML can't carry.
    """

    def __init__(self, config: Config, observer: Observer = lambda *_: None) -> None:
        """Open nothing yet. Raises OSError or ssl.SSLError for certificates that don't load."""
        self._config, self._observer = config, observer
        self._transport = Transport(config)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def unified_order(
        self,
        *,
        out_trade_no: str,
        total_fee: int,
        body: str,
        openid: str,
        spbill_create_ip: str,
        notify_url: str,
        attach: str = "",
        detail: str = "",
        time_expire: datetime | None = None,
        limit_pay: str = "",
        sub_mch_id: str = "",
    ) -> PlacedOrder:
        """Place an order that a mini-program can pay (trade_type JSAPI), of at least 1 fen.

        A repeat with the same arguments answers the same order. `notify_url` is public and has no
        query string. Source: WeChat Pay, /pay/unifiedorder.
        """
        params = {
            "out_trade_no": out_trade_no,
            "total_fee": str(total_fee),
            "body": body,
            "openid": openid,
            "spbill_create_ip": spbill_create_ip,
            "notify_url": notify_url,
            "trade_type": "JSAPI",
            "attach": attach,
            "detail": detail,
            "time_expire": to_compact(time_expire) if time_expire else "",
            "limit_pay": limit_pay,
            "sub_mch_id": sub_mch_id,
        }
        return await self._ask("unifiedorder", params, _placed)

    async def order_query(
        self, *, out_trade_no: str = "", transaction_id: str = "", sub_mch_id: str = ""
    ) -> OrderState:
        """Ask how an order stands, by one of the two numbers. Source: /pay/orderquery."""
        params = _order_number(out_trade_no, transaction_id)
        return await self._ask(
            "orderquery", params | {"sub_mch_id": sub_mch_id}, _order_state, params
        )

    async def close_order(self, *, out_trade_no: str, sub_mch_id: str = "") -> None:
        """Close an unpaid order; a closed one is fine. Source: /pay/closeorder."""
        params = {"out_trade_no": out_trade_no, "sub_mch_id": sub_mch_id}
        await self._ask("closeorder", params, lambda _: None)

    async def refund(
        self,
        *,
        out_refund_no: str,
        total_fee: int,
        refund_fee: int,
        out_trade_no: str = "",
        transaction_id: str = "",
        notify_url: str = "",
        refund_desc: str = "",
        sub_mch_id: str = "",
    ) -> AcceptedRefund:
        """Ask for a refund of an order, named by one of its numbers, over mutual TLS.

        An answer says that it is accepted, not that it is done. The number belongs to the intent:
        a repeat keeps it and every other argument. Source: /secapi/pay/refund.
        """
        claim = _order_number(out_trade_no, transaction_id) | {
            "out_refund_no": out_refund_no,
            "total_fee": str(total_fee),
            "refund_fee": str(refund_fee),
        }
        options = {
            "notify_url": notify_url, "refund_desc": refund_desc, "sub_mch_id": sub_mch_id,
        }  # fmt: skip
        return await self._ask("refund", claim | options, _accepted, claim)

    async def refund_query(self, *, out_refund_no: str, sub_mch_id: str = "") -> RefundState:
        """Ask how a refund stands, by our own number. Source: /pay/refundquery."""
        params = {"out_refund_no": out_refund_no, "sub_mch_id": sub_mch_id}
        return await self._ask(
            "refundquery", params, lambda fields: _refund_state(fields, out_refund_no)
        )

    async def download_bill(self, day: date, *, bill_type: BillType = "ALL") -> TradeBill:
        """The trade bill of a day in China, ready after 10:00 the next day, for three months.

        A day without trade is an empty bill. Source: /pay/downloadbill.
        """
        params = {"bill_date": to_bill_date(day), "bill_type": bill_type, "tar_type": "GZIP"}
        return await self._download("downloadbill", params, bills.parse_trade_bill)

    async def download_fund_flow(
        self, day: date, *, account_type: AccountType = "Basic"
    ) -> FundFlow:
        """The movements of an account on a day in China, over mutual TLS.

        A day without movements is an empty flow. It accepts HMAC-SHA256 only.
        Source: /pay/downloadfundflow.
        """
        params = {"bill_date": to_bill_date(day), "account_type": account_type, "tar_type": "GZIP"}
        return await self._download(
            "downloadfundflow", params, bills.parse_fund_flow, SignType.HMAC_SHA256
        )

    async def _ask(
        self,
        call: str,
        params: Mapping[str, str],
        model: Callable[[Fields], T],
        claim: Mapping[str, str] = MappingProxyType({}),
    ) -> T:
        """Call; whatever of `claim` the reply repeats must be what we asked."""
        with self._observed(call):
            content = await self._transport.post(call, self._request(params), xml.BYTES_MAX)
            try:
                fields = self._answered(call, xml.parse(content))
                _agree(call, fields, claim)
                return model(MappingProxyType(fields))
            except MalformedXML as error:
                raise Unknown(call, f"an unreadable reply: {error.reason}") from error

    async def _download(
        self,
        call: str,
        params: Mapping[str, str],
        parse: Callable[[bytes], T],
        sign_type: SignType | None = None,
    ) -> T:
        """Download a bill; only its failure is XML, and neither is signed."""
        with self._observed(call):
            content = await self._transport.post(
                call, self._request(params, sign_type), bills.BYTES_MAX
            )
            if content.lstrip().startswith(b"<xml>"):
                _raise_unless_done(call, content)
                content = b""
            elif not content:
                raise Unknown(call, "an empty reply")
            try:
                return parse(content)
            except MalformedBill as error:
                raise Unknown(call, f"an unreadable bill: {error}") from error

    @contextmanager
    def _observed(self, call: str) -> Iterator[None]:
        since, err_code = time.monotonic(), "SUCCESS"
        try:
            yield
        except Refused as error:
            err_code = error.err_code
            raise
        except Unknown as error:
            err_code = error.err_code or "UNKNOWN"
            raise
        finally:
            self._observer(call, err_code, time.monotonic() - since)

    def _request(self, params: Mapping[str, str], sign_type: SignType | None = None) -> bytes:
        config = self._config
        algorithm = sign_type or config.sign_type
        ours = {
            "appid": config.appid,
            "mch_id": config.mch_id,
            "nonce_str": nonce(),
            "sign_type": algorithm.value,
        }
        given = {name: value for name, value in params.items() if value}
        return xml.render(signed(ours | given, config.api_key, algorithm))

    def _answered(self, call: str, fields: dict[str, str]) -> dict[str, str]:
        """The fields of a success that is authentic and ours; raises Refused or Unknown."""
        if fields.get("return_code") != "SUCCESS":
            raise Unknown(call, f"return_code {fields.get('return_code')}: {_said(fields)}")
        if not verify(fields, self._config.keys):
            raise Unknown(call, "the reply's signature is wrong")
        _agree(call, fields, {"appid": self._config.appid, "mch_id": self._config.mch_id})
        if fields.get("result_code") != "SUCCESS":
            error = failure(call, fields.get("err_code", ""), fields.get("err_code_des", ""))
            if error.duty is not Duty.DONE:
                raise error
        return fields


def _order_number(out_trade_no: str, transaction_id: str) -> dict[str, str]:
    if bool(out_trade_no) == bool(transaction_id):
        raise ValueError("give out_trade_no or transaction_id")
    if out_trade_no:
        return {"out_trade_no": out_trade_no}
    return {"transaction_id": transaction_id}


def _agree(call: str, fields: Fields, claim: Mapping[str, str]) -> None:
    for name, wanted in claim.items():
        if fields.get(name, wanted) != wanted:
            raise Unknown(call, f"the reply is for {name} {fields[name][:64]!r}")


def _raise_unless_done(call: str, content: bytes) -> None:
    try:
        fields = xml.parse(content)
    except MalformedXML as error:
        raise Unknown(call, f"an unreadable reply: {error.reason}") from error
    failed = failure(call, _said(fields).upper(), fields.get("error_code", ""))
    if failed.duty is not Duty.DONE:
        raise failed


def _said(fields: Fields) -> str:
    return fields.get("return_msg", "")


def _placed(fields: Fields) -> PlacedOrder:
    return PlacedOrder(text(fields, "prepay_id"), fields)


def _order_state(fields: Fields) -> OrderState:
    state = OrderState(
        out_trade_no=text(fields, "out_trade_no"),
        trade_state=text(fields, "trade_state"),
        trade_state_desc=fields.get("trade_state_desc", ""),
        transaction_id=fields.get("transaction_id") or None,
        openid=fields.get("openid") or None,
        total_fee=fen_or_none(fields, "total_fee"),
        cash_fee=fen_or_none(fields, "cash_fee"),
        time_end=moment_or_none(fields, "time_end", from_compact),
        attach=fields.get("attach", ""),
        raw=fields,
    )
    if state.paid:
        text(fields, "transaction_id")
        fen(fields, "total_fee")
    return state


def _accepted(fields: Fields) -> AcceptedRefund:
    return AcceptedRefund(
        out_refund_no=text(fields, "out_refund_no"),
        refund_id=text(fields, "refund_id"),
        transaction_id=text(fields, "transaction_id"),
        out_trade_no=text(fields, "out_trade_no"),
        refund_fee=fen(fields, "refund_fee"),
        total_fee=fen(fields, "total_fee"),
        raw=fields,
    )


def _refund_state(fields: Fields, out_refund_no: str) -> RefundState:
    row = _row_of(fields, out_refund_no)
    return RefundState(
        out_refund_no=out_refund_no,
        refund_id=text(fields, f"refund_id_{row}"),
        transaction_id=text(fields, "transaction_id"),
        out_trade_no=text(fields, "out_trade_no"),
        refund_fee=fen(fields, f"refund_fee_{row}"),
        total_fee=fen(fields, "total_fee"),
        refund_status=text(fields, f"refund_status_{row}"),
        success_time=moment_or_none(fields, f"refund_success_time_{row}", from_spaced),
        # WeChat's own spelling.
        refund_recv_account=fields.get(f"refund_recv_accout_{row}", ""),
        raw=fields,
    )


def _row_of(fields: Fields, out_refund_no: str) -> str:
    prefix = "out_refund_no_"
    for name, value in fields.items():
        if name.startswith(prefix) and value == out_refund_no:
            return name.removeprefix(prefix)
    raise MalformedXML(f"without the refund {out_refund_no}")
