"""Named scenarios: each a line that says what happens, how it is armed, and what comes then."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from simulator import faults, orders, refunds
from simulator.faults import Rule
from simulator.notices import PAY, REFUND
from simulator.orders import Purchase
from simulator.world import World

About = Literal["order", "payment", "close", "refund", "bill"]
Act = Literal["pay", "pay twice", "pay with coupon", "fail", "close", "drain", "console refund"]


@dataclass(frozen=True)
class Scenario:
    """`about`: the call or event that it concerns; `acts` happen at once, `rules` are armed;
    `then` is what to do to see it."""

    about: About
    says: str
    then: str
    rules: tuple[Rule, ...] = ()
    acts: tuple[Act, ...] = ()


_ORDER = "call unifiedorder"
_PAY = "watch the pay notification"
_CLOSE = "call closeorder"
_REFUND = "refund the paid order"
_BILL = "call downloadbill"


def _order(says: str, fault: str) -> Scenario:
    return Scenario("order", says, _ORDER, (Rule(fault, "unifiedorder"),))


def _refund(says: str, *rules: Rule) -> Scenario:
    return Scenario("refund", says, _REFUND, rules)


def _paid(says: str, *rules: Rule, acts: tuple[Act, ...] = ("pay",)) -> Scenario:
    return Scenario("payment", says, _PAY, rules, acts)


def _bill(says: str, fault: str) -> Scenario:
    return Scenario("bill", says, _BILL, (Rule(fault, "downloadbill"),))


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "order_reply_lost": _order("the order is made, its reply is lost", "reply_lost"),
    "order_timeout": _order("no order and no reply", "timeout_not_done"),
    "order_system_error": _order("SYSTEMERROR, no order", "system_error"),
    "order_system_error_done": _order("SYSTEMERROR, yet the order is made", "system_error_done"),
    "order_reply_forged": _order("the order is made, the reply's sign is wrong", "bad_signature"),
    "order_reply_garbage": _order("the order is made, the reply is random bytes", "garbage"),
    "order_return_fail": _order("unsigned FAIL, no order", "return_fail"),
    "payment": _paid("the buyer pays, one notification"),
    "payment_fails": _paid("the buyer's bank refuses", acts=("fail",)),
    "payment_fails_then_pays": _paid("refused, then paid", acts=("fail", "pay")),
    "payment_with_coupon": _paid("a part is paid by coupon", acts=("pay with coupon",)),
    "payment_twice": _paid("the buyer pays twice: two transaction_ids", acts=("pay twice",)),
    "payment_late": _paid("closed, then paid all the same", acts=("close", "pay")),
    "payment_notify_lost": _paid("paid, never notified", Rule("notify_lost", PAY)),
    "payment_notify_delayed": _paid("paid, notified a minute later", Rule("notify_delayed", PAY)),
    "payment_notify_duplicate": _paid("two copies at once", Rule("notify_duplicate", PAY)),
    "payment_notify_repeated": _paid("repeated after a good ack", Rule("notify_repeated", PAY)),
    "payment_notify_answer_lost": _paid("our ack is lost", Rule("notify_answer_lost", PAY)),
    "payment_notify_forged": _paid("a forgery first", Rule("notify_forged", PAY)),
    "payment_notify_wrong_key": _paid("a stranger's key first", Rule("notify_wrong_key", PAY)),
    "payment_notify_wrong_amount": _paid("1 fen too much first", Rule("notify_wrong_amount", PAY)),
    "payment_notify_foreign": _paid("another merchant's first", Rule("notify_foreign", PAY)),
    "payment_notify_junk": _paid("broken XML first", Rule("notify_junk", PAY)),
    "close": Scenario("close", "an unpaid order is closed", _CLOSE),
    "close_reply_lost": Scenario(
        "close", "closed, the reply is lost", _CLOSE, (Rule("reply_lost", "closeorder"),)
    ),
    "close_but_paid": Scenario("close", "the buyer was faster", _CLOSE, (), ("pay",)),
    "close_system_error": Scenario(
        "close", "SYSTEMERROR, not closed", _CLOSE, (Rule("system_error", "closeorder"),)
    ),
    "refund": _refund("accepted, PROCESSING, SUCCESS"),
    "refund_reply_lost": _refund("accepted, the reply is lost", Rule("reply_lost", "refund")),
    "refund_timeout": _refund("not accepted, no reply", Rule("timeout_not_done", "refund")),
    "refund_timeout_accepted": _refund("accepted, no reply", Rule("timeout_done", "refund")),
    "refund_system_error": _refund("SYSTEMERROR, not accepted", Rule("system_error", "refund")),
    "refund_system_error_done": _refund(
        "SYSTEMERROR, yet accepted", Rule("system_error_done", "refund")
    ),
    "refund_need_retry": _refund("rejected by concurrency", Rule("need_retry", "refund")),
    "refund_not_enough": Scenario(
        "refund", "NOTENOUGH until topped up", _REFUND, acts=("drain",)
    ),
    "refund_frequency_limited": _refund("throttled", Rule("frequency_limited", "refund")),
    "refund_order_not_ready": _refund("order not ready yet", Rule("order_not_ready", "refund")),
    "refund_account_abnormal": _refund(
        "the payer's account is gone",
        Rule("refuse", "refund", err_code="USER_ACCOUNT_ABNORMAL"),
    ),
    "refund_no_permission": _refund(
        "the IP is not allowed", Rule("refuse", "refund", err_code="NOAUTH")
    ),
    "refund_change": _refund("accepted, then CHANGE", Rule("refund_ends_change", "refund")),
    "refund_close": _refund("accepted, then REFUNDCLOSE", Rule("refund_ends_close", "refund")),
    "refund_starved": _refund(
        "PROCESSING for seven days, then REFUNDCLOSE",
        Rule("refund_ends_close", "refund", seconds=7 * 86_400),
    ),
    "refund_slow": _refund("PROCESSING for a day", Rule("refund_slow", "refund")),
    "refund_reply_forged": _refund("accepted, wrong sign", Rule("bad_signature", "refund")),
    "refund_reply_empty": _refund("accepted, empty reply", Rule("empty", "refund")),
    "refund_reply_malformed": _refund("accepted, broken XML", Rule("malformed", "refund")),
    "refund_reply_drips": _refund("accepted, a byte a second", Rule("slow_drip", "refund")),
    "refund_notify_early": _refund("notified before the reply", Rule("notify_early", "refund")),
    "refund_notify_lost": _refund("never notified", Rule("notify_lost", REFUND)),
    "refund_notify_forged": _refund("a forgery first", Rule("notify_forged", REFUND)),
    "refund_notify_duplicate": _refund("two copies at once", Rule("notify_duplicate", REFUND)),
    "refund_notify_wrong_url": _refund("sent to the pay URL", Rule("notify_wrong_url", REFUND)),
    "refund_query_fails_too": _refund(
        "accepted, the reply lost, and the query answers SYSTEMERROR once",
        Rule("reply_lost", "refund"),
        Rule("system_error", "refundquery"),
    ),
    "refund_in_console": Scenario(
        "refund", "staff refund 1 fen in the console", "watch the refund notification", (),
        ("console refund",),
    ),
    "bill_not_ready": _bill("the bill is still being made", "bill_creating"),
    "bill_reply_lost": _bill("the bill's reply is cut", "reset"),
}  # fmt: skip


def play(world: World, name: str, out_trade_no: str, out_refund_no: str) -> list[str]:
    """Arm a scenario's faults and let its acts happen; answers what was done, in words.

    Without a number the acts strike the latest order. Raises LookupError when there is none, and
    ValueError for an act that the order's state forbids.
    """
    scenario = SCENARIOS[name]
    number = out_refund_no if scenario.about == "refund" else out_trade_no
    done: list[str] = []
    with world.store.transaction():
        for rule in scenario.rules:
            struck = out_trade_no if rule.call == PAY else number
            armed = faults.arm(world, replace(rule, number=struck))
            done.append(f"armed {armed.fault} for {armed.call}")
        for act in scenario.acts:
            done.append(_act(world, act, out_trade_no))
    world.bell.set()
    return done


def _act(world: World, act: Act, out_trade_no: str) -> str:
    if act == "drain":
        world.store.set_meta("balance", "0")
        return "emptied the merchant's account"
    number = out_trade_no or _latest(world)
    match act:
        case "pay" | "fail":
            result = "SUCCESS" if act == "pay" else "FAIL"
            orders.pay(world, Purchase(number, result=result))
        case "pay twice":
            orders.pay(world, Purchase(number))
            orders.pay(world, Purchase(number))
        case "pay with coupon":
            order = orders.find(world, number)
            orders.pay(world, Purchase(number, coupon_fee=order.total_fee // 3 if order else 0))
        case "close":
            _close(world, number)
        case "console refund":
            refunds.console_refund(world, number, 1, None)
    return f"{act}: {number}"


def _latest(world: World) -> str:
    row = world.store.row("SELECT out_trade_no FROM orders ORDER BY rowid DESC LIMIT 1")
    if row is None:
        raise LookupError("there is no order yet; call unifiedorder first")
    return str(row["out_trade_no"])


def _close(world: World, out_trade_no: str) -> None:
    order = orders.find(world, out_trade_no)
    if order is None:
        raise LookupError(f"unknown order {out_trade_no}")
    if order.state == "SUCCESS":
        raise ValueError(f"{out_trade_no} is paid; a late payment needs an unpaid order")
    orders.closeorder(world, {"out_trade_no": out_trade_no})
