"""O1, the order whose every fen is worked out in docs/money.md, played through REST."""

from datetime import timedelta
from typing import Any

from tests.shop import APPROVE, PARCEL, Shop

MINUTE = timedelta(minutes=1)
VOUCHER = 500


def body(number: str, merchant_id: str) -> dict[str, Any]:
    """O1 as a shop places it: 17030 fen to pay."""
    gift = {"coupon_no": f"gift-{number}", "title": "五元券", "face_value": VOUCHER}
    return {
        "out_trade_no": number,
        "merchant_id": merchant_id,
        "openid": "o-buyer",
        "description": "茶具",
        "lines": [
            {"sku": "A", "title": "紫砂壶", "quantity": 2, "unit_price": 5990},
            {"sku": "B", "title": "茶盘", "quantity": 1, "unit_price": 3500},
            {"sku": "C", "title": "茶杯", "quantity": 3, "unit_price": 1250},
        ],
        "freight": 800,
        "merchant_discount": 2000,
        "platform_coupon": 1000,
        "gifts": [gift | {"keep_if_goods_at_least": 10_000}],
    }


async def merchant(shop: Shop, merchant_id: str, **policies: Any) -> None:
    """A merchant with policies of its own."""
    settings = {"name": "=茶叶铺", "policies": policies}
    headers = {"Authorization": "Bearer platform"}
    reply = await shop.api.put(f"/v1/merchants/{merchant_id}", json=settings, headers=headers)
    assert reply.status_code == 200, reply.text


async def paid(shop: Shop, number: str, merchant_id: str) -> None:
    """O1, paid."""
    placed = await shop.does("shop", "/v1/orders", body(number, merchant_id))
    assert placed["total_fee"] == 17030
    await shop.pay(number)
    await shop.order_is(number, "AWAITING_SHIPMENT")


async def r1(shop: Shop, number: str) -> Any:
    """The unshipped tray goes back; the case."""
    case_no = await shop.apply(number, lines=[{"sku": "B", "quantity": 1}])
    await shop.does("admin", f"/v1/after-sales/{case_no}/merchant-review", APPROVE)
    return await _processed(shop, case_no)


async def r2(shop: Shop, number: str) -> Any:
    """One pot comes back without a reason; its buyer has spent the voucher."""
    return await _returned(shop, number, "BUYER", lines=[{"sku": "A", "quantity": 1}])


async def r3(shop: Shop, number: str) -> Any:
    """The rest comes back with a fault."""
    return await _returned(shop, number, "MERCHANT", reason_code="QUALITY")


async def completed(shop: Shop, number: str) -> None:
    """Shipped, received, and the windows over."""
    await shop.does("shop", f"/v1/orders/{number}/ship", PARCEL)
    await shop.does("shop", f"/v1/orders/{number}/receive")
    await shop.does("admin", f"/v1/orders/{number}/expire")
    await shop.order_is(number, "COMPLETED")


async def _returned(shop: Shop, number: str, responsible: str, **more: Any) -> Any:
    case_no = await shop.apply(number, **more)
    await shop.does("shop", f"/v1/after-sales/{case_no}/return-shipment", PARCEL)
    received = {"decision": "received", "responsibility": responsible}
    await shop.does("admin", f"/v1/after-sales/{case_no}/receipt", received)
    return await _processed(shop, case_no)


async def _processed(shop: Shop, case_no: str) -> Any:
    """WeChat Pay takes one refund of an order a minute."""
    await shop.approve(case_no, "platform")
    await shop.sleep(MINUTE)
    return await shop.case_is(case_no, "COMPLETED")
