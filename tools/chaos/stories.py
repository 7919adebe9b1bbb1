"""What happens to orders: random stories, each of which knows how it may end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tools.chaos.hand import Hand
from tools.player import APPROVE, PARCEL

BACK_BY_SIGNAL: Final = 0.4
EXTENDED: Final = 0.1
PRICES: Final = (990, 1500, 2990)
REASON: Final = "今天下午已经备货"


@dataclass(frozen=True)
class Ending:
    """How a story may end; fen. `back` is what WeChat Pay has moved back to the buyer in all."""

    order: frozenset[str]
    back: frozenset[int] = frozenset({0})
    cases: dict[str, str] = field(default_factory=dict)


@dataclass
class Basket:
    """What is bought."""

    lines: list[dict[str, Any]]
    freight: int
    discount: int
    coupon: int

    @property
    def goods(self) -> int:
        """What the goods cost after discounts."""
        gross: int = sum(line["quantity"] * line["unit_price"] for line in self.lines)
        return gross - self.discount - self.coupon

    @property
    def total(self) -> int:
        """What the buyer pays."""
        return self.goods + self.freight

    def body(self, no: str, **more: Any) -> dict[str, Any]:
        """The order as the shop places it."""
        return {
            "out_trade_no": no,
            "merchant_id": "m1",
            "openid": f"o-{no}",
            "description": "茶具",
            "lines": self.lines,
            "freight": self.freight,
            "merchant_discount": self.discount,
            "platform_coupon": self.coupon,
        } | more


def basket(dice: random.Random, *, plain: bool = False) -> Basket:
    """One to three lines; a plain one without discounts has always three."""
    lines = [
        {"sku": f"sku{place}", "title": "茶", "quantity": dice.randint(1, 2), "unit_price": price}
        for place, price in enumerate(PRICES[: 3 if plain else dice.randint(1, 3)])
    ]
    discount, coupon = (0, 0) if plain else (dice.choice((0, 101)), dice.choice((0, 55)))
    return Basket(lines, dice.choice((0, 600)), discount, coupon)


# ---- steps that stories share


async def placed(play: Hand, bought: Basket, **more: Any) -> None:
    """Place the order."""
    await play.does("shop", "/v1/orders", bought.body(play.no, **more))


async def paid(play: Hand, bought: Basket, **more: Any) -> None:
    """Place the order and pay it; where no notification comes, the order's time runs out."""
    await placed(play, bought, **more)
    await play.pay()
    await is_paid(play)


async def is_paid(play: Hand) -> None:
    """Wait for a payment that was made."""
    expire = f"/v1/orders/{play.no}/expire"
    await play.order_is("AWAITING_SHIPMENT", nudge=lambda: play.ask("admin", expire))


async def shipped(play: Hand, bought: Basket, **more: Any) -> None:
    """Place, pay and ship an order."""
    await paid(play, bought, **more)
    await play.does(play.dice.choice(("shop", "merchant")), f"/v1/orders/{play.no}/ship", PARCEL)


async def received(play: Hand, bought: Basket, **more: Any) -> None:
    """Place, pay, ship and receive an order."""
    await shipped(play, bought, **more)
    await play.does("shop", f"/v1/orders/{play.no}/receive")


async def applied(play: Hand, kind: str, reason_code: str, **more: Any) -> str:
    """The buyer applies; the case's number."""
    body = {"type": kind, "reason_code": reason_code, "reason": "不想要了"} | more
    case_no: str = (await play.does("shop", f"/v1/orders/{play.no}/after-sales", body))["case_no"]
    return case_no


async def approved(play: Hand, case_no: str, desk: str) -> None:
    """A person approves at a desk, by REST or by signal."""
    if play.chance(BACK_BY_SIGNAL):
        await play.signal(case_no, "approve", {"stage": desk, "reviewer": "chaos"})
    else:
        await play.does(desk, f"/v1/after-sales/{case_no}/{desk}-review", APPROVE)


async def rejected(play: Hand, case_no: str, desk: str) -> None:
    """A person rejects at a desk, by REST or by signal."""
    if play.chance(BACK_BY_SIGNAL):
        said = {"stage": desk, "reviewer": "chaos", "reason": REASON}
        await play.signal(case_no, "reject", said)
    else:
        body = {"decision": "reject", "reason": REASON}
        await play.does(desk, f"/v1/after-sales/{case_no}/{desk}-review", body)
    await play.case_is(case_no, "REJECTED")


async def silent(play: Hand, case_no: str) -> None:
    """Nobody acts, and the deadline passes."""
    await play.does("platform", f"/v1/after-sales/{case_no}/expire")


async def processed(play: Hand, case_no: str, *, by_clock: bool) -> None:
    """The platform approves, or its time runs out."""
    await play.case_is(case_no, "PENDING_PLATFORM")
    if play.chance(EXTENDED):
        until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
        body = {"until": until, "reason": "节假日顺延"}
        await play.does("platform", f"/v1/after-sales/{case_no}/extend", body)
    await (silent(play, case_no) if by_clock else approved(play, case_no, "platform"))


async def reviewed(play: Hand, case_no: str) -> None:
    """Merchant and platform let the case through, each in some way."""
    in_person = play.chance(0.8)
    await (approved(play, case_no, "merchant") if in_person else silent(play, case_no))
    await processed(play, case_no, by_clock=in_person and play.chance(0.25))


async def sent_back(play: Hand, case_no: str, claimed: str) -> str:
    """The goods come back and are received; who is responsible."""
    await play.does("shop", f"/v1/after-sales/{case_no}/return-shipment", PARCEL)
    if play.chance(0.2):
        await silent(play, case_no)
        await processed(play, case_no, by_clock=False)
        return claimed
    responsible: str = play.dice.choice(("BUYER", "MERCHANT"))
    if play.chance(BACK_BY_SIGNAL):
        said = {"stage": "receipt", "reviewer": "chaos", "responsibility": responsible}
        await play.signal(case_no, "approve", said)
    else:
        body = {"decision": "received", "responsibility": responsible}
        await play.does("merchant", f"/v1/after-sales/{case_no}/receipt", body)
    await processed(play, case_no, by_clock=play.chance(0.25))
    return responsible


# ---- stories


async def completed(play: Hand) -> Ending:
    """The good day, as far as it comes."""
    bought = basket(play.dice)
    if play.chance(0.2):
        await shipped(play, bought)
        return Ending(frozenset({"SHIPPED"}))
    await received(play, bought)
    if play.chance(0.2):
        return Ending(frozenset({"RECEIVED"}))
    await play.does("admin", f"/v1/orders/{play.no}/expire")
    await play.order_is("COMPLETED")
    return Ending(frozenset({"COMPLETED"}))


async def abandoned(play: Hand) -> Ending:
    """Nobody pays."""
    await placed(play, basket(play.dice))
    if play.chance(0.2):
        await play.control("pay", out_trade_no=play.no, result="FAIL")
    who, how = play.dice.choice((("shop", "close"), ("admin", "expire")))
    await play.does(who, f"/v1/orders/{play.no}/{how}")
    await play.order_is("CLOSED")
    return Ending(frozenset({"CLOSED"}))


async def failed_then_paid(play: Hand) -> Ending:
    """The bank refuses once."""
    await placed(play, basket(play.dice))
    await play.control("pay", out_trade_no=play.no, result="FAIL")
    await play.pay()
    await is_paid(play)
    return Ending(frozenset({"AWAITING_SHIPMENT"}))


async def paid_twice(play: Hand) -> Ending:
    """A second transaction goes back by itself."""
    bought = basket(play.dice)
    await paid(play, bought)
    await play.pay(serial=2)
    await play.does("shop", f"/v1/orders/{play.no}/ship", PARCEL)
    return Ending(frozenset({"SHIPPED"}), frozenset({bought.total}))


async def paid_late(play: Hand) -> Ending:
    """Money for a closed order goes back by itself."""
    bought = basket(play.dice)
    await placed(play, bought)
    await play.does("shop", f"/v1/orders/{play.no}/close")
    await play.pay()
    return Ending(frozenset({"CLOSED"}), frozenset({bought.total}))


async def paid_while_closing(play: Hand) -> Ending:
    """Buyer and shop at the same moment: either one may be faster."""
    bought = basket(play.dice)
    await placed(play, bought)
    closing = play.ask("shop", f"/v1/orders/{play.no}/close")
    reply, _ = await asyncio.gather(closing, play.pay())
    if reply.ok:
        return Ending(frozenset({"CLOSED"}), frozenset({bought.total}))
    await is_paid(play)
    return Ending(frozenset({"AWAITING_SHIPMENT"}))


async def unshipped_refund(play: Hand) -> Ending:
    """未发货订单退款, whoever lets it through."""
    bought = basket(play.dice)
    await paid(play, bought)
    case_no = await applied(play, "REFUND_ONLY", play.dice.choice(("NO_REASON", "QUALITY")))
    await reviewed(play, case_no)
    await play.case_is(case_no, "COMPLETED")
    return Ending(frozenset({"CLOSED"}), frozenset({bought.total}), {case_no: "COMPLETED"})


async def rejected_then_again(play: Hand) -> Ending:
    """A rejection is not the end."""
    bought = basket(play.dice)
    await paid(play, bought)
    first = await applied(play, "REFUND_ONLY", "NO_REASON")
    if play.chance(0.5):
        await rejected(play, first, "merchant")
    else:
        await approved(play, first, "merchant")
        await play.case_is(first, "PENDING_PLATFORM")
        await rejected(play, first, "platform")
    if play.chance(0.4):
        await play.does("shop", f"/v1/orders/{play.no}/ship", PARCEL)
        return Ending(frozenset({"SHIPPED"}), cases={first: "REJECTED"})
    second = await applied(play, "REFUND_ONLY", "NO_REASON")
    await reviewed(play, second)
    await play.case_is(second, "COMPLETED")
    cases = {first: "REJECTED", second: "COMPLETED"}
    return Ending(frozenset({"CLOSED"}), frozenset({bought.total}), cases)


async def withdrawn(play: Hand) -> Ending:
    """The buyer changes their mind."""
    await paid(play, basket(play.dice))
    case_no = await applied(play, "REFUND_ONLY", "NO_REASON")
    if play.chance(0.5):
        await approved(play, case_no, "merchant")
        await play.case_is(case_no, "PENDING_PLATFORM")
    await play.does("shop", f"/v1/after-sales/{case_no}/withdraw")
    await play.does("shop", f"/v1/orders/{play.no}/ship", PARCEL)
    return Ending(frozenset({"SHIPPED"}), cases={case_no: "CLOSED"})


async def parcel_had_left(play: Hand) -> Ending:
    """A refund of unshipped goods that were on their way goes on as a return."""
    bought = basket(play.dice)
    await paid(play, bought)
    case_no = await applied(play, "REFUND_ONLY", "NO_REASON")
    ship = f"/v1/orders/{play.no}/ship"
    await play.refuses("shop", ship, PARCEL, "unshipped_refund_open")
    await play.does("shop", ship, PARCEL | {"already_shipped": True})
    await play.case_is(case_no, "AWAITING_RETURN")
    return await _returned(play, bought, case_no, "BUYER")


async def return_refund(play: Hand) -> Ending:
    """退货退款, from shipped or received goods."""
    bought = basket(play.dice)
    reach, before = play.dice.choice(((shipped, "SHIPPED"), (received, "RECEIVED")))
    await reach(play, bought)
    reason, claimed = play.dice.choice((("QUALITY", "MERCHANT"), ("NO_REASON", "BUYER")))
    case_no = await applied(play, "RETURN_REFUND", reason)
    if play.chance(0.15):
        await silent(play, case_no)
        return Ending(frozenset({before}), cases={case_no: "CLOSED"})
    if play.chance(0.15):
        await play.does("shop", f"/v1/after-sales/{case_no}/return-shipment", PARCEL)
        refused = {"decision": "refused", "reason": REASON}
        await play.does("merchant", f"/v1/after-sales/{case_no}/receipt", refused)
        return Ending(frozenset({before}), cases={case_no: "REJECTED"})
    return await _returned(play, bought, case_no, claimed)


async def _returned(play: Hand, bought: Basket, case_no: str, claimed: str) -> Ending:
    responsible = await sent_back(play, case_no, claimed)
    await play.case_is(case_no, "COMPLETED")
    back = bought.total if responsible == "MERCHANT" else bought.goods
    return Ending(frozenset({"CLOSED"}), frozenset({back}), {case_no: "COMPLETED"})


async def in_parts(play: Hand) -> Ending:
    """One case for each line, side by side or one after the other; perhaps not for all."""
    bought = basket(play.dice, plain=True)
    await paid(play, bought)
    lines = bought.lines if play.chance(0.5) else bought.lines[:2]
    if play.chance(0.5):
        cases = list(await asyncio.gather(*(_refunded_line(play, line) for line in lines)))
    else:
        cases = [await _refunded_line(play, line) for line in lines]
    back = sum(line["quantity"] * line["unit_price"] for line in lines)
    ended = dict.fromkeys(cases, "COMPLETED")
    if lines is bought.lines:
        return Ending(frozenset({"CLOSED"}), frozenset({bought.total}), ended)
    return Ending(frozenset({"AWAITING_SHIPMENT"}), frozenset({back}), ended)


async def _refunded_line(play: Hand, line: dict[str, Any]) -> str:
    lines = [{"sku": line["sku"], "quantity": line["quantity"]}]
    case_no = await applied(play, "REFUND_ONLY", "NO_REASON", lines=lines)
    await reviewed(play, case_no)
    await play.case_is(case_no, "COMPLETED")
    return case_no


async def refunded_by_hand(play: Hand) -> Ending:
    """pay_refund at any time, with and without a key, and twice at once."""
    bought = basket(play.dice)
    reach = play.dice.choice((paid, shipped, received))
    await reach(play, bought)
    after = "CLOSED"
    if reach is received and play.chance(0.5):
        await play.does("admin", f"/v1/orders/{play.no}/expire")
        after = await play.order_is("COMPLETED")
    path = f"/apis/pay_refund?no={play.no}"
    if play.chance(0.5):
        replies = [await play.ask("finance", path)]
    else:
        replies = await asyncio.gather(*(play.ask("platform", path, key=None) for _ in range(2)))
    case_no: str = replies[-1].body["case_no"]
    await play.case_is(case_no, "COMPLETED")
    return Ending(frozenset({after}), frozenset({bought.total}), {case_no: "COMPLETED"})


async def stuck(play: Hand) -> Ending:
    """The refund fails at WeChat Pay, and people find a way."""
    bought = basket(play.dice)
    await paid(play, bought)
    case_no = await applied(play, "REFUND_ONLY", "NO_REASON")
    number = f"{case_no}-1"
    ending = play.dice.choice(("refund_ends_change", "refund_ends_close"))
    await play.control("faults", fault=ending, call="refund", number=number)
    await reviewed(play, case_no)
    back = bought.total
    if await play.case_is(case_no, "COMPLETED", "REFUND_ABNORMAL") == "REFUND_ABNORMAL":
        back = await _freed(play, case_no, number, bought.total)
    await play.case_is(case_no, "COMPLETED")
    return Ending(frozenset({"CLOSED"}), frozenset({back}), {case_no: "COMPLETED"})


async def _freed(play: Hand, case_no: str, number: str, total: int) -> int:
    """By two people, by the bank, or by a new number; what WeChat Pay moves back in the end."""
    is_closed = play.world.feed.state("refund", number) == "CLOSED"
    if play.chance(0.5):
        body = {
            "out_refund_no": number,
            "reference": "BANK-1",
            "reason": "原路退款失败，已线下转账",
        }
        for who in ("finance", "finance2"):
            await play.does(who, f"/v1/after-sales/{case_no}/settle-offline", body)
        return 0
    if is_closed:
        again = {"out_refund_no": number}
        await play.does("finance", f"/v1/after-sales/{case_no}/refunds", again)
    else:
        await play.control(f"refunds/{number}/finish", state="SUCCESS")
        await play.ask("finance", f"/v1/refunds/{number}/query")
    return total


async def refunded_at_wechat(play: Hand) -> Ending:
    """Staff refund a little by hand in WeChat Pay's own console."""
    await paid(play, basket(play.dice))
    fen = play.dice.randint(1, 50)
    number = f"console-{play.no}"
    wanted = {"out_trade_no": play.no, "refund_fee": fen, "out_refund_no": number}
    await play.control("console-refund", **wanted)
    await play.does("shop", f"/v1/orders/{play.no}/ship", PARCEL)
    return Ending(frozenset({"SHIPPED"}), frozenset({fen}))


async def with_gift(play: Hand) -> Ending:
    """A voucher given with the order is taken back with it, used or not."""
    bought = basket(play.dice)
    face, coupon_no = 300, f"gift-{play.no}"
    gift = {"coupon_no": coupon_no, "title": "兑换券", "face_value": face}
    await paid(play, bought, gifts=[gift])
    used = play.chance(0.5)
    if used:
        await play.does("shop", f"/v1/coupons/{coupon_no}/use", {"out_trade_no": play.no})
    reason = play.dice.choice(("QUALITY", "NO_REASON"))
    case_no = await applied(play, "REFUND_ONLY", reason)
    await reviewed(play, case_no)
    await play.case_is(case_no, "COMPLETED")
    deducted = face if used and reason == "NO_REASON" else 0
    back = frozenset({bought.total - deducted})
    return Ending(frozenset({"CLOSED"}), back, {case_no: "COMPLETED"})


Story = Callable[[Hand], Awaitable[Ending]]

STORIES: Final[dict[Story, int]] = {
    completed: 20,
    abandoned: 7,
    failed_then_paid: 6,
    paid_twice: 6,
    paid_late: 6,
    paid_while_closing: 5,
    unshipped_refund: 14,
    rejected_then_again: 6,
    withdrawn: 4,
    parcel_had_left: 4,
    return_refund: 9,
    in_parts: 5,
    refunded_by_hand: 8,
    stuck: 7,
    refunded_at_wechat: 3,
    with_gift: 4,
}
"""Each story, and how often it is told."""


def chosen(dice: random.Random) -> Story:
    """The next story."""
    return dice.choices(list(STORIES), weights=list(STORIES.values()))[0]
