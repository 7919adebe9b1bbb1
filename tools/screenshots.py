"""`make screenshots`: pictures of the console for the documentation, from a shop in full swing."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from playwright.async_api import Browser, Page, async_playwright

from settings import SANDBOX_PASSWORD
from tools import shop_day
from tools.player import PARCEL, Player
from tools.shop_day import O1, WHO
from tools.stack import ROOT, Stack
from tools.supervisor import StackError, end_like_ctrl_c

IMAGES: Final = ROOT / "docs" / "images"
WIDE: Final = (1280, 860)
PHONE: Final = (390, 844)
BUYER: Final = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
GIFT: Final = {"title": "5 元兑换券", "face_value": 500, "keep_if_goods_at_least": 10000}
DRAWN_MS: Final = 1500

Act = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True)
class Picture:
    """One picture: whose page, in which language, how wide, how dark, after what."""

    name: str
    who: str
    path: str
    language: str = "zh-CN"
    size: tuple[int, int] = WIDE
    dark: bool = False
    act: Act | None = None


def main() -> int:
    """0 when every picture is taken; 1 when a part fails, 2 for a wrong setting."""
    end_like_ctrl_c()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("make screenshots: Chromium is needed (apt-get install chromium)", file=sys.stderr)
        return 1
    try:
        with (
            tempfile.TemporaryDirectory(prefix="wechat-order-flow-") as folder,
            Stack.apart(Path(folder), ui=True) as stack,
        ):
            asyncio.run(_work(stack, chromium))
    except StackError as error:
        print(f"make screenshots: {error}", file=sys.stderr)
        return error.exit_code
    return 0


async def _work(stack: Stack, chromium: str) -> None:
    await shop_day.play(stack, lambda _: None)
    case_no = await busy_day(stack)
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for picture in pictures(case_no):
            await take(browser, f"{stack.base_url}/console", picture)
            print(f"docs/images/{picture.name}.png")
        await browser.close()


def pictures(case_no: str) -> list[Picture]:
    """All of them."""
    case = f"/cases/{case_no}"
    return [
        Picture("queue.zh-CN", "ada", "/"),
        Picture("queue", "ada", "/", "en-US"),
        Picture("case.zh-CN", "mei", case),
        Picture("case", "mei", case, "en-US"),
        Picture("decision", "mei", case, act=_approve),
        Picture("cases", "ping", "/cases", "en-US"),
        Picture("refunds", "fang", "/refunds", "en-US", dark=True),
        Picture("statistics", "shen", "/statistics", dark=True),
        Picture("sandbox", "ada", "/sandbox", "en-US"),
        Picture("phone", "mei", "/", size=PHONE),
    ]


async def take(browser: Browser, console: str, picture: Picture) -> None:
    """Sign in, open the page, and keep what it looks like."""
    width, height = picture.size
    window = await browser.new_context(
        viewport={"width": width, "height": height},
        locale=picture.language,
        timezone_id="Asia/Shanghai",
        color_scheme="dark" if picture.dark else "light",
    )
    page = await window.new_page()
    await page.goto(f"{console}/sign-in")
    await page.fill("#name", picture.who)
    await page.fill("#password", SANDBOX_PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_url(f"{console}/")
    await page.goto(console + picture.path)
    await page.wait_for_timeout(DRAWN_MS)
    if picture.act is not None:
        await picture.act(page)
        await page.wait_for_timeout(DRAWN_MS)
    await page.screenshot(path=IMAGES / f"{picture.name}.png")
    await window.close()


async def _approve(page: Page) -> None:
    await page.get_by_role("button", name="同意").first.click()


async def busy_day(stack: Stack) -> str:
    """Cases at every desk, refunds in trouble, money that fits no order; one case's number."""
    async with (
        httpx.AsyncClient(base_url=stack.base_url, timeout=30) as api,
        httpx.AsyncClient(base_url=stack.simulator_url, timeout=30) as wechat,
    ):
        player = Player(api, wechat, dict(WHO))
        shown = await _tea_set(player)
        await _at_the_merchant(player)
        await _at_the_platform(player)
        await _in_trouble(player)
        await player.control("pay", out_trade_no="NOBODY-KNOWS-1", total_fee=6600)
        return shown


async def _tea_set(player: Player) -> str:
    gifts = [GIFT | {"coupon_no": "gift-tea-set"}]
    order = O1 | {"merchant_id": "m1", "openid": BUYER, "description": "茶具一套", "gifts": gifts}
    await player.paid("W20261124-0001", **order)
    return await player.apply("W20261124-0001", reason="临时有事，不需要了")


async def _at_the_merchant(player: Player) -> None:
    for number, (title, quantity, price) in enumerate(
        (("手作茶杯", 2, 4500), ("白瓷盖碗", 1, 12800), ("竹茶盘", 1, 23900)), 2
    ):
        order = f"W20261124-{number:04d}"
        await player.paid(order, **_of(title, quantity, price))
        await player.apply(order, reason="拍错了，想换别的颜色")
    for number, reason in ((5, "QUALITY"), (6, "NO_REASON")):
        order = f"W20261124-{number:04d}"
        await player.received(order, **_of("玻璃公道杯", 2, 5600))
        case_no = await player.apply(order, reason, reason="杯口有一道裂纹")
        await player.on_case("shop", case_no, "return-shipment", PARCEL)


async def _at_the_platform(player: Player) -> None:
    for number, (title, price) in enumerate((("陶茶壶", 32800), ("香插", 8700)), 7):
        order = f"W20261124-{number:04d}"
        await player.paid(order, **_of(title, 1, price))
        await player.approve(await player.apply(order), "merchant")
    await player.paid("W20261124-0009", **_of("紫砂壶", 1, 58800))
    late = await player.apply("W20261124-0009")
    await player.approve(late, "merchant")
    await player.on_case("platform", late, "expire")


async def _in_trouble(player: Player) -> None:
    await player.control("clock", scale=60)
    stuck = []
    for number, fault in ((10, "refund_ends_change"), (11, "refund_ends_close")):
        order = f"W20261124-{number:04d}"
        await player.paid(order, **_of("茶叶罐", 1, 8800))
        case_no = await player.apply(order)
        await player.control("faults", fault=fault, call="refund", number=f"{case_no}-1")
        await player.approve(case_no)
        await player.case_is(case_no, "REFUND_ABNORMAL")
        stuck.append(case_no)
    await player.control("clock", scale=1)
    proposal = {"out_refund_no": f"{stuck[0]}-1", "reference": "ICBC-20261124-0042"}
    why = {"reason": "银行卡已注销，已转账到买家新卡"}
    await player.on_case("finance", stuck[0], "settle-offline", proposal | why)


def _of(title: str, quantity: int, price: int) -> dict[str, object]:
    line = {"sku": title, "title": title, "quantity": quantity, "unit_price": price}
    return {"lines": [line], "description": title, "openid": BUYER}


if __name__ == "__main__":
    sys.exit(main())
