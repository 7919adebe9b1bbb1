"""Every refused action: what, why, its code, and that nothing changed."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from domain.refusals import Code
from tests.shop import APPROVE, PARCEL, Shop, order_body
from tests.workflows.desks import REFUSE, REJECT
from tests.workflows.stuck import approved, settle

DAY = timedelta(days=1)
ONE_CUP = [{"sku": "cup", "quantity": 1}]
GIFT = {"title": "满减券", "face_value": 50}
ASKED = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
)
LATER, FAR = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


@dataclass(frozen=True)
class Refused:
    """Somebody asks for something that may not be; `{name}` stands for what the scene has."""

    why: str
    code: Code
    who: str
    path: str
    body: Any = None
    key: str | None = None
    is_begun: bool = False
    """It turns out only on the way: the run had to ask."""


def application(type: str = "REFUND_ONLY", **more: Any) -> dict[str, Any]:
    """What a buyer asks for."""
    return {"type": type, "reason_code": "NO_REASON", "reason": "不想要了", **more}


def lines(sku: str = "cup", quantity: int = 1) -> dict[str, Any]:
    """An application for a part."""
    return application(lines=[{"sku": sku, "quantity": quantity}])


def settlement(refund: str) -> dict[str, str]:
    """The word that a buyer was paid another way."""
    return {"out_refund_no": refund, "reference": "招行20261124", "reason": "账户已注销"}


C = Code

TABLE = [
    # what was sent
    Refused("no such reason", C.INVALID_FIELD, "shop", "/v1/orders/{paid}/after-sales",
            application(reason_code="BORED")),
    Refused("no such sku", C.INVALID_FIELD, "shop", "/v1/orders/{paid}/after-sales", lines("pot")),
    Refused("a sku twice", C.INVALID_FIELD, "shop", "/v1/orders/{paid}/after-sales",
            application(lines=ONE_CUP * 2)),
    Refused("extended into the past", C.INVALID_FIELD, "platform",
            "/v1/after-sales/{at_merchant}/extend", {"until": FAR, "reason": "请延期"}),
    Refused("extended for ever", C.INVALID_FIELD, "platform",
            "/v1/after-sales/{at_merchant}/extend", {"until": LATER, "reason": "请延期"}),
    Refused("applied for nothing", C.REASON_REQUIRED, "shop", "/v1/orders/{paid}/after-sales",
            application(reason=" x ")),
    Refused("rejected in silence", C.REASON_REQUIRED, "merchant",
            "/v1/after-sales/{at_merchant}/merchant-review", {"decision": "reject"}),
    Refused("rejected with a dash", C.REASON_REQUIRED, "platform",
            "/v1/after-sales/{at_platform}/platform-review", {"decision": "reject", "reason": "-"}),
    Refused("not received, no reason", C.REASON_REQUIRED, "merchant",
            "/v1/after-sales/{at_receipt}/receipt", {"decision": "refused"}),
    Refused("extended without a reason", C.REASON_REQUIRED, "platform",
            "/v1/after-sales/{at_merchant}/extend", {"until": "{soon}", "reason": ""}),
    Refused("received, nobody responsible", C.RESPONSIBILITY_REQUIRED, "merchant",
            "/v1/after-sales/{at_receipt}/receipt", {"decision": "received"}),
    Refused("a key for another command", C.IDEMPOTENCY_KEY_REUSED, "shop",
            "/v1/orders/{shipped}/ship", {**PARCEL, "carrier": "YTO"}, key="shipped before"),
    # orders
    Refused("no such order", C.ORDER_NOT_FOUND, "shop", "/v1/orders/nobody-0001/ship", PARCEL),
    Refused("another order's number", C.OUT_TRADE_NO_USED, "shop", "/v1/orders",
            order_body("{paid}", freight=81)),
    Refused("an ended order's number", C.OUT_TRADE_NO_USED, "shop", "/v1/orders",
            order_body("{completed}", freight=81)),
    Refused("shipped before it is paid", C.ORDER_STATE, "shop", "/v1/orders/{unpaid}/ship", PARCEL),
    Refused("shipped twice", C.ORDER_STATE, "shop", "/v1/orders/{shipped}/ship", PARCEL),
    Refused("shipped after its refund", C.ORDER_STATE, "shop", "/v1/orders/{refunded}/ship",
            PARCEL),
    Refused("received before it is shipped", C.ORDER_STATE, "shop", "/v1/orders/{paid}/receive"),
    Refused("received twice", C.ORDER_STATE, "shop", "/v1/orders/{received}/receive"),
    Refused("applied for before it is paid", C.ORDER_STATE, "shop",
            "/v1/orders/{unpaid}/after-sales", application()),
    Refused("applied for after closing", C.ORDER_STATE, "shop",
            "/v1/orders/{closed}/after-sales", application()),
    Refused("closed twice", C.ORDER_STATE, "shop", "/v1/orders/{closed}/close"),
    Refused("refunded though unpaid", C.ORDER_STATE, "platform", "/apis/pay_refund?no={unpaid}"),
    Refused("closed though paid", C.ORDER_PAID, "shop", "/v1/orders/{paid}/close"),
    Refused("not to WeChat Pay's liking", C.CHANNEL_REFUSED, "shop", "/v1/orders",
            order_body("unpayable-01")),
    Refused("shipped while a refund is open", C.UNSHIPPED_REFUND_OPEN, "shop",
            "/v1/orders/{paid_in_case}/ship", PARCEL),
    Refused("received while a case is open", C.CASE_OPEN, "shop",
            "/v1/orders/{shipped_in_case}/receive"),
    Refused("no deadline to pass: paid", C.NO_DEADLINE, "platform", "/v1/orders/{paid}/expire"),
    Refused("no deadline to pass: refunding", C.NO_DEADLINE, "platform",
            "/v1/after-sales/{refunding}/expire"),
    Refused("no deadline to extend", C.NO_DEADLINE, "platform",
            "/v1/after-sales/{refunding}/extend", {"until": "{soon}", "reason": "请延期"}),
    Refused("passed already", C.NO_DEADLINE, "platform", "/v1/after-sales/{breached}/expire"),
    # cases
    Refused("no such case", C.CASE_NOT_FOUND, "merchant",
            "/v1/after-sales/A0/merchant-review", APPROVE),
    Refused("approved at a later desk", C.CASE_STATE, "merchant",
            "/v1/after-sales/{at_platform}/merchant-review", APPROVE),
    Refused("rejected at a later desk", C.CASE_STATE, "platform",
            "/v1/after-sales/{at_merchant}/platform-review", REJECT),
    Refused("received before it is sent", C.CASE_STATE, "merchant",
            "/v1/after-sales/{at_return}/receipt", REFUSE),
    Refused("sent back though never sent", C.CASE_STATE, "shop",
            "/v1/after-sales/{at_merchant}/return-shipment", PARCEL),
    Refused("sent back twice", C.CASE_STATE, "shop",
            "/v1/after-sales/{at_receipt}/return-shipment", PARCEL),
    Refused("withdrawn when sent back", C.CASE_STATE, "shop",
            "/v1/after-sales/{at_receipt}/withdraw"),
    Refused("withdrawn when the money goes", C.CASE_STATE, "shop",
            "/v1/after-sales/{refunding}/withdraw"),
    Refused("withdrawn when it is back", C.CASE_STATE, "shop",
            "/v1/after-sales/{refunded_case}/withdraw"),
    Refused("approved after a rejection", C.CASE_STATE, "platform",
            "/v1/after-sales/{rejected}/platform-review", APPROVE),
    Refused("settled though on its way", C.CASE_STATE, "finance",
            "/v1/after-sales/{refunding}/settle-offline", settlement("{refunding}-1")),
    Refused("a new number though on its way", C.CASE_STATE, "finance",
            "/v1/after-sales/{refunding}/refunds", {"out_refund_no": "{refunding}-1"}),
    Refused("a return of what was not sent", C.TYPE_NOT_ALLOWED, "shop",
            "/v1/orders/{paid}/after-sales", application("RETURN_REFUND")),
    Refused("money only for what was sent", C.TYPE_NOT_ALLOWED, "shop",
            "/v1/orders/{shipped}/after-sales", application()),
    Refused("after the first window", C.WINDOW_CLOSED, "shop",
            "/v1/orders/{week_old}/after-sales", application("RETURN_REFUND")),
    Refused("after the last window", C.WINDOW_CLOSED, "shop",
            "/v1/orders/{completed}/after-sales", application("RETURN_REFUND")),
    Refused("all is held by a case", C.NOTHING_LEFT, "shop",
            "/v1/orders/{paid_in_case}/after-sales", application()),
    Refused("all is held, asks the platform", C.NOTHING_LEFT, "platform",
            "/apis/pay_refund?no={paid_in_case}"),
    Refused("more than was bought", C.QUANTITY_NOT_LEFT, "shop", "/v1/orders/{paid}/after-sales",
            lines(quantity=3)),
    Refused("a sixth time", C.TOO_MANY_APPLICATIONS, "shop", "/v1/orders/{worn}/after-sales",
            lines()),
    Refused("the clock approved", C.DEADLINE_PASSED, "merchant",
            "/v1/after-sales/{breached}/merchant-review", REJECT),
    Refused("the clock closed the case", C.DEADLINE_PASSED, "shop",
            "/v1/after-sales/{overdue}/return-shipment", PARCEL),
    Refused("the clock closed the order", C.DEADLINE_PASSED, "shop",
            "/v1/orders/{timed_out}/close"),
    Refused("the clock received it", C.DEADLINE_PASSED, "shop",
            "/v1/orders/{auto_received}/receive"),
    # refunds
    Refused("no such refund", C.REFUND_NOT_FOUND, "finance", "/v1/refunds/A0-1/query"),
    Refused("another case's refund settled", C.REFUND_NOT_FOUND, "finance",
            "/v1/after-sales/{abnormal}/settle-offline", settlement("{refunding}-1")),
    Refused("another case's refund again", C.REFUND_NOT_FOUND, "finance",
            "/v1/after-sales/{abnormal}/refunds", {"out_refund_no": "{refunding}-1"}),
    Refused("a new number though not closed", C.REFUND_STATE, "finance",
            "/v1/after-sales/{abnormal}/refunds", {"out_refund_no": "{abnormal}-1"},
            is_begun=True),
    Refused("confirmed by the proposer", C.SECOND_PERSON_REQUIRED, "finance",
            "/v1/after-sales/{abnormal}/settle-offline", settlement("{abnormal}-1")),
    # gift vouchers and merchants
    Refused("no such voucher", C.COUPON_NOT_FOUND, "shop", "/v1/coupons/V0/use",
            {"out_trade_no": "{paid}"}),
    Refused("a voucher spent twice", C.COUPON_STATE, "shop", "/v1/coupons/spent/use",
            {"out_trade_no": "{paid}"}),
    Refused("a voucher taken back", C.COUPON_STATE, "shop", "/v1/coupons/void/use",
            {"out_trade_no": "{paid}"}),
]  # fmt: skip


@pytest.fixture(scope="module")
async def scene(shop: Shop) -> dict[str, str]:
    """An order and a case in every state; being refused, none of them moves."""
    made = await of_long_ago(shop)
    made |= await orders(shop)
    made |= await cases(shop)
    made |= await left_to_the_clock(shop)
    made["soon"] = (await shop.clock.now() + 30 * DAY).isoformat()
    await shop.control("faults", fault="refuse", number="unpayable-01", err_code="INVALID_REQUEST")
    return made


async def of_long_ago(shop: Shop) -> dict[str, str]:
    """Orders whose windows have ended."""
    completed = await shop.received()
    await shop.sleep(8 * DAY)
    week_old = await shop.received()
    await shop.sleep(8 * DAY)
    await shop.order_is(completed, "COMPLETED")
    return {"completed": completed, "week_old": week_old}


async def orders(shop: Shop) -> dict[str, str]:
    """An order in each state."""
    shipped = await shop.paid()
    await shop.post("shop", f"/v1/orders/{shipped}/ship", PARCEL, key="shipped before")
    closed, worn, refunded = await shop.order(), await shop.paid(), await shop.paid()
    await shop.does("shop", f"/v1/orders/{closed}/close")
    for _ in range(5):
        await shop.withdraw(await shop.apply(worn, lines=ONE_CUP))
    refunded_case = await shop.apply(refunded)
    await shop.approve(refunded_case)
    await shop.order_is(refunded, "CLOSED")
    return {
        "unpaid": await shop.order(),
        "paid": await shop.paid(),
        "shipped": shipped,
        "received": await shop.received(),
        "closed": closed,
        "worn": worn,
        "refunded": refunded,
        "refunded_case": refunded_case,
    }


async def cases(shop: Shop) -> dict[str, str]:
    """A case at each desk, and what may be stuck behind them."""
    paid_in_case, shipped_in_case = await shop.paid(), await shop.shipped()
    refunding = await approved(shop, "refund_slow", seconds=10**7)
    abnormal = await approved(shop, "refund_ends_change")
    await shop.case_is(abnormal, "REFUND_ABNORMAL")
    await settle(shop, "finance", abnormal)
    at_platform, rejected = await shop.apply(await shop.paid()), await shop.apply(await shop.paid())
    await shop.approve(at_platform, "merchant")
    await shop.reject(rejected, "merchant")
    at_receipt = await shop.apply(await shop.shipped())
    await shop.send_back(at_receipt)
    await vouchers(shop)
    return {
        "paid_in_case": paid_in_case,
        "at_merchant": await shop.apply(paid_in_case),
        "shipped_in_case": shipped_in_case,
        "at_return": await shop.apply(shipped_in_case),
        "at_platform": at_platform,
        "at_receipt": at_receipt,
        "refunding": refunding,
        "abnormal": abnormal,
        "rejected": rejected,
    }


async def vouchers(shop: Shop) -> None:
    """One that is spent, and one that a refund took back."""
    spent_on = {"out_trade_no": await shop.paid(gifts=[{"coupon_no": "spent", **GIFT}])}
    await shop.does("shop", "/v1/coupons/spent/use", spent_on)
    taken_back = await shop.apply(await shop.paid(gifts=[{"coupon_no": "void", **GIFT}]))
    await shop.approve(taken_back)
    await shop.case_is(taken_back, "COMPLETED")


async def left_to_the_clock(shop: Shop) -> dict[str, str]:
    """Orders and cases for which nobody acted in time."""
    breached, overdue = await shop.apply(await shop.paid()), await shop.apply(await shop.shipped())
    timed_out, auto_received = await shop.order(), await shop.shipped()
    for _ in range(2):
        await shop.does("platform", f"/v1/after-sales/{breached}/expire")
    await shop.does("platform", f"/v1/after-sales/{overdue}/expire")
    for number in (timed_out, auto_received):
        await shop.does("platform", f"/v1/orders/{number}/expire")
    return {
        "breached": breached,
        "overdue": overdue,
        "timed_out": timed_out,
        "auto_received": auto_received,
    }


def filled(scene: dict[str, str], said: Any) -> Any:
    """The same with what the scene has in the place of names."""
    if isinstance(said, dict):
        return {name: filled(scene, value) for name, value in said.items()}
    return said.format_map(scene) if isinstance(said, str) else said


async def standing(shop: Shop, path: str) -> list[Any]:
    """All that a refusal must leave as it is: the thing's view, and what its run did.

    Only the time-skipping server writes down that a run was asked; test_races has the real one.
    """
    about = re.match(r"/v1/(orders|after-sales)/([^/]+)", path)
    if about is None or (number := about[2]) in ("nobody-0001", "A0"):
        return []
    view = await shop.get("auditor", about[0])
    run = f"order-{number}" if about[1] == "orders" else f"after-sale-{number}"
    done = [event.event_type for event in await shop.history(run)]
    return [view | {"pay_params": None}, [kind for kind in done if kind not in ASKED]]


@pytest.mark.parametrize("asked", TABLE, ids=lambda asked: asked.why)
async def test_a_refused_action_changes_nothing(
    shop: Shop, scene: dict[str, str], asked: Refused
) -> None:
    path, body = filled(scene, asked.path), filled(scene, asked.body)
    before = await standing(shop, path)
    reply = await shop.post(asked.who, path, body, asked.key)
    problem = reply.json()
    assert problem.get("code") == asked.code, problem
    assert reply.headers["content-type"] == "application/problem+json"
    assert len(problem["detail"]) > len("not possible")
    held = slice(1 if asked.is_begun else None)
    assert (await standing(shop, path))[held] == before[held]


ELSEWHERE = {
    C.MERCHANT_NOT_FOUND: "tests/workflows/test_commands.py",
    C.RECONCILIATION_NOT_FOUND: "tests/workflows/test_reconciliation.py",
    C.BILL_NOT_READY: "tests/workflows/test_reconciliation.py",
}
"""What only reading provokes, or what is tested with its subject."""


async def test_an_unknown_merchant_can_not_be_read(shop: Shop) -> None:
    reply = await shop.api.get("/v1/merchants/nobody", headers={"Authorization": "Bearer admin"})
    assert (reply.status_code, reply.json()["code"]) == (404, "merchant_not_found")


def test_every_refusal_is_provoked() -> None:
    assert {asked.code for asked in TABLE} | set(ELSEWHERE) == set(Code)
