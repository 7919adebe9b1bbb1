"""Who takes part: the shop's system over REST, and clerks in their browsers."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import Browser, Locator, Page, expect

from tools.player import APPROVE, PARCEL
from tools.shop_day import WHO
from tools.stack import Stack

PATIENCE_S = 60.0
PATIENCE_MS = 60_000
LOOK_EVERY_S = 0.05
_serial = itertools.count(1)
CUPS = [{"sku": "cup", "title": "手作茶杯", "quantity": 2, "unit_price": 4500}]

expect.set_options(timeout=PATIENCE_MS)


class Shop:
    """Plays the shop's system, the buyer, and any clerk who works by REST."""

    def __init__(self, stack: Stack) -> None:
        self._api = httpx.Client(base_url=stack.base_url, timeout=30)
        self._wechat = httpx.Client(base_url=stack.simulator_url, timeout=30)

    def close(self) -> None:
        self._api.close()
        self._wechat.close()

    def post(self, who: str, path: str, body: object = None) -> httpx.Response:
        return self.send("POST", WHO[who], path, body)

    def send(self, method: str, token: str, path: str, body: object = None) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": f"console-{next(_serial)}-{time.monotonic_ns()}",
        }
        return self._api.request(method, path, json=body, headers=headers)

    def does(self, who: str, path: str, body: object = None) -> Any:
        reply = self.post(who, path, body)
        assert reply.is_success, reply.text
        return reply.json()

    def get(self, who: str, path: str) -> Any:
        reply = self._api.get(path, headers={"Authorization": f"Bearer {WHO[who]}"})
        assert reply.is_success, reply.text
        return reply.json()

    def control(self, path: str, **body: object) -> Any:
        reply = self._wechat.post(f"/_control/{path}", json=body)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else {}

    def money_moves(self, out_trade_no: str) -> dict[str, tuple[int, int]]:
        """Refund number → how often money really left, and how much (fen)."""
        refunds = self._wechat.get("/_control/ledger").json()["refunds"]
        return {
            one["out_refund_no"]: (one["money_moves"], one["refund_fee"])
            for one in refunds
            if one["out_trade_no"] == out_trade_no
        }

    def paid(self, **more: object) -> str:
        """A paid order of two cups and freight, ¥98.00; its number."""
        number = f"console{next(_serial):05d}"
        order = {
            "out_trade_no": number,
            "merchant_id": "m1",
            "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
            "description": "茶杯",
            "freight": 800,
            "lines": CUPS,
        }
        self.does("shop", "/v1/orders", order | more)
        self.control("pay", out_trade_no=number)
        self.until(f"/v1/orders/{number}", "AWAITING_SHIPMENT")
        return number

    def received(self, **more: object) -> str:
        number = self.paid(**more)
        self.does("shop", f"/v1/orders/{number}/ship", PARCEL)
        self.does("shop", f"/v1/orders/{number}/receive")
        return number

    def applied(self, number: str, reason_code: str = "NO_REASON", **more: object) -> str:
        """The buyer applies for what the order's state allows; the case's number."""
        unshipped = self.get("auditor", f"/v1/orders/{number}")["state"] == "AWAITING_SHIPMENT"
        kind = "REFUND_ONLY" if unshipped else "RETURN_REFUND"
        body = {"type": kind, "reason_code": reason_code, "reason": "拍错了", **more}
        case_no: str = self.does("shop", f"/v1/orders/{number}/after-sales", body)["case_no"]
        return case_no

    def sent_back(self, reason_code: str) -> str:
        """A case whose goods are on their way back; its number."""
        case_no = self.applied(self.received(), reason_code)
        self.does("shop", f"/v1/after-sales/{case_no}/return-shipment", PARCEL)
        return case_no

    def approves(self, case_no: str, *desks: str) -> None:
        for desk in desks:
            self.does(desk, f"/v1/after-sales/{case_no}/{desk}-review", APPROVE)

    def stuck(self, fault: str) -> tuple[str, str]:
        """A case whose refund WeChat Pay reports as failed: order and case."""
        number = self.paid()
        case_no = self.applied(number)
        self.control("faults", fault=fault, call="refund", number=f"{case_no}-1")
        self.approves(case_no, "merchant", "platform")
        self.case_is(case_no, "REFUND_ABNORMAL")
        return number, case_no

    def case_is(self, case_no: str, state: str) -> Any:
        return self.until(f"/v1/after-sales/{case_no}", state)

    def until(self, path: str, state: str) -> Any:
        return eventually(lambda: self.get("auditor", path), lambda seen: seen["state"] == state)


class Clerk:
    """Somebody at a browser; `errors` is what went wrong on their pages."""

    def __init__(self, browser: Browser, url: str, **window: object) -> None:
        chosen: dict[str, Any] = {"locale": "zh-CN", "timezone_id": "Asia/Shanghai", **window}
        chosen.setdefault("viewport", {"width": 1280, "height": 900})
        self.url = url
        self.errors: list[str] = []
        self._context = browser.new_context(**chosen)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def close(self) -> None:
        self._context.close()

    def sign_in(self, name: str, password: str = "sandbox") -> None:
        self.page.goto(f"{self.url}/sign-in")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(f"{self.url}/")
        self.settled()

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.settled()

    def settled(self) -> None:
        """The page is drawn and connected."""
        expect(self.page.locator("h1")).to_be_visible()
        self.page.wait_for_function("window.did_handshake === true")

    def sees(self, text: str) -> None:
        expect(self.page.locator(".page")).to_contain_text(text)

    def row(self, text: str) -> Locator:
        """The row of a table that says this."""
        return self.page.locator("tbody tr", has_text=text)

    def line(self, text: str) -> Locator:
        """The line of a list that says this."""
        return self.page.locator("li.line", has_text=text)

    def press(self, name: str, within: Locator | None = None) -> None:
        place = within if within is not None else self.page
        place.get_by_role("button", name=name).first.click()

    @property
    def dialog(self) -> Locator:
        return self.page.locator(".q-dialog .dialog")

    def confirms(self, button: str) -> None:
        """Press the dialog's button and wait until it is gone."""
        self.dialog.get_by_role("button", name=button, exact=True).click()
        expect(self.dialog).to_have_count(0)

    def writes(self, text: str, label: str = "原因") -> None:
        """Fill in a field of the dialog."""
        self.dialog.get_by_label(label).fill(text)

    def state(self) -> Locator:
        """Where the open case or order stands."""
        return self.page.locator(".case-state .badge").first


def eventually(look: Callable[[], Any], is_right: Callable[[Any], bool]) -> Any:
    """What `look` sees once it is right."""
    deadline = time.monotonic() + PATIENCE_S
    seen = look()
    while not is_right(seen) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        seen = look()
    assert is_right(seen), seen
    return seen
