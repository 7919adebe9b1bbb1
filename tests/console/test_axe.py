"""No page keeps anybody out: axe finds no serious fault, on light and dark, wide and narrow."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from api.console.menu import PAGES, Page
from tests.console.harness import Clerk, Shop

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

GRAVE = {"serious", "critical"}
WINDOWS: dict[str, dict[str, object]] = {
    "light": {},
    "dark": {"color_scheme": "dark", "locale": "en-US"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}


def faults(clerk: Clerk, within: str | None = None) -> list[str]:
    """What axe holds against the page, or the part of it that can be reached now."""
    clerk.page.wait_for_timeout(500)
    found = Axe().run(clerk.page, context=within).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_page(shop: Shop, clerk: Callable[..., Clerk], page: Page, window: str) -> None:
    number = shop.paid()
    case_no = shop.applied(number)
    ada = clerk("ada", **WINDOWS[window])
    ada.open(page.path.format(case_no=case_no, out_trade_no=number))
    assert faults(ada) == []


@pytest.mark.parametrize("window", WINDOWS)
def test_the_door_and_a_dialog(shop: Shop, clerk: Callable[..., Clerk], window: str) -> None:
    case_no = shop.applied(shop.paid())
    ada = clerk("ada", **WINDOWS[window])
    ada.open(f"/cases/{case_no}")
    ada.page.locator(".case-actions .danger").click()
    ada.dialog.wait_for()
    assert faults(ada, ".q-dialog") == []
    ada.page.keyboard.press("Escape")
    ada.page.locator("form button[type=submit]").click()
    ada.page.locator("#password").wait_for()
    assert faults(ada) == []
