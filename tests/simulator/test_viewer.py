"""The page, played in a real Chromium."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.simulator.harness import Merchant, Shop, eventually

expect.set_options(timeout=60_000)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium in CI")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.slow
def test_a_newcomer_plays_the_page(page: Page, merchant: Merchant, shop: Shop) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(merchant.base_url)
    expect(page.locator("#settings")).to_contain_text("WECHAT_BASE_URL=" + merchant.base_url)
    number = merchant.order(attach="<img src=x onerror=alert(1)>")
    expect(page.locator("#rows")).to_contain_text("unifiedorder")

    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("DELIVERED")
    told = page.locator("#rows tr", has_text="pay_notify").first
    told.click()
    expect(page.locator("#what")).to_contain_text("signature right, acknowledged")
    expect(page.locator("#request")).to_contain_text("onerror=alert(1)")

    page.locator("#replay").click()
    eventually(lambda: len(shop.heard) == 2)
    assert shop.heard[0][1] == shop.heard[1][1]

    page.get_by_label("Waits run").select_option("20")
    expect(page.locator("#scale")).to_have_text("20 ×")
    page.get_by_label("Name").select_option("refund_slow")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator("#armed")).to_contain_text("refund_slow refund")
    merchant.refund(number, 300)
    page.get_by_role("button", name=f"Finish refund refund-of-{number}").click()
    eventually(lambda: merchant.refund_row(number)["state"] == "SUCCESS")
    expect(page.locator("#refunds")).to_contain_text("SUCCESS")
    page.get_by_role("button", name="+ 1 day").click()
    expect(page.get_by_role("status")).to_have_text("time has passed")
    assert errors == []


def test_a_captured_call_is_replayed_through_the_same_door(merchant: Merchant) -> None:
    merchant.order()
    before = merchant.http.get("/_control/exchanges").json()[-1]
    told = merchant.control(f"exchanges/{before['id']}/replay")
    assert "prepay_id" in str(told["response"])
    assert merchant.http.post("/_control/exchanges/999999/replay").status_code == 404


def test_the_page_may_load_nothing_from_elsewhere(merchant: Merchant) -> None:
    reply = merchant.http.get("/")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "http" not in reply.text.replace("WECHAT", "").lower().split("</style>")[0]
