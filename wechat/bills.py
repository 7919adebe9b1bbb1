"""The daily bills as typed rows: yuan become fen, times in China become UTC.

Columns are found by their headings, since WeChat adds some and each bill_type has its own set. A
bill whose summary doesn't count the rows that came was cut off on the way and is refused.
Sources: WeChat Pay, downloadbill and downloadfundflow.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from wechat.errors import MalformedBill
from wechat.times import from_spaced

BYTES_MAX: Final = 64 * 1024 * 1024
"""The bound of a bill, packed and unpacked: some 200,000 rows."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_SUMMARY_LINES = 2
_YUAN_MAX = Decimal(10) ** 12
_CENT = Decimal("0.01")
_COUNTS = ("总交易单数", "资金流水总笔数")

Cells = Mapping[str, str]


@dataclass(frozen=True)
class TradeRow:
    """One payment, or one refund when `out_refund_no` is set. Amounts in fen, `at` in UTC.

    `trade_state` is SUCCESS, REFUND or REVOKED. `refund_fee` is what we asked for, of which
    `coupon_refund_fee` in coupons. `handling_fee` is WeChat's charge, negative where it is given
    back, rounded to fen.
    """

    at: datetime
    appid: str
    mch_id: str
    sub_mch_id: str
    transaction_id: str
    out_trade_no: str
    openid: str
    trade_state: str
    total_fee: int
    settlement_total_fee: int
    coupon_fee: int
    refund_id: str
    out_refund_no: str
    refund_fee: int
    settlement_refund_fee: int
    coupon_refund_fee: int
    refund_status: str
    handling_fee: int
    attach: str


@dataclass(frozen=True)
class TradeBill:
    """A day's trade. `summary` is WeChat's own last line by heading, as text; `raw` the bill."""

    rows: tuple[TradeRow, ...]
    summary: Mapping[str, str]
    raw: str = field(repr=False)


@dataclass(frozen=True)
class FlowRow:
    """One movement of the merchant's account. Amounts in fen, `at` in UTC.

    `amount` is negative for money that left. `voucher_no` is our out_trade_no or out_refund_no.
    """

    at: datetime
    transaction_id: str
    flow_id: str
    name: str
    kind: str
    amount: int
    balance: int
    applicant: str
    remark: str
    voucher_no: str


@dataclass(frozen=True)
class FundFlow:
    """A day's movements. `summary` is WeChat's own last line by heading, as text."""

    rows: tuple[FlowRow, ...]
    summary: Mapping[str, str]
    raw: str = field(repr=False)


def parse_trade_bill(content: bytes) -> TradeBill:
    """The rows of downloadbill's answer, packed or not; nothing at all is an empty bill.

    Raises MalformedBill.
    """
    raw = _text(content)
    rows, summary = _table(raw)
    return TradeBill(tuple(map(_trade, rows)), summary, raw)


def parse_fund_flow(content: bytes) -> FundFlow:
    """The rows of downloadfundflow's answer, packed or not; nothing at all is an empty flow.

    Raises MalformedBill.
    """
    raw = _text(content)
    rows, summary = _table(raw)
    return FundFlow(tuple(map(_movement, rows)), summary, raw)


def yuan_to_fen(text: str) -> int:
    """`"0.01"` as 1; fractions of a fen, as handling fees have them, are rounded half up.

    Raises MalformedBill.
    """
    try:
        yuan = Decimal(text)
        if abs(yuan) < _YUAN_MAX:
            return int(yuan.quantize(_CENT, ROUND_HALF_UP) * 100)
    except InvalidOperation:
        pass
    raise MalformedBill(f"not an amount in yuan: {text[:32]!r}")


def _text(content: bytes) -> str:
    try:
        plain = _unpacked(content) if content.startswith(_GZIP_MAGIC) else content
        return plain.decode("utf-8-sig")
    except (zlib.error, UnicodeDecodeError) as error:
        raise MalformedBill(f"not the text of a bill: {error}") from error


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    plain = unpacker.decompress(content, BYTES_MAX)
    if not unpacker.eof:
        raise MalformedBill(f"a packed bill that is cut off or longer than {BYTES_MAX} bytes")
    return plain


def _table(raw: str) -> tuple[list[Cells], Cells]:
    lines = [line for line in raw.splitlines() if line.strip()]
    if not lines:
        return [], {}
    if len(lines) <= _SUMMARY_LINES:
        raise MalformedBill("without a summary")
    rows = [_cells(lines[0], line) for line in lines[1:-_SUMMARY_LINES]]
    summary = _cells(*lines[-_SUMMARY_LINES:])
    counted = next((summary[name] for name in _COUNTS if name in summary), None)
    if counted != str(len(rows)):
        raise MalformedBill(f"{len(rows)} rows where the summary counts {counted}")
    return rows, summary


def _cells(heading: str, line: str) -> Cells:
    # WeChat's pages and its bills don't agree on the width of the brackets.
    names = heading.replace("（", "(").replace("）", ")").split(",")
    values = _split(line)
    if len(names) != len(values):
        raise MalformedBill(f"{len(values)} cells under {len(names)} headings")
    return dict(zip(names, values, strict=True))


def _split(line: str) -> Sequence[str]:
    # Each cell starts with a backtick, so a comma inside a cell splits nothing.
    if not line.startswith("`"):
        raise MalformedBill(f"a row without backticks: {line[:32]!r}")
    return [cell.strip() for cell in line[1:].split(",`")]


def _trade(cells: Cells) -> TradeRow:
    return TradeRow(
        at=_moment(cells, "交易时间"),
        appid=cells.get("公众账号ID", ""),
        mch_id=cells.get("商户号", ""),
        sub_mch_id=_number(cells, "特约商户号"),
        transaction_id=_named(cells, "微信订单号"),
        out_trade_no=_named(cells, "商户订单号"),
        openid=cells.get("用户标识", ""),
        trade_state=_named(cells, "交易状态"),
        total_fee=_fen(cells, "订单金额"),
        settlement_total_fee=_fen(cells, "应结订单金额"),
        coupon_fee=_fen(cells, "代金券金额"),
        refund_id=_number(cells, "微信退款单号"),
        out_refund_no=_number(cells, "商户退款单号"),
        refund_fee=_fen(cells, "申请退款金额"),
        settlement_refund_fee=_fen(cells, "退款金额"),
        coupon_refund_fee=_fen(cells, "充值券退款金额"),
        refund_status=cells.get("退款状态", ""),
        handling_fee=_fen(cells, "手续费"),
        attach=cells.get("商户数据包", ""),
    )


def _movement(cells: Cells) -> FlowRow:
    amount = _fen(cells, "收支金额(元)")
    return FlowRow(
        at=_moment(cells, "记账时间"),
        transaction_id=_named(cells, "微信支付业务单号"),
        flow_id=_named(cells, "资金流水单号"),
        name=cells.get("业务名称", ""),
        kind=cells.get("业务类型", ""),
        amount=-amount if cells.get("收支类型") == "支出" else amount,
        balance=_fen(cells, "账户结余(元)"),
        applicant=cells.get("资金变更提交申请人", ""),
        remark=cells.get("备注", ""),
        voucher_no=cells.get("业务凭证号", ""),
    )


def _named(cells: Cells, name: str) -> str:
    value = cells.get(name)
    if value is None:
        raise MalformedBill(f"without the column {name}")
    return value


def _moment(cells: Cells, name: str) -> datetime:
    try:
        return from_spaced(_named(cells, name))
    except ValueError as error:
        raise MalformedBill(str(error)) from error


def _number(cells: Cells, name: str) -> str:
    # WeChat writes 0 where there is no number.
    value = cells.get(name, "")
    return "" if value == "0" else value


def _fen(cells: Cells, name: str) -> int:
    return yuan_to_fen(cells.get(name) or "0")
