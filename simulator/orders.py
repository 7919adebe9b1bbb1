"""Orders and the payments made on them: unifiedorder, orderquery, closeorder, and the buyer."""

import hashlib
import sqlite3
from dataclasses import dataclass

from simulator import notices
from simulator.clock import compact
from simulator.messages import Fields, Refusal, Reply, fen, require
from simulator.world import World
from wechat.signing import SignType

CREATED_BY_CONTROL = "control"
_IDENTITY = ("body", "total_fee", "trade_type", "openid", "attach", "notify_url")


@dataclass(frozen=True)
class Order:
    """`state` is a trade_state: NOTPAY, PAYERROR, CLOSED or SUCCESS; money in fen."""

    out_trade_no: str
    total_fee: int
    body: str
    attach: str
    notify_url: str
    openid: str
    trade_type: str
    sign_type: str
    prepay_id: str
    state: str
    fingerprint: str
    created_at: float


@dataclass(frozen=True)
class Payment:
    """Money that really came in; `kind` is first, second (another on a paid order) or late."""

    transaction_id: str
    out_trade_no: str
    total_fee: int
    coupon_fee: int
    openid: str
    kind: str
    paid_at: float


@dataclass(frozen=True)
class Purchase:
    """What the buyer does on the control side."""

    out_trade_no: str
    result: str = "SUCCESS"
    transaction_id: str | None = None
    openid: str | None = None
    total_fee: int | None = None
    coupon_fee: int = 0
    notify: bool = True


def find(world: World, out_trade_no: str) -> Order | None:
    """The order, if WeChat Pay knows it."""
    row = world.store.row("SELECT * FROM orders WHERE out_trade_no = ?", out_trade_no)
    return None if row is None else Order(**dict(row))


def payments_of(world: World, out_trade_no: str) -> list[Payment]:
    """Every payment made on the order, oldest first."""
    rows = world.store.rows(
        "SELECT * FROM payments WHERE out_trade_no = ? ORDER BY rowid", out_trade_no
    )
    return [_payment(row) for row in rows]


def payment(world: World, transaction_id: str) -> Payment | None:
    """One payment by WeChat's own number."""
    row = world.store.row("SELECT * FROM payments WHERE transaction_id = ?", transaction_id)
    return None if row is None else _payment(row)


def unifiedorder(world: World, fields: Fields) -> Reply:
    """Create the order, or answer the same prepay_id for the same request."""
    require(
        fields, "body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url",
        "trade_type", err_code="LACK_PARAMS",
    )  # fmt: skip
    if fields["trade_type"] == "JSAPI":
        require(fields, "openid", err_code="LACK_PARAMS")
    total_fee = fen(fields, "total_fee")
    order = find(world, fields["out_trade_no"])
    if order is None:
        order = _create(world, fields, total_fee)
    else:
        _same_request(order, fields)
    return {"trade_type": order.trade_type, "prepay_id": order.prepay_id}


def orderquery(world: World, fields: Fields) -> Reply:
    """The order's trade_state and, when it was paid, how."""
    order, paid = _addressed(world, fields)
    if paid is None:
        return {
            "out_trade_no": order.out_trade_no,
            "trade_state": order.state,
            "trade_state_desc": _DESCRIPTIONS[order.state],
            "total_fee": order.total_fee,
            "attach": order.attach,
        }
    state = "REFUND" if _refunded(world, paid.transaction_id) else "SUCCESS"
    told: Reply = {"trade_state": state, "trade_state_desc": _DESCRIPTIONS[state]}
    return told | payment_fields(order, paid)


def closeorder(world: World, fields: Fields) -> Reply:
    """Close an unpaid order."""
    require(fields, "out_trade_no")
    order = find(world, fields["out_trade_no"])
    if order is None:
        raise Refusal("ORDERNOTEXIST", "订单不存在")
    if order.state == "CLOSED":
        raise Refusal("ORDERCLOSED", "订单已关闭")
    if any(
        _refunded(world, paid.transaction_id) for paid in payments_of(world, order.out_trade_no)
    ):
        raise Refusal("TRADE_STATE_ERROR", "订单状态错误")
    if order.state == "SUCCESS":
        raise Refusal("ORDERPAID", "订单已支付,不能发起关单")
    _set_state(world, order.out_trade_no, "CLOSED")
    return {"result_msg": "OK"}


def pay(world: World, purchase: Purchase) -> Payment | None:
    """The buyer pays (or fails to); None for a failed attempt.

    A paid order is paid a second time, a closed one late: WeChat's documented troubles. An
    unknown order is created when `total_fee` is given, else LookupError. A transaction_id that
    is known already answers that payment and moves nothing.
    """
    if purchase.transaction_id:
        known = payment(world, purchase.transaction_id)
        if known is not None:
            return known
    with world.store.transaction():
        order = find(world, purchase.out_trade_no) or _unordered(world, purchase)
        if purchase.result == "FAIL":
            _fail(world, order, purchase)
            return None
        made = _receive(world, order, purchase)
    world.bell.set()
    return made


def payment_fields(order: Order, paid: Payment) -> Reply:
    """The fields that orderquery and the pay notification share; coupons included."""
    told: Reply = {
        "openid": paid.openid,
        "is_subscribe": "N",
        "trade_type": order.trade_type,
        "bank_type": "OTHERS",
        "total_fee": paid.total_fee,
        "fee_type": "CNY",
        "cash_fee": paid.total_fee - paid.coupon_fee,
        "transaction_id": paid.transaction_id,
        "out_trade_no": order.out_trade_no,
        "attach": order.attach,
        "time_end": compact(paid.paid_at),
    }
    if paid.coupon_fee:
        told |= {
            "settlement_total_fee": paid.total_fee,
            "coupon_fee": paid.coupon_fee,
            "coupon_count": 1,
            "coupon_type_0": "CASH",
            "coupon_id_0": paid.transaction_id[-12:],
            "coupon_fee_0": paid.coupon_fee,
        }
    return told


_DESCRIPTIONS = {
    "NOTPAY": "订单未支付",
    "PAYERROR": "支付失败",
    "CLOSED": "订单已关闭",
    "SUCCESS": "支付成功",
    "REFUND": "订单发生过退款",
}


def _payment(row: sqlite3.Row) -> Payment:
    return Payment(**dict(row))


def _create(world: World, fields: Fields, total_fee: int) -> Order:
    # WeChat cuts the query string off a notify_url, so a merchant must not rely on one.
    url = fields["notify_url"].partition("?")[0]
    number = fields["out_trade_no"]
    prepay_id = "wx" + hashlib.sha256(number.encode()).hexdigest()[:34]
    order = Order(
        number, total_fee, fields["body"], fields.get("attach", ""), url,
        fields.get("openid", ""), fields["trade_type"], fields.get("sign_type") or "MD5",
        prepay_id, "NOTPAY", _fingerprint(fields), world.clock.now(),
    )  # fmt: skip
    world.store.insert("orders", dict(vars(order)))
    return order


def _unordered(world: World, purchase: Purchase) -> Order:
    if purchase.total_fee is None:
        raise LookupError(purchase.out_trade_no)
    order = Order(
        purchase.out_trade_no, purchase.total_fee, "支付测试", "支付测试",
        world.settings.pay_notify_url, purchase.openid or "o-simulated-buyer", "JSAPI",
        SignType.MD5.value, "", "NOTPAY", CREATED_BY_CONTROL, world.clock.now(),
    )  # fmt: skip
    world.store.insert("orders", dict(vars(order)))
    return order


def _fingerprint(fields: Fields) -> str:
    return "\n".join(fields.get(name, "") for name in _IDENTITY)


def _same_request(order: Order, fields: Fields) -> None:
    if order.fingerprint == CREATED_BY_CONTROL:
        raise Refusal("OUT_TRADE_NO_USED", "商户订单号重复")
    if order.state == "SUCCESS":
        raise Refusal("ORDERPAID", "该订单已支付")
    if order.state == "CLOSED":
        raise Refusal("ORDERCLOSED", "该订单已关闭")
    if order.fingerprint != _fingerprint(fields):
        raise Refusal("INVALID_REQUEST", "商户订单号重复，参数与之前不一致")


def _addressed(world: World, fields: Fields) -> tuple[Order, Payment | None]:
    if fields.get("transaction_id"):
        paid = payment(world, fields["transaction_id"])
        number = paid.out_trade_no if paid else ""
    else:
        require(fields, "out_trade_no")
        number = fields["out_trade_no"]
        paid = next(iter(payments_of(world, number)), None)
    order = find(world, number)
    if order is None:
        raise Refusal("ORDERNOTEXIST", "此交易订单号不存在")
    return order, paid


def _refunded(world: World, transaction_id: str) -> bool:
    sql = "SELECT 1 FROM refunds WHERE transaction_id = ? AND state != 'REFUNDCLOSE'"
    return world.store.row(sql, transaction_id) is not None


def _set_state(world: World, out_trade_no: str, state: str) -> None:
    world.store.execute("UPDATE orders SET state = ? WHERE out_trade_no = ?", state, out_trade_no)


def _fail(world: World, order: Order, purchase: Purchase) -> None:
    if order.state == "NOTPAY":
        _set_state(world, order.out_trade_no, "PAYERROR")
    if purchase.notify:
        notices.payment_failed(world, order)


def _receive(world: World, order: Order, purchase: Purchase) -> Payment:
    kinds = {"SUCCESS": "second", "CLOSED": "late"}
    openid = purchase.openid or order.openid
    number = purchase.transaction_id or _transaction_id(world)
    made = Payment(
        number, order.out_trade_no, order.total_fee, min(purchase.coupon_fee, order.total_fee),
        openid, kinds.get(order.state, "first"), world.clock.now(),
    )  # fmt: skip
    world.store.insert("payments", dict(vars(made)))
    world.store.move_balance(made.total_fee)
    _set_state(world, order.out_trade_no, "SUCCESS")
    if purchase.notify:
        notices.payment_made(world, order, payment_fields(order, made))
    return made


def _transaction_id(world: World) -> str:
    day = compact(world.clock.now())[:8]
    return f"4200{day}{world.store.serial('transaction'):016d}"
