"""Refunds: accepted first, finished later by the clock; money leaves at most once per number."""

import sqlite3
from dataclasses import dataclass

from simulator import notices, orders
from simulator.clock import compact, spaced
from simulator.messages import Fields, Refusal, Reply, fen, require
from simulator.orders import Payment
from simulator.world import World

GAP_SECONDS = 60
REFUNDS_MAX = 50
AGE_SECONDS_MAX = 365 * 86_400
PAGE_ROWS = 10
FINAL_STATES = ("SUCCESS", "CHANGE", "REFUNDCLOSE")


@dataclass(frozen=True)
class Refund:
    """`state` is a refund_status; `ending` the one the clock will bring; money in fen."""

    out_refund_no: str
    refund_id: str
    transaction_id: str
    out_trade_no: str
    total_fee: int
    refund_fee: int
    coupon_refund_fee: int
    state: str
    ending: str
    source: str
    notify_url: str
    accepted_at: float
    accepted_tick: float
    finish_tick: float
    finished_at: float | None
    money_moves: int


@dataclass(frozen=True)
class Course:
    """How an accepted refund will go: its ending and, if not the default, its seconds."""

    ending: str = "SUCCESS"
    seconds: float | None = None


def find(world: World, out_refund_no: str) -> Refund | None:
    """The refund, if it was ever accepted."""
    row = world.store.row("SELECT * FROM refunds WHERE out_refund_no = ?", out_refund_no)
    return None if row is None else _refund(row)


def refund(world: World, fields: Fields, course: Course = Course()) -> Reply:
    """Accept a refund, or answer the same refund for the same number."""
    require(fields, "out_refund_no", "total_fee", "refund_fee")
    total_fee, refund_fee = fen(fields, "total_fee"), fen(fields, "refund_fee")
    paid = _refundable(world, fields)
    known = find(world, fields["out_refund_no"])
    if known is None:
        known = _accept(world, fields, paid, total_fee, refund_fee, course)
    elif (known.refund_fee, known.total_fee) != (refund_fee, total_fee) or (
        known.transaction_id != paid.transaction_id
    ):
        raise Refusal("REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致，请核实后再试")
    return _accepted(known, paid)


def console_refund(
    world: World, out_trade_no: str, refund_fee: int, out_refund_no: str | None
) -> Refund:
    """A refund that staff click in the merchant's console; raises Refusal as the API would."""
    number = out_refund_no or f"console{world.store.serial('console'):08d}"
    order = orders.find(world, out_trade_no)
    fields = {
        "out_trade_no": out_trade_no,
        "out_refund_no": number,
        "total_fee": str(order.total_fee if order else 1),
        "refund_fee": str(refund_fee),
        "notify_url": world.settings.refund_notify_url,
        "source": "VENDOR_PLATFORM",
    }
    with world.store.transaction():
        refund(world, fields)
    made = find(world, number)
    assert made is not None
    return made


def refundquery(world: World, fields: Fields) -> Reply:
    """One refund by its number, or ten of an order from `offset`."""
    found = _queried(world, fields)
    if not found:
        raise Refusal("REFUNDNOTEXIST", "退款单不存在")
    offset = fen(fields, "offset") if fields.get("offset", "0") != "0" else 0
    if offset >= len(found):
        raise Refusal("PARAM_ERROR", "offset 超出范围")
    page = found[offset : offset + PAGE_ROWS]
    paid = orders.payment(world, found[0].transaction_id)
    assert paid is not None
    told: Reply = {
        "transaction_id": paid.transaction_id,
        "out_trade_no": paid.out_trade_no,
        "total_fee": paid.total_fee,
        "cash_fee": paid.total_fee - paid.coupon_fee,
        "total_refund_count": len(found),
        "refund_count": len(page),
    }
    for place, one in enumerate(page):
        told |= _row(place, one)
    return told


def finish(world: World, out_refund_no: str, state: str) -> Refund:
    """Bring a refund to SUCCESS, CHANGE or REFUNDCLOSE now, and notify.

    SUCCESS and REFUNDCLOSE are absorbing. Raises LookupError, or ValueError for a wrong step.
    """
    one = find(world, out_refund_no)
    if one is None:
        raise LookupError(out_refund_no)
    if one.state not in ("PROCESSING", "CHANGE") or state == one.state:
        raise ValueError(f"a refund in {one.state} does not become {state}")
    with world.store.transaction():
        _set_final(world, one, state)
        if one.notify_url:
            notices.refund_finished(world, one.notify_url, _told(world, out_refund_no))
    world.bell.set()
    done = find(world, out_refund_no)
    assert done is not None
    return done


def finish_due(world: World) -> None:
    """Finish every refund whose time has come."""
    rows = world.store.rows(
        "SELECT * FROM refunds WHERE state = 'PROCESSING' AND finish_tick <= ? LIMIT 200",
        world.clock.tick(),
    )
    for one in map(_refund, rows):
        finish(world, one.out_refund_no, one.ending)


def next_finish(world: World) -> float | None:
    """The tick at which the next refund finishes."""
    row = world.store.row("SELECT MIN(finish_tick) AS t FROM refunds WHERE state = 'PROCESSING'")
    return None if row is None else row["t"]


def _refund(row: sqlite3.Row) -> Refund:
    return Refund(**dict(row))


def _refundable(world: World, fields: Fields) -> Payment:
    if fields.get("transaction_id"):
        paid = orders.payment(world, fields["transaction_id"])
        if paid is None:
            raise Refusal("INVALID_TRANSACTIONID", "无效transaction_id")
        return paid
    require(fields, "out_trade_no")
    paid_ones = orders.payments_of(world, fields["out_trade_no"])
    if not paid_ones:
        raise Refusal("ORDERNOTEXIST", "订单不存在或未支付")
    return paid_ones[0]


def _accept(
    world: World, fields: Fields, paid: Payment, total_fee: int, refund_fee: int, course: Course
) -> Refund:
    if total_fee != paid.total_fee:
        raise Refusal("INVALID_REQUEST", "订单金额与原订单不一致")
    if world.clock.now() - paid.paid_at > AGE_SECONDS_MAX:
        raise Refusal("TRADE_OVERDUE", "订单已经超过退款期限")
    coupon = _within_limits(world, paid, refund_fee)
    if world.store.balance() < refund_fee:
        raise Refusal("NOTENOUGH", "基本账户余额不足，请充值后重新发起")
    seconds = world.settings.refund_seconds if course.seconds is None else course.seconds
    tick = world.clock.tick()
    made = Refund(
        fields["out_refund_no"], _refund_id(world), paid.transaction_id, paid.out_trade_no,
        total_fee, refund_fee, coupon, "PROCESSING", course.ending, fields.get("source", "API"),
        fields.get("notify_url", "").partition("?")[0], world.clock.now(), tick, tick + seconds,
        None, 0,
    )  # fmt: skip
    world.store.insert("refunds", dict(vars(made)))
    world.store.move_balance(-refund_fee)
    world.bell.set()
    return made


def _within_limits(world: World, paid: Payment, refund_fee: int) -> int:
    """The coupon part of this refund, once cap, count and gap allow it."""
    row = world.store.row(
        "SELECT COALESCE(SUM(refund_fee), 0) AS fee, COUNT(*) AS n,"
        " COALESCE(SUM(coupon_refund_fee), 0) AS coupon FROM refunds"
        " WHERE transaction_id = ? AND state != 'REFUNDCLOSE'",
        paid.transaction_id,
    )
    assert row is not None
    if row["fee"] + refund_fee > paid.total_fee:
        raise Refusal("ERROR", "累计退款金额大于支付金额")
    if row["n"] >= REFUNDS_MAX:
        raise Refusal("INVALID_REQUEST", "部分退款次数超过限制")
    _keep_gap(world, paid)
    if row["fee"] + refund_fee == paid.total_fee:
        return int(paid.coupon_fee - row["coupon"])
    return refund_fee * paid.coupon_fee // paid.total_fee


def _keep_gap(world: World, paid: Payment) -> None:
    row = world.store.row(
        "SELECT MAX(accepted_tick) AS t FROM refunds WHERE transaction_id = ?", paid.transaction_id
    )
    last = row["t"] if row else None
    if last is not None and world.clock.tick() - last < GAP_SECONDS:
        raise Refusal("FREQUENCY_LIMITED", "同一订单两次退款需间隔1分钟以上")


def _refund_id(world: World) -> str:
    day = compact(world.clock.now())[:8]
    return f"5030{day}{world.store.serial('refund'):017d}"


def _accepted(one: Refund, paid: Payment) -> Reply:
    told: Reply = {
        "transaction_id": one.transaction_id,
        "out_trade_no": one.out_trade_no,
        "out_refund_no": one.out_refund_no,
        "refund_id": one.refund_id,
        "refund_fee": one.refund_fee,
        "total_fee": one.total_fee,
        "fee_type": "CNY",
        "cash_fee": paid.total_fee - paid.coupon_fee,
        "cash_refund_fee": one.refund_fee - one.coupon_refund_fee,
        "coupon_refund_fee": one.coupon_refund_fee,
        "coupon_refund_count": 1 if one.coupon_refund_fee else 0,
    }
    if one.coupon_refund_fee:
        told |= {
            "coupon_type_0": "CASH",
            "coupon_refund_id_0": paid.transaction_id[-12:],
            "coupon_refund_fee_0": one.coupon_refund_fee,
        }
    return told


def _queried(world: World, fields: Fields) -> list[Refund]:
    for name in ("refund_id", "out_refund_no", "transaction_id", "out_trade_no"):
        if fields.get(name):
            sql = f"SELECT * FROM refunds WHERE {name} = ? ORDER BY rowid"
            return [_refund(row) for row in world.store.rows(sql, fields[name])]
    raise Refusal("PARAM_ERROR", "缺少参数: out_refund_no")


def _row(place: int, one: Refund) -> Reply:
    told: Reply = {
        f"out_refund_no_{place}": one.out_refund_no,
        f"refund_id_{place}": one.refund_id,
        f"refund_channel_{place}": "ORIGINAL",
        f"refund_fee_{place}": one.refund_fee,
        f"coupon_refund_fee_{place}": one.coupon_refund_fee,
        f"coupon_refund_count_{place}": 1 if one.coupon_refund_fee else 0,
        f"refund_status_{place}": one.state,
        f"refund_account_{place}": "REFUND_SOURCE_UNSETTLED_FUNDS",
        f"refund_recv_accout_{place}": "支付用户零钱",
    }
    if one.coupon_refund_fee:
        told[f"coupon_type_{place}_0"] = "CASH"
        told[f"coupon_refund_id_{place}_0"] = one.transaction_id[-12:]
        told[f"coupon_refund_fee_{place}_0"] = one.coupon_refund_fee
    if one.state == "SUCCESS" and one.finished_at is not None:
        told[f"refund_success_time_{place}"] = spaced(one.finished_at)
    return told


def _set_final(world: World, one: Refund, state: str) -> None:
    world.store.execute(
        "UPDATE refunds SET state = ?, finished_at = ?, money_moves = money_moves + ?"
        " WHERE out_refund_no = ?",
        state,
        world.clock.now(),
        1 if state == "SUCCESS" else 0,
        one.out_refund_no,
    )
    if state == "REFUNDCLOSE":
        world.store.move_balance(one.refund_fee)


def _told(world: World, out_refund_no: str) -> Reply:
    one = find(world, out_refund_no)
    assert one is not None
    told: Reply = {
        "transaction_id": one.transaction_id,
        "out_trade_no": one.out_trade_no,
        "refund_id": one.refund_id,
        "out_refund_no": one.out_refund_no,
        "total_fee": one.total_fee,
        "settlement_total_fee": one.total_fee,
        "refund_fee": one.refund_fee,
        "settlement_refund_fee": one.refund_fee,
        "refund_status": one.state,
        "refund_recv_accout": "支付用户零钱",
        "refund_account": "REFUND_SOURCE_UNSETTLED_FUNDS",
        "refund_request_source": one.source,
    }
    if one.state == "SUCCESS" and one.finished_at is not None:
        told["success_time"] = spaced(one.finished_at)
    return told
