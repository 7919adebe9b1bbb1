"""The sample shop day: what can happen to orders in a shop, played once through the real parts."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import httpx
from temporalio.client import Client

from tools.player import APPROVE, LOOK_EVERY_S, PARCEL, PATIENCE_S, NotAsExpected, Player
from wechat.times import CHINA

SIMULATOR_SCALE: Final = 60
"""WeChat Pay's waits during the day: its minute between refunds is a second."""

RECONCILED_WITHIN_LOOKS: Final = 60

WHO: Final = {
    "shop": "sandbox-shop",
    "merchant": "sandbox-merchant",
    "platform": "sandbox-platform",
    "finance": "sandbox-finance",
    "finance2": "sandbox-finance-2",
    "auditor": "sandbox-auditor",
    "admin": "sandbox-admin",
}
ARTICLE_ORDER: Final = "2020vEPk8sib229F1rDkRgGhPh"
QUICK_MERCHANT: Final = "m-tea"
O1: Final[dict[str, Any]] = {
    "merchant_id": QUICK_MERCHANT,
    "lines": [
        {"sku": "A", "title": "盖碗", "quantity": 2, "unit_price": 5990},
        {"sku": "B", "title": "茶叶", "quantity": 1, "unit_price": 3500},
        {"sku": "C", "title": "茶巾", "quantity": 3, "unit_price": 1250},
    ],
    "merchant_discount": 2000,
    "platform_coupon": 1000,
    "freight": 800,
}


@dataclass(frozen=True)
class Played:
    """One scenario as it went; `events` counts the history of all its runs."""

    name: str
    told: str
    seconds: float
    events: int
    agreed: bool
    problem: str

    @property
    def ok(self) -> bool:
        """Whether it ended as expected, and the money is where we say."""
        return not self.problem and self.agreed


class System(Protocol):
    """Where a running system answers."""

    @property
    def base_url(self) -> str:
        """The API, without a slash at the end."""

    @property
    def simulator_url(self) -> str:
        """The simulator, without a slash at the end."""

    @property
    def temporal_address(self) -> str:
        """Host and port of Temporal's frontend."""


Story = Callable[[Player, str], Awaitable[str]]


async def completed(play: Player, no: str) -> str:
    """The good day."""
    await play.received(no)
    await play.does("admin", f"/v1/orders/{no}/expire")
    await play.order_is(no, "COMPLETED")
    return "paid, shipped, received; the windows over: completed"


async def unpaid(play: Player, no: str) -> str:
    """The buyer forgets."""
    await play.order(no)
    await play.does("admin", f"/v1/orders/{no}/expire")
    await play.order_is(no, "CLOSED")
    return "nobody paid for 30 min: closed at WeChat and here"


async def failed_then_paid(play: Player, no: str) -> str:
    """The bank refuses once."""
    await play.order(no)
    await play.pay(no, result="FAIL")
    await _until(play, lambda: _pay_state(play, no), 2)
    await play.pay(no)
    await play.order_is(no, "AWAITING_SHIPMENT")
    return "the bank refused (pay_state 2), then paid (1)"


async def unshipped_refund(play: Player, no: str) -> str:
    """未发货订单退款: no goods may leave meanwhile."""
    await play.paid(no)
    case_no = await play.apply(no)
    if await play.refuses("shop", f"/v1/orders/{no}/ship", PARCEL) != "unshipped_refund_open":
        raise NotAsExpected("goods would have left while a refund is open")
    await play.approve(case_no)
    await play.case_is(case_no, "COMPLETED")
    await play.order_is(no, "CLOSED")
    return "merchant and platform approved; 380 fen back; closed"


async def rejected_then_approved(play: Player, no: str) -> str:
    """A rejection says why, and is not the end."""
    await play.paid(no)
    first = await play.apply(no)
    reject = {"decision": "reject", "reason": "今天下午已经备货"}
    await play.on_case("merchant", first, "merchant-review", reject)
    second = await play.apply(no)
    await play.approve(second)
    await play.case_is(second, "COMPLETED")
    return "rejected with a reason, applied again, approved, refunded"


async def quality_return(play: Player, no: str) -> str:
    """退货退款: outbound freight goes back too."""
    return await _return(play, no, "QUALITY", "MERCHANT", "freight too: 380 fen")


async def no_reason_return(play: Player, no: str) -> str:
    """退货退款: the buyer bears the freight."""
    return await _return(play, no, "NO_REASON", "BUYER", "goods only: 300 fen")


async def _return(play: Player, no: str, reason: str, responsible: str, told: str) -> str:
    await play.received(no)
    case_no = await play.apply(no, reason)
    await play.on_case("shop", case_no, "return-shipment", PARCEL)
    received = {"decision": "received", "responsibility": responsible}
    await play.on_case("merchant", case_no, "receipt", received)
    await play.approve(case_no, "platform")
    await play.case_is(case_no, "COMPLETED")
    await play.order_is(no, "CLOSED")
    return f"sent back, received, {responsible.lower()} responsible; {told}"


async def silent_platform(play: Player, no: str) -> str:
    """Nobody looks for 24 h."""
    await play.paid(no)
    case_no = await play.apply(no)
    await play.approve(case_no, "merchant")
    await play.on_case("platform", case_no, "expire")
    await play.case_is(case_no, "COMPLETED")
    return "the merchant had approved: the clock processed it"


async def silent_merchant(play: Player, no: str) -> str:
    """Nobody looks for 48 h."""
    await play.paid(no)
    case_no = await play.apply(no)
    await play.on_case("platform", case_no, "expire")
    await play.case_is(case_no, "PENDING_PLATFORM")
    await play.approve(case_no, "platform")
    await play.case_is(case_no, "COMPLETED")
    return "the clock approved for the merchant; the platform processed"


async def late_payment(play: Player, no: str) -> str:
    """Money that nobody owes any more."""
    await play.order(no)
    await play.does("shop", f"/v1/orders/{no}/close")
    paid = await play.pay(no)
    await _until(play, lambda: _case_state(play, f"late-{paid['transaction_id']}"), "COMPLETED")
    return "paid after closing: sent back by itself"


async def unknown_and_back(play: Player, no: str) -> str:
    """Unknown is not failed."""
    await play.paid(no)
    case_no = await play.apply(no)
    number = f"{case_no}-1"
    await play.control("faults", fault="reply_lost", call="refund", number=number)
    await play.approve(case_no)
    await play.case_is(case_no, "COMPLETED")
    went = [entry["to"] for entry in (await play.refund_of(number))["timeline"]]
    if "UNKNOWN" not in went:
        raise NotAsExpected(f"never unknown: {went}")
    return "WeChat's reply was lost: asked, same number, refunded once"


async def abnormal(play: Player, no: str) -> str:
    """A card that takes no money."""
    await play.paid(no)
    case_no = await play.apply(no)
    number = f"{case_no}-1"
    await play.control("faults", fault="refund_ends_change", call="refund", number=number)
    await play.approve(case_no)
    await play.case_is(case_no, "REFUND_ABNORMAL")
    settle = {
        "out_refund_no": number,
        "reference": "BANK-0001",
        "reason": "原路退款失败，已线下转账",
    }
    await play.on_case("finance", case_no, "settle-offline", settle)
    await play.on_case("finance2", case_no, "settle-offline", settle)
    await play.refund_is(number, "MANUAL_SETTLED")
    return "the card is void; two people settled it offline"


async def article(play: Player, no: str) -> str:
    """What the original article's readers try first."""
    notified = await play.api.get("/apis/pay_notify?test=true")
    if b"SUCCESS" not in notified.content:
        raise NotAsExpected(notified.text)
    await play.order_is(no, "AWAITING_SHIPMENT")
    refunded = await play.does("platform", f"/apis/pay_refund?no={no}")
    await play.case_is(refunded["case_no"], "COMPLETED")
    return "GET pay_notify?test=true, POST pay_refund: 1 fen back"


async def worked_example(play: Player, no: str) -> str:
    """The numbers of docs/money.md."""
    gift = {"coupon_no": f"gift-{no}", "title": "5 元兑换券", "face_value": 500}
    await play.paid(no, **O1, gifts=[gift | {"keep_if_goods_at_least": 10000}])
    first = await play.apply(no, lines=[{"sku": "B", "quantity": 1}])
    await play.on_case("admin", first, "merchant-review", APPROVE)
    await play.approve(first, "platform")
    await play.case_is(first, "COMPLETED")
    await play.does("shop", f"/v1/orders/{no}/ship", PARCEL)
    await play.does("shop", f"/v1/orders/{no}/receive")
    spent_on = await play.paid(f"{no}-next")
    await play.does("shop", f"/v1/coupons/gift-{no}/use", {"out_trade_no": spent_on})
    second = await _sent_back(play, no, "BUYER", [{"sku": "A", "quantity": 1}])
    third = await _sent_back(play, no, "MERCHANT", None)
    fees = [(await play.case_of(case))["amounts"]["refund_fee"] for case in (first, second, third)]
    if fees != [2954, 4555, 9021]:
        raise NotAsExpected(f"refunded {fees}")
    return "2954, 4555 less the voucher, 9021 with freight"


async def _sent_back(play: Player, no: str, responsible: str, lines: object) -> str:
    reason = "QUALITY" if responsible == "MERCHANT" else "NO_REASON"
    case_no = await play.apply(no, reason, **({"lines": lines} if lines else {}))
    await play.on_case("shop", case_no, "return-shipment", PARCEL)
    received = {"decision": "received", "responsibility": responsible}
    await play.on_case("admin", case_no, "receipt", received)
    await play.approve(case_no, "platform")
    await play.case_is(case_no, "COMPLETED")
    return case_no


STORIES: Final[dict[str, tuple[str, Story]]] = {
    "day-completed": ("paid and completed", completed),
    "day-unpaid": ("unpaid and closed", unpaid),
    "day-paid-2nd-try": ("failed payment, then paid", failed_then_paid),
    "day-unshipped": ("unshipped refund", unshipped_refund),
    "day-rejected-once": ("rejected, applied again, approved", rejected_then_approved),
    "day-quality": ("return with a quality problem", quality_return),
    "day-no-reason": ("return without a reason", no_reason_return),
    "day-silent-platform": ("platform silent for its 24 h", silent_platform),
    "day-silent-merchant": ("merchant silent for 48 h", silent_merchant),
    "day-late-payment": ("late payment", late_payment),
    "day-unknown": ("a refund that goes UNKNOWN and comes back", unknown_and_back),
    "day-abnormal": ("ABNORMAL, settled by two people", abnormal),
    "day-o1": ("three refunds of one order, a used voucher", worked_example),
    ARTICLE_ORDER: ("the article's sample, refunded by pay_refund", article),
}
"""Order number → title and story."""


async def play(
    system: System,
    say: Callable[[Played], None],
    *,
    stories: Mapping[str, tuple[str, Story]] = STORIES,
    transport: httpx.AsyncBaseTransport | None = None,
    patience_s: float = PATIENCE_S,
) -> list[Played]:
    """Play the stories at once, telling each as it ends; then hold them against the money.

    Args:
        system: a sandbox.
        say: takes each story as it ends.
        stories: order number → title and story.
        transport: how the API is spoken to.
        patience_s: how long something may take to come about.
    """
    async with (
        httpx.AsyncClient(base_url=system.base_url, timeout=30, transport=transport) as api,
        httpx.AsyncClient(base_url=system.simulator_url, timeout=30, verify=False) as wechat,
    ):
        player = Player(api, wechat, dict(WHO), patience_s=patience_s)
        await player.control("clock", scale=SIMULATOR_SCALE)
        await _quick_merchant(player)
        temporal = await Client.connect(system.temporal_address)
        told = [_tell(player, temporal, no, story, say) for no, story in stories.items()]
        played = await asyncio.gather(*told)
        await player.control("clock", scale=1)
        return played


async def _tell(
    player: Player,
    temporal: Client,
    no: str,
    named: tuple[str, Story],
    say: Callable[[Played], None],
) -> Played:
    start = time.monotonic()
    (name, story), problem, told = named, "", ""
    try:
        told = await story(player, no)
    except (NotAsExpected, httpx.HTTPError) as error:
        problem = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - start
    agreed = not problem and await agrees(player, no)
    events = await _events(player, temporal, no) if not problem else 0
    played = Played(name, told or problem, seconds, events, agreed, problem)
    say(played)
    return played


async def agrees(player: Player, no: str) -> bool:
    """Whether the simulator's money for an order is what our books say, to the fen."""
    truth = await player.truth()
    paid = sum(row["total_fee"] for row in truth["payments"] if row["out_trade_no"] == no)
    refunds = [row for row in truth["refunds"] if row["out_trade_no"] == no]
    back = sum(row["refund_fee"] * row["money_moves"] for row in refunds)
    entries = (await player.get("finance", f"/v1/ledger/entries?out_trade_no={no}"))["items"]
    booked = {"PAYMENT": 0, "UNOWED_PAYMENT": 0, "REFUND_PAID": 0}
    for posting in entries:
        for entry in posting["entries"]:
            if entry["name"] == "channel_clearing" and posting["kind"] in booked:
                booked[posting["kind"]] += entry["debit"] - entry["credit"]
    ours = booked["PAYMENT"] + booked["UNOWED_PAYMENT"], -booked["REFUND_PAID"]
    return ours == (paid, back) and all(row["money_moves"] <= 1 for row in refunds)


async def _events(player: Player, temporal: Client, no: str) -> int:
    """Events in the histories of an order and of all its cases and refunds."""
    runs = [f"order-{no}"]
    for case in (await player.order_of(no))["after_sales"]:
        runs.append(f"after-sale-{case['case_no']}")
        refunds = (await player.case_of(case["case_no"]))["refunds"]
        runs += [f"refund-{refund['out_refund_no']}" for refund in refunds]
    described = [await temporal.get_workflow_handle(run).describe() for run in runs]
    return sum(run.history_length for run in described)


async def reconcile(base_url: str) -> str:
    """Hold the day against WeChat's bill; SETTLED when nothing differs."""
    today = datetime.now(CHINA).date().isoformat()
    headers = {"Authorization": f"Bearer {WHO['finance']}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=30) as api:
        path = f"/v1/reconciliations/{today}"
        reply = await api.post(path, headers={"Idempotency-Key": f"day-{today}"})
        state = reply.json().get("state", reply.text)
        for _ in range(RECONCILED_WITHIN_LOOKS):
            if state != "RUNNING":
                break
            await asyncio.sleep(0.5)
            state = (await api.get(path)).json()["state"]
    return str(state)


async def _quick_merchant(player: Player) -> None:
    """Three refunds of one order would take minutes: this merchant's are a second apart."""
    body = {"name": "三味茶铺", "policies": {"refund_gap": "1s"}}
    headers = {"Authorization": f"Bearer {player.tokens['platform']}"}
    reply = await player.api.put(f"/v1/merchants/{QUICK_MERCHANT}", json=body, headers=headers)
    reply.raise_for_status()


async def _until(play: Player, look: Callable[[], Awaitable[Any]], wanted: object) -> None:
    deadline = time.monotonic() + play.patience_s
    while time.monotonic() < deadline:
        if await look() == wanted:
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise NotAsExpected(f"expected {wanted}, but it stays {await look()}")


async def _pay_state(player: Player, no: str) -> int:
    state: int = (await player.order_of(no))["pay_state"]
    return state


async def _case_state(player: Player, case_no: str) -> str:
    headers = {"Authorization": f"Bearer {player.tokens['auditor']}"}
    reply = await player.api.get(f"/v1/after-sales/{case_no}", headers=headers)
    state: str = reply.json().get("state", "")
    return state
