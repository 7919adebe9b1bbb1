"""Bills: yuan to fen, China to UTC, and nothing taken for a bill that is not a whole one."""

import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wechat import bills
from wechat.bills import FlowRow, TradeRow, parse_fund_flow, parse_trade_bill, yuan_to_fen
from wechat.errors import MalformedBill

TRADE = (
    "\ufeff交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,"
    "货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,"
    "商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"
    "`2026-11-09 01:30:05,`wx1,`10000100,`0,`,`4200,`T1,`o-1,`JSAPI,`SUCCESS,`OTHERS,`CNY,`2.90,"
    "`0.10,`0,`0,`0.00,`0.00,`,`,`茶杯, 两只,`a,`0.01800,`0.60%,`3.00,`0.00,`\r\n"
    "`2026-11-09 02:00:00,`wx1,`10000100,`0,`,`4200,`T1,`o-1,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,"
    "`0.00,`50300,`R1,`0.97,`0.03,`ORIGINAL,`PROCESSING,`茶杯,`a,`-0.00600,`0.60%,`0.00,`1.00,`\r\n"
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
    "`2,`2.90,`0.97,`0.03,`0.01200,`3.00,`1.00\r\n"
)
FLOW = (
    "\ufeff记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,"
    "资金变更提交申请人,备注,业务凭证号\r\n"
    "`2026-11-09 01:30:05,`4200,`F1,`交易,`交易,`收入,`3.00,`1003.00,`system,`,`T1\r\n"
    "`2026-11-09 02:00:00,`50300,`F2,`退款,`退款,`支出,`1.00,`1002.00,`1@1,`退款1.00元,`R1\r\n"
    "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n"
    "`2,`1,`3.00,`1,`1.00\r\n"
)
PAID_AT = datetime(2026, 11, 8, 17, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize("packed", [False, True])
def test_a_trade_bill(packed: bool) -> None:
    content = TRADE.encode()
    bill = parse_trade_bill(gzip.compress(content) if packed else content)
    paid, refunded = bill.rows
    assert paid == TradeRow(
        at=PAID_AT, appid="wx1", mch_id="10000100", sub_mch_id="", transaction_id="4200",
        out_trade_no="T1", openid="o-1", trade_state="SUCCESS", total_fee=300,
        settlement_total_fee=290, coupon_fee=10, refund_id="", out_refund_no="", refund_fee=0,
        settlement_refund_fee=0, coupon_refund_fee=0, refund_status="", handling_fee=2, attach="a",
    )  # fmt: skip
    assert (refunded.out_refund_no, refunded.refund_id) == ("R1", "50300")
    assert (refunded.refund_fee, refunded.settlement_refund_fee) == (100, 97)
    assert (refunded.coupon_refund_fee, refunded.handling_fee) == (3, -1)
    assert (refunded.trade_state, refunded.refund_status) == ("REFUND", "PROCESSING")
    assert bill.summary["订单总金额"] == "3.00"
    assert bill.raw == TRADE.removeprefix("\ufeff")


def test_columns_that_a_bill_type_lacks_are_nothing() -> None:
    text = (
        "交易时间,微信订单号,商户订单号,交易状态,订单金额\n"
        "`2026-11-09 01:30:05,`42,`T1,`SUCCESS,`1\n总交易单数\n`1\n"
    )
    (row,) = parse_trade_bill(text.encode()).rows
    assert (row.total_fee, row.refund_fee, row.out_refund_no, row.attach) == (100, 0, "", "")


@pytest.mark.parametrize("brackets", ["（）", "()"])
def test_a_fund_flow(brackets: str) -> None:
    text = FLOW.translate(str.maketrans("（）", brackets))
    flow = parse_fund_flow(text.encode())
    paid, refunded = flow.rows
    assert paid == FlowRow(PAID_AT, "4200", "F1", "交易", "交易", 300, 100300, "system", "", "T1")
    assert (refunded.amount, refunded.balance, refunded.voucher_no) == (-100, 100200, "R1")
    assert (flow.summary["支出笔数"], flow.raw) == ("1", text.removeprefix("\ufeff"))


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\r\n"])
def test_nothing_is_an_empty_bill(content: bytes) -> None:
    assert parse_trade_bill(content).rows == ()
    assert parse_fund_flow(content).rows == ()


LINES = TRADE.split("\r\n")


def without(*places: int) -> str:
    return "\r\n".join(line for place, line in enumerate(LINES) if place not in places)


REFUSED = {
    "only headings": LINES[0],
    "headings and a row": "\r\n".join(LINES[:2]),
    "cut off in a row": TRADE[: len(TRADE) // 2],
    "without the summary": without(3, 4),
    "a row missing": without(2),
    "a cell missing": TRADE.replace("`T1,", "", 1),
    "without backticks": TRADE.replace("`", ""),
    "a strange summary": TRADE.replace("总交易单数", "总数"),
    "without a needed column": TRADE.replace("微信订单号", "订单"),
    "an odd time": TRADE.replace("2026-11-09 01:30:05", "2026-11-09"),
    "an odd amount": TRADE.replace("`3.00,", "`three,"),
    "an infinite amount": TRADE.replace("`3.00,", "`Infinity,"),
    "an amount that is not a number": TRADE.replace("`3.00,", "`NaN,"),
    "an enormous amount": TRADE.replace("`3.00,", "`1E+999999,"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_whole_bill_is_refused(text: str) -> None:
    with pytest.raises(MalformedBill):
        parse_trade_bill(text.encode())


@pytest.mark.parametrize(
    "content",
    [TRADE.encode("gbk", "ignore"), b"\x1f\x8bjunk", gzip.compress(TRADE.encode())[:-20]],
    ids=["GBK", "not gzip", "gzip cut off"],
)
def test_bytes_that_are_no_text_are_refused(content: bytes) -> None:
    with pytest.raises(MalformedBill):
        parse_trade_bill(content)


def test_a_packed_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills, "BYTES_MAX", 1_000)
    with pytest.raises(MalformedBill, match="longer"):
        parse_trade_bill(gzip.compress(b" " * 100_000))


@pytest.mark.parametrize(
    ("yuan", "fen"), [("0", 0), ("0.0", 0), ("0.01", 1), ("-0.01", -1), ("9999999.99", 999999999),
                      ("0.00500", 1), ("0.00499", 0), ("12", 1200)]
)  # fmt: skip
def test_yuan_to_fen(yuan: str, fen: int) -> None:
    assert yuan_to_fen(yuan) == fen


@given(st.integers(-(10**12), 10**12))
def test_every_amount_in_fen_survives(fen: int) -> None:
    sign, size = "-" if fen < 0 else "", abs(fen)
    assert yuan_to_fen(f"{sign}{size // 100}.{size % 100:02d}") == fen


bill_like = st.text(alphabet="`,\r\n1总交易单数", max_size=200).map(str.encode)


@given(st.binary(max_size=200) | bill_like)
def test_any_bytes_give_a_bill_or_the_one_error(content: bytes) -> None:
    try:
        bill = parse_trade_bill(content)
    except MalformedBill:
        return
    assert bill.rows == ()
