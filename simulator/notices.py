"""Notifications as WeChat Pay words them: put in the queue here, sent by `notifier`."""

import json
from typing import TYPE_CHECKING

from simulator.messages import Reply
from simulator.store import Value
from simulator.world import World
from wechat import req_info, xml
from wechat.signing import SignType, nonce, signed

if TYPE_CHECKING:
    from simulator.orders import Order

PAY = "pay_notify"
REFUND = "refund_notify"


def payment_made(world: World, order: "Order", fields: Reply) -> int:
    """Queue the notification of a payment; answers its id."""
    told = fields | {"result_code": "SUCCESS"}
    return _queue(world, PAY, order.out_trade_no, order.notify_url, told, order.sign_type)


def payment_failed(world: World, order: "Order") -> int:
    """Queue the notification of a failed attempt to pay; answers its id."""
    fields: Reply = {
        "result_code": "FAIL",
        "err_code": "NOTENOUGH",
        "err_code_des": "余额不足",
        "openid": order.openid,
        "trade_type": order.trade_type,
        "total_fee": order.total_fee,
        "out_trade_no": order.out_trade_no,
        "attach": order.attach,
    }
    return _queue(world, PAY, order.out_trade_no, order.notify_url, fields, order.sign_type)


def refund_finished(world: World, url: str, fields: Reply) -> int:
    """Queue the notification of a refund's result; answers its id."""
    return _queue(world, REFUND, str(fields["out_refund_no"]), url, fields, SignType.MD5.value)


def render_payment(fields: Reply, world: World, key: str, sign_type: str) -> bytes:
    """The signed XML of a payment notification.

    Some of WeChat's servers name the sign_type and some don't; here the number decides.
    """
    settings = world.settings
    message: Reply = {"return_code": "SUCCESS", "appid": settings.appid, "mch_id": settings.mch_id}
    if str(fields["out_trade_no"])[-1:] in "02468ace":
        message["sign_type"] = sign_type
    return render_signed(message | fields, key, sign_type)


def render_signed(message: Reply, key: str, sign_type: str) -> bytes:
    """Any flat message with a fresh nonce_str and its sign."""
    whole = {**message, "nonce_str": nonce()}
    texts = {name: str(value) for name, value in whole.items() if value != ""}
    whole["sign"] = signed(texts, key, SignType(sign_type))["sign"]
    return xml.render(whole)


def render_refund(fields: Reply, world: World, key: str) -> bytes:
    """The XML of a refund notification: unsigned, its facts inside `req_info`."""
    outer = {name: fields[name] for name in ("appid", "mch_id") if name in fields}
    inner = {name: value for name, value in fields.items() if name not in outer}
    settings = world.settings
    message: Reply = {
        "return_code": "SUCCESS",
        "appid": settings.appid,
        "mch_id": settings.mch_id,
        "nonce_str": nonce(),
        "req_info": req_info.encrypt(inner, key),
    }
    return xml.render(message | outer)


def _queue(world: World, kind: str, number: str, url: str, fields: Reply, sign_type: str) -> int:
    row: dict[str, Value] = {
        "kind": kind,
        "number": number,
        "url": url,
        "fields": json.dumps(fields, ensure_ascii=False),
        "sign_type": sign_type,
        "state": "PENDING",
        "attempts": 0,
        "due_tick": world.clock.tick(),
        "fault": "",
        "created_at": world.clock.now(),
        "answer": "",
    }
    return world.store.insert("notifications", row)
