"""The daily bills, computed from the simulator's own state for a day in China.

Any day up to today can be had at once, so that a demo needn't wait for tomorrow 10:00.
Source: WeChat Pay, downloadbill and downloadfundflow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from simulator.clock import spaced
from simulator.messages import Fields
from simulator.world import World
from wechat.times import CHINA

FEE_RATE = Decimal("0.006")
DAY_SECONDS = 86_400

_HEAD = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额"
_REFUND_TIMES = ",退款申请时间,退款成功时间"
_REFUND_HEAD = ",微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
_TAIL = ",商品名称,商户数据包,手续费,费率,订单金额"
_HEADERS = {
    "ALL": f"{_HEAD}{_REFUND_HEAD}{_TAIL},申请退款金额,费率备注",
    "SUCCESS": f"{_HEAD}{_TAIL},费率备注",
    "REFUND": f"{_HEAD}{_REFUND_TIMES}{_REFUND_HEAD}{_TAIL},申请退款金额,费率备注",
}
_SUMMARY = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
_FLOW = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,资金变更提交申请人,备注,业务凭证号"
_FLOW_SUMMARY = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
_ROWS = """
SELECT p.paid_at AS at, p.paid_at, p.transaction_id, p.out_trade_no, p.openid, p.total_fee,
  p.coupon_fee, o.trade_type, o.body, o.attach, NULL AS refund_id, '' AS out_refund_no,
  0 AS refund_fee, 0 AS coupon_refund_fee, '' AS state, NULL AS finished_at
FROM payments p JOIN orders o USING (out_trade_no) WHERE p.paid_at >= ?1 AND p.paid_at < ?2
UNION ALL
SELECT r.accepted_at, p.paid_at, p.transaction_id, p.out_trade_no, p.openid, p.total_fee,
  p.coupon_fee, o.trade_type, o.body, o.attach, r.refund_id, r.out_refund_no, r.refund_fee,
  r.coupon_refund_fee, r.state, r.finished_at
FROM refunds r JOIN payments p USING (transaction_id) JOIN orders o ON o.out_trade_no = p.out_trade_no
WHERE r.accepted_at >= ?1 AND r.accepted_at < ?2 ORDER BY 1
"""


class BillError(Exception):
    """Answered by an unsigned FAIL with WeChat's words."""

    @property
    def error_code(self) -> str:
        """WeChat's number for these words."""
        return {"No Bill Exist": "20002", "Bill Creating": "20003"}.get(str(self), "20001")


@dataclass(frozen=True)
class Line:
    """One payment, or one refund when `refund_id` is set; money in fen."""

    at: float
    paid_at: float
    transaction_id: str
    out_trade_no: str
    openid: str
    total_fee: int
    coupon_fee: int
    trade_type: str
    body: str
    attach: str
    refund_id: str | None
    out_refund_no: str
    refund_fee: int
    coupon_refund_fee: int
    state: str
    finished_at: float | None

    @property
    def charge(self) -> Decimal:
        """WeChat's handling fee in yuan; negative where it is given back."""
        fen = self.total_fee if self.refund_id is None else -self.refund_fee
        fee = (Decimal(fen) * FEE_RATE).quantize(Decimal(1), ROUND_HALF_UP)
        return (fee / 100).quantize(Decimal("0.00001"))


def download(world: World, call: str, fields: Fields) -> str:
    """The text of the bill asked for; raises BillError."""
    if not fields.get("bill_date"):
        raise BillError("missing parameter")
    lines = _lines(world, fields["bill_date"])
    if call == "downloadfundflow":
        return _flow(fields, lines)
    kind = fields.get("bill_type") or "ALL"
    if kind not in _HEADERS:
        raise BillError("invalid bill_type")
    wanted = [line for line in lines if kind in ("ALL", "REFUND" if line.refund_id else "SUCCESS")]
    if not wanted:
        raise BillError("No Bill Exist")
    rows = [_trade(world, kind, line) for line in wanted]
    return _csv(_HEADERS[kind], rows, _SUMMARY, _totals(wanted))


def _lines(world: World, bill_date: str) -> list[Line]:
    try:
        day = datetime.strptime(bill_date, "%Y%m%d").replace(tzinfo=CHINA)
    except ValueError:
        raise BillError("data format error") from None
    start = day.timestamp()
    return [Line(**dict(row)) for row in world.store.rows(_ROWS, start, start + DAY_SECONDS)]


def _trade(world: World, kind: str, line: Line) -> list[str]:
    settings, refund = world.settings, line.refund_id is not None
    cells = [
        spaced(line.at), settings.appid, settings.mch_id, "0", "", line.transaction_id,
        line.out_trade_no, line.openid, line.trade_type, "REFUND" if refund else "SUCCESS",
        "OTHERS", "CNY", _yuan(0 if refund else line.total_fee),
        _yuan(0 if refund else line.coupon_fee),
    ]  # fmt: skip
    if kind == "REFUND":
        cells += [spaced(line.at), spaced(line.finished_at) if line.finished_at else ""]
    if kind != "SUCCESS":
        cells += [
            line.refund_id or "0", line.out_refund_no or "0", _yuan(line.refund_fee),
            _yuan(line.coupon_refund_fee), "ORIGINAL" if refund else "",
            {"REFUNDCLOSE": "FAIL"}.get(line.state, line.state),
        ]  # fmt: skip
    charge = Decimal(0) if line.state == "REFUNDCLOSE" else line.charge
    cells += [line.body, line.attach, f"{charge:.5f}", "0.60%"]
    cells.append(_yuan(0 if refund else line.total_fee))
    if kind != "SUCCESS":
        cells.append(_yuan(line.refund_fee))
    return [*cells, ""]


def _totals(lines: Sequence[Line]) -> list[str]:
    paid = sum(line.total_fee for line in lines if line.refund_id is None)
    refunded = sum(line.refund_fee for line in lines)
    coupons = sum(line.coupon_refund_fee for line in lines)
    charge = sum((line.charge for line in lines if line.state != "REFUNDCLOSE"), Decimal(0))
    return [
        str(len(lines)), _yuan(paid), _yuan(refunded), _yuan(coupons), f"{charge:.5f}",
        _yuan(paid), _yuan(refunded),
    ]  # fmt: skip


def _flow(fields: Fields, lines: Iterable[Line]) -> str:
    if fields.get("account_type") not in ("Basic", "Operation", "Fees"):
        raise BillError("missing parameter")
    if fields.get("sign_type") != "HMAC-SHA256":
        raise BillError("SIGN ERROR")
    moves = [] if fields["account_type"] != "Basic" else list(lines)
    moves = [line for line in moves if line.state != "REFUNDCLOSE"]
    if not moves:
        raise BillError("No Bill Exist")
    balance, rows = 0, []
    for line in moves:
        balance += -line.refund_fee if line.refund_id else line.total_fee
        rows.append(_movement(line, balance))
    refunds = [line for line in moves if line.refund_id]
    income = sum(line.total_fee for line in moves if line.refund_id is None)
    spent = sum(line.refund_fee for line in refunds)
    counts = str(len(moves)), str(len(moves) - len(refunds)), str(len(refunds))
    totals = [counts[0], counts[1], _yuan(income), counts[2], _yuan(spent)]
    return _csv(_FLOW, rows, _FLOW_SUMMARY, totals)


def _movement(line: Line, balance: int) -> list[str]:
    name, way = ("退款", "支出") if line.refund_id else ("交易", "收入")
    fen = line.refund_fee if line.refund_id else line.total_fee
    number = line.refund_id or line.transaction_id
    voucher = line.out_refund_no or line.out_trade_no
    return [
        spaced(line.at), number, number[::-1], name, name, way, _yuan(fen), _yuan(balance),
        "system", "", voucher,
    ]  # fmt: skip


def _csv(header: str, rows: Iterable[Sequence[str]], summary: str, totals: Sequence[str]) -> str:
    body = [",".join(f"`{_plain(cell)}" for cell in row) for row in (*rows, totals)]
    return "\r\n".join(["\ufeff" + header, *body[:-1], summary, body[-1], ""])


def _plain(cell: str) -> str:
    return cell.replace(",", " ").replace("\r", " ").replace("\n", " ").replace("`", "'")


def _yuan(fen: int) -> str:
    return f"{Decimal(fen) / 100:.2f}"
