"""What strangers write is shown as they wrote it, on every page: it runs nothing, opens nothing."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.attack.test_texts import HOSTILE
from tests.console.harness import Clerk, Shop

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

Clerks = Callable[..., Clerk]


def written(shop: Shop, text: str) -> tuple[str, str]:
    """An order and its case whose every text is this one; their numbers."""
    line = {"sku": text, "title": text, "quantity": 2, "unit_price": 4500}
    gift = {"coupon_no": f"gift-{text.encode().hex()[:32]}", "title": text, "face_value": 20}
    number = shop.paid(openid=text, description=text, attach=text, lines=[line], gifts=[gift])
    parcel = {"carrier": text, "tracking_no": text}
    shop.does("shop", f"/v1/orders/{number}/ship", parcel)
    case_no = shop.applied(number, reason=text)
    shop.does("shop", f"/v1/after-sales/{case_no}/return-shipment", parcel)
    received = {"decision": "received", "responsibility": "BUYER", "reason": text}
    shop.does("merchant", f"/v1/after-sales/{case_no}/receipt", received)
    return number, case_no


def is_harmless(page: Page) -> None:
    """Nothing of what was written became part of the page."""
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x], total_fee, [onmouseover]").count() == 0
    assert "49${" not in page.inner_text("body")


def test_a_text_is_shown_to_the_letter_and_does_nothing(shop: Shop, clerk: Clerks) -> None:
    ada = clerk("ada")
    for text in HOSTILE.values():
        number, case_no = written(shop, text)
        for path in (f"/orders/{number}", f"/cases/{case_no}"):
            ada.open(path)
            expect(ada.page.get_by_text(text).first).to_be_visible()
            is_harmless(ada.page)
    for path in ("/", "/cases", "/orders", "/audit", "/refunds"):
        ada.open(path)
        is_harmless(ada.page)
    for text in HOSTILE.values():
        ada.open(f"/orders?text={quote(text, safe='')}")
        is_harmless(ada.page)
