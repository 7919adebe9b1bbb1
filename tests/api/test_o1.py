"""O1 from payment to the last fen, through REST, against the numbers of docs/money.md."""

from collections import Counter

import pytest

from tests.api import o1
from tests.shop import PARCEL, Shop

Posted = tuple[str, dict[str, int]]


async def postings(shop: Shop, number: str) -> list[Posted]:
    """The postings of an order: kind, and each account's debits less credits."""
    found = await shop.get("finance", f"/v1/ledger/entries?out_trade_no={number}")
    return [
        (one["kind"], {leg["name"]: leg["debit"] - leg["credit"] for leg in one["entries"]})
        for one in found["items"]
    ]


async def balances(shop: Shop, *numbers: str) -> dict[str, int]:
    """What the accounts hold for some orders, empty ones left out."""
    total: Counter[str] = Counter()
    for number in numbers:
        for _, legs in await postings(shop, number):
            for name, fen in legs.items():
                total[name] += fen
    return {name: fen for name, fen in total.items() if fen}


async def test_three_refunds_and_a_spent_voucher(shop: Shop) -> None:
    await o1.merchant(shop, "m-o1")
    await o1.paid(shop, "o1-whole", "m-o1")
    other = await shop.order(merchant_id="m-o1")
    first = await o1.r1(shop, "o1-whole")
    await shop.does("shop", "/v1/orders/o1-whole/ship", PARCEL)
    await shop.does("shop", "/v1/coupons/gift-o1-whole/use", {"out_trade_no": other})
    second = await o1.r2(shop, "o1-whole")
    third = await o1.r3(shop, "o1-whole")
    fees = [case["amounts"]["refund_fee"] for case in (first, second, third)]
    assert fees == [2954, 4555, 9021]
    assert second["amounts"]["gift_recovery"] == 500
    assert third["amounts"]["freight"] == 800
    await shop.order_is("o1-whole", "CLOSED")
    assert await postings(shop, "o1-whole") == E1_TO_E15
    assert await postings(shop, other) == [E7]
    before_the_charge = {
        "channel_clearing": 497,
        "channel_fee_expense": 3,
        "gift_voucher_expense": 500,
        "escrow_goods": -500,
        "gift_voucher_recovery": -500,
    }
    assert await balances(shop, "o1-whole", other) == before_the_charge | {
        "merchant_receivable": 102,
        "channel_fee_recovery": -102,
    }
    assert sorted(await shop.money_moves("o1-whole")) == [1, 1, 1]
    assert (await shop.get("finance", "/v1/ledger/trial-balance"))["balanced"]


E7: Posted = ("GIFT_USED", {"gift_voucher_liability": 500, "escrow_goods": -500})
E1_TO_E15: list[Posted] = [
    (
        "PAYMENT",
        {
            "channel_clearing": 17030,
            "coupon_expense_platform": 1000,
            "escrow_goods": -17230,
            "escrow_freight": -800,
        },
    ),
    ("CHANNEL_FEE", {"channel_fee_expense": 102, "channel_clearing": -102}),
    ("GIFT_ISSUED", {"gift_voucher_expense": 500, "gift_voucher_liability": -500}),
    (
        "REFUND_APPROVED",
        {"escrow_goods": 3136, "coupon_expense_platform": -182, "refund_payable": -2954},
    ),
    ("REFUND_PAID", {"refund_payable": 2954, "channel_clearing": -2954}),
    ("FEE_RETURNED", {"channel_clearing": 18, "channel_fee_expense": -18}),
    (
        "REFUND_APPROVED",
        {"escrow_goods": 5366, "coupon_expense_platform": -311, "refund_payable": -5055},
    ),
    ("GIFT_RECOVERED", {"refund_payable": 500, "gift_voucher_recovery": -500}),
    ("REFUND_PAID", {"refund_payable": 4555, "channel_clearing": -4555}),
    ("FEE_RETURNED", {"channel_clearing": 27, "channel_fee_expense": -27}),
    (
        "REFUND_APPROVED",
        {
            "escrow_goods": 8728,
            "escrow_freight": 800,
            "coupon_expense_platform": -507,
            "refund_payable": -9021,
        },
    ),
    ("REFUND_PAID", {"refund_payable": 9021, "channel_clearing": -9021}),
    ("FEE_RETURNED", {"channel_clearing": 54, "channel_fee_expense": -54}),
    ("HANDLING_FEE", {"merchant_receivable": 102, "channel_fee_recovery": -102}),
]


@pytest.mark.parametrize(
    ("fee_policy", "settled"), [("MERCHANT_BEARS_ORIGINAL", 14510), ("CHANNEL_ACTUAL", 14528)]
)
async def test_settled_after_the_first_refund_only(
    shop: Shop, fee_policy: str, settled: int
) -> None:
    merchant_id, number = f"m-{settled}", f"o1-{settled}"
    await o1.merchant(shop, merchant_id, fee_policy=fee_policy, commission_rate="0.02")
    await o1.paid(shop, number, merchant_id)
    await o1.r1(shop, number)
    await o1.completed(shop, number)
    assert (await balances(shop, number))["merchant_payable"] == -settled


@pytest.mark.parametrize(
    ("fee_policy", "charged"), [("MERCHANT_BEARS_ORIGINAL", 60), ("CHANNEL_ACTUAL", 0)]
)
async def test_a_full_refund_of_10000(shop: Shop, fee_policy: str, charged: int) -> None:
    merchant_id = f"m-full-{charged}"
    await o1.merchant(shop, merchant_id, fee_policy=fee_policy)
    lines = [{"sku": "cup", "title": "茶杯", "quantity": 1, "unit_price": 10_000}]
    number = await shop.paid(merchant_id=merchant_id, lines=lines, freight=0)
    await shop.does("platform", f"/apis/pay_refund?no={number}")
    await shop.order_is(number, "CLOSED")
    assert (await balances(shop, number)).get("merchant_receivable", 0) == charged
