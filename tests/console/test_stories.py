"""Each role's main story on the running system, from signing in to WeChat Pay's ledger."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.console.harness import Clerk, Shop

pytestmark = pytest.mark.timeout(180)

Clerks = Callable[..., Clerk]


def test_a_merchant_approves_by_keyboard_and_the_platform_refunds(
    shop: Shop, clerk: Clerks
) -> None:
    number = shop.paid(
        merchant_discount=2000,
        platform_coupon=1000,
        gifts=[{"coupon_no": f"gift-{id(shop)}", "title": "5 元兑换券", "face_value": 500}],
    )
    case_no = shop.applied(number)
    mei = clerk("mei")
    expect(mei.row(case_no)).to_contain_text("待商家处理")
    while "is-picked" not in (mei.row(case_no).get_attribute("class") or ""):
        mei.page.keyboard.press("j")
        mei.page.wait_for_timeout(100)
    mei.page.keyboard.press("a")
    for part in ("¥90.00", "−¥20.00", "−¥10.00", "¥60.00", "¥8.00", "作废", "¥68.00", "24 小时"):
        expect(mei.dialog).to_contain_text(part)
    mei.confirms("同意")
    expect(mei.row(case_no)).to_have_count(0)

    ping = clerk("ping")
    expect(ping.row(case_no)).to_contain_text("¥68.00")
    ping.press("退款", ping.row(case_no))
    expect(ping.dialog).to_contain_text("确认后立即向微信支付提交：¥68.00")
    ping.confirms("确认退款")
    ping.open(f"/cases/{case_no}")
    expect(ping.state()).to_have_text("退款成功")
    ping.sees("商家同意")
    ping.sees("mei（商家）")
    assert shop.money_moves(number) == {f"{case_no}-1": (1, 6800)}


@pytest.mark.slow
def test_a_merchant_rejects_with_a_reason_that_the_buyer_can_read(
    shop: Shop, clerk: Clerks
) -> None:
    case_no = shop.applied(shop.paid())
    mei = clerk("mei")
    mei.press("拒绝", mei.row(case_no))
    confirm = mei.dialog.get_by_role("button", name="拒绝", exact=True)
    expect(confirm).to_be_disabled()
    mei.writes("货")
    expect(confirm).to_be_disabled()
    mei.writes("商品已出库，请改为退货退款")
    mei.confirms("拒绝")
    told = shop.case_is(case_no, "REJECTED")["timeline"][-1]
    assert (told["actor"], told["reason"]) == ("merchant:mei", "商品已出库，请改为退货退款")


@pytest.mark.slow
def test_receiving_goods_shows_what_the_responsibility_costs(shop: Shop, clerk: Clerks) -> None:
    case_no = shop.sent_back("NO_REASON")
    number = shop.get("auditor", f"/v1/after-sales/{case_no}")["out_trade_no"]
    mei = clerk("mei")
    mei.open(f"/cases/{case_no}")
    mei.sees("SF1234567890")
    mei.press("收货")
    expect(mei.dialog.locator(".sum-total")).to_contain_text("¥90.00")
    mei.dialog.get_by_text("商家责任").click()
    expect(mei.dialog.locator(".sum-total")).to_contain_text("¥98.00")
    mei.confirms("确认收货")
    expect(mei.state()).to_have_text("待平台处理")

    ping = clerk("ping")
    ping.open(f"/cases/{case_no}")
    ping.press("退款")
    ping.confirms("确认退款")
    expect(ping.state()).to_have_text("退款成功")
    expect(mei.state()).to_have_text("退款成功")  # the other page follows by itself
    assert shop.money_moves(number) == {f"{case_no}-1": (1, 9800)}


@pytest.mark.slow
def test_bulk_approval_has_a_result_for_each_case(shop: Shop, clerk: Clerks) -> None:
    good, withdrawn = shop.applied(shop.paid()), shop.applied(shop.paid())
    mei = clerk("mei")
    mei.open("/cases?state=PENDING_MERCHANT")
    for case_no in (good, withdrawn):
        mei.page.get_by_role("checkbox", name=case_no).click()
    expect(mei.page.locator(".bulk-bar")).to_contain_text("已选 2 单")
    mei.press("批量同意")
    shop.does("shop", f"/v1/after-sales/{withdrawn}/withdraw")
    mei.dialog.get_by_role("button", name="批量同意").click()
    results = mei.page.locator(".results")
    expect(results.locator("li", has_text=good)).to_contain_text("待平台处理")
    expect(results.locator("li", has_text=withdrawn)).to_contain_text("售后单已不在这一步")
    shop.case_is(good, "PENDING_PLATFORM")


@pytest.mark.slow
def test_offline_settlement_takes_two_people(shop: Shop, clerk: Clerks) -> None:
    number, case_no = shop.stuck("refund_ends_change")
    fang, feng = clerk("fang"), clerk("feng")
    fang.press("线下退款（提议）", fang.line(f"{case_no}-1"))
    fang.writes("ICBC-0042", "银行凭证号")
    fang.writes("银行卡已注销，已转账到新卡")
    fang.confirms("线下退款（提议）")

    waiting = fang.line(f"{case_no}-1")
    expect(waiting).to_contain_text("fang（财务） 已提议线下退款，凭证号 ICBC-0042")
    fang.press("线下退款（复核）", waiting)
    fang.writes("我自己复核")
    fang.dialog.get_by_role("button", name="线下退款（复核）").click()
    expect(fang.dialog).to_contain_text("须由另一个人复核")

    feng.press("线下退款（复核）", feng.line(f"{case_no}-1"))
    expect(feng.dialog).to_contain_text("fang（财务） 提议：¥98.00")
    feng.writes("已核对回单")
    feng.confirms("线下退款（复核）")
    shop.until(f"/v1/refunds/{case_no}-1", "MANUAL_SETTLED")
    expect(feng.line(f"{case_no}-1")).to_have_count(0)
    assert shop.money_moves(number) == {f"{case_no}-1": (0, 9800)}
    feng.open("/ledger")
    feng.sees("借贷平衡")


@pytest.mark.slow
def test_a_closed_refund_goes_out_under_a_new_number(shop: Shop, clerk: Clerks) -> None:
    number, case_no = shop.stuck("refund_ends_close")
    fang = clerk("fang")
    fang.open("/refunds")
    fang.press("立即查询", fang.line(f"{case_no}-1"))
    expect(fang.page.get_by_text("微信答复：退款关闭")).to_be_visible()
    fang.press("换新单号重退", fang.line(f"{case_no}-1"))
    fang.confirms("确认")
    expect(fang.row(f"{case_no}-2")).to_contain_text("退款成功")
    assert shop.money_moves(number) == {f"{case_no}-1": (0, 9800), f"{case_no}-2": (1, 9800)}


@pytest.mark.slow
def test_money_that_fits_no_order_waits_until_somebody_has_looked(
    shop: Shop, clerk: Clerks
) -> None:
    fang = clerk("fang")
    shop.control("pay", out_trade_no="NOBODY-KNOWS", total_fee=6600)
    told = fang.line("NOBODY-KNOWS")
    expect(told).to_contain_text("¥66.00")
    fang.press("已查看", told)
    fang.writes("测试付款，已联系买家", "怎么处理的")
    fang.confirms("已查看")
    expect(fang.line("NOBODY-KNOWS")).to_have_count(0)


@pytest.mark.slow
def test_finance_reconciles_a_day_and_reads_a_statement(shop: Shop, clerk: Clerks) -> None:
    number = shop.received()
    shop.does("admin", f"/v1/orders/{number}/expire")
    shop.until(f"/v1/orders/{number}", "COMPLETED")
    fang = clerk("fang")
    fang.open("/statement?merchant_id=m1")
    expect(fang.row(number)).to_contain_text("¥98.00")
    fang.open("/reconciliation")
    fang.press("对账")
    fang.confirms("确认")
    fang.sees("账单上的收款")
    fang.open("/statistics")
    fang.sees("退款率（按订单）")


@pytest.mark.slow
def test_an_auditor_reads_everything_and_changes_nothing(shop: Shop, clerk: Clerks) -> None:
    case_no = shop.applied(shop.paid())
    shen = clerk("shen")
    expect(shen.row(case_no)).to_be_visible()
    expect(shen.row(case_no).get_by_role("button")).to_have_count(0)
    shen.open(f"/cases/{case_no}")
    expect(shen.page.locator(".case-actions").get_by_role("button")).to_have_count(0)
    shen.page.goto(f"{shen.url}/sandbox")
    expect(shen.page.get_by_text("您的角色不能打开此页")).to_be_visible()
    shen.open("/audit")
    expect(shen.row("GET /console/sandbox").first).to_contain_text("拒绝")


@pytest.mark.slow
def test_who_may_see_a_buyer_is_written_down(shop: Shop, clerk: Clerks) -> None:
    number = shop.paid()
    fang, ping, shen = clerk("fang"), clerk("ping"), clerk("shen")
    fang.open(f"/orders/{number}")
    fang.sees("oUpF…6o")
    expect(fang.page.get_by_text("查看完整")).to_have_count(0)
    ping.open(f"/orders/{number}")
    ping.press("查看完整")
    ping.sees("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")
    shen.open("/audit")
    expect(shen.row(number)).to_contain_text("查看个人信息")


@pytest.mark.slow
def test_a_newcomer_plays_the_whole_story_by_hand(shop: Shop, clerk: Clerks) -> None:
    ada = clerk("ada", locale="en-US")
    ada.open("/sandbox")
    ada.press("Tea set")
    expect(ada.state()).to_have_text("Pending payment")
    number = ada.page.locator(".case-state .number").inner_text()
    ada.press("Pay as the buyer")
    expect(ada.state()).to_have_text("Awaiting shipment")
    ada.press("Ask for a refund, unshipped")
    ada.sees("The merchant's turn")
    case = ada.page.locator(".refund .number")
    case_no = case.inner_text()
    case.click()
    ada.press("Approve")
    expect(ada.dialog).to_contain_text("¥170.30")
    ada.confirms("Approve")
    ada.press("Process")
    ada.confirms("Refund now")
    expect(ada.state()).to_have_text("Refunded")
    ada.open(f"/sandbox?order={number}")
    ada.sees("money moved 1 ×")
    assert shop.money_moves(number) == {f"{case_no}-1": (1, 17030)}


@pytest.mark.slow
def test_a_deadline_passes_and_a_fault_strikes_at_the_press_of_a_button(
    shop: Shop, clerk: Clerks
) -> None:
    ada = clerk("ada", locale="en-US")
    ada.open("/sandbox")
    ada.press("Two cups")
    expect(ada.state()).to_have_text("Pending payment")
    number = ada.page.locator(".case-state .number").inner_text()
    ada.press("Pay as the buyer")
    ada.press("Ask for a refund, unshipped")
    ada.press("Let the deadline pass", ada.page.locator(".refund"))
    ada.sees("The platform's turn")
    ada.press("Arm it")
    ada.sees("Done, but the reply is lost")
    case_no = ada.page.locator(".refund .number").inner_text()
    shop.approves(case_no, "platform")
    shop.case_is(case_no, "COMPLETED")
    went = [one["to"] for one in shop.get("auditor", f"/v1/refunds/{case_no}-1")["timeline"]]
    assert "UNKNOWN" in went
    assert shop.money_moves(number) == {f"{case_no}-1": (1, 9800)}


@pytest.mark.slow
def test_lists_are_filtered_paged_and_found_again_by_their_address(
    shop: Shop, clerk: Clerks
) -> None:
    case_no = shop.applied(shop.paid())
    ping = clerk("ping")
    ping.open("/cases")
    ping.page.get_by_label("售后单号、订单号、退款单号、微信单号").fill(case_no[:12])
    ping.page.keyboard.press("Enter")
    expect(ping.page.locator(".grid tbody tr")).to_have_count(1)
    ping.press("待商家处理")
    expect(ping.page).to_have_url(f"{ping.url}/cases?state=PENDING_MERCHANT&text={case_no[:12]}")
    ping.page.reload()
    ping.settled()
    expect(ping.row(case_no)).to_be_visible()
    with ping.page.expect_download() as waiting:
        ping.press("导出 CSV")
    sheet = waiting.value.path().read_bytes()
    assert sheet.startswith(b"\xef\xbb\xbf")
    assert case_no.encode() in sheet


@pytest.mark.slow
def test_signing_out_ends_every_open_page(shop: Shop, clerk: Clerks) -> None:
    case_no = shop.applied(shop.paid())
    mei = clerk("mei")
    other = mei.page.context.new_page()
    other.goto(f"{mei.url}/cases/{case_no}")
    expect(other.get_by_role("button", name="同意")).to_be_visible()
    mei.press("退出登录")
    expect(mei.page.locator("#password")).to_be_visible()
    other.get_by_role("button", name="同意").click()
    other.locator(".dialog").get_by_role("button", name="同意", exact=True).click()
    expect(other.locator(".dialog")).to_contain_text("您已退出登录")
    assert shop.get("auditor", f"/v1/after-sales/{case_no}")["state"] == "PENDING_MERCHANT"


@pytest.mark.slow
def test_a_phone_is_enough(shop: Shop, clerk: Clerks) -> None:
    case_no = shop.applied(shop.paid())
    mei = clerk("mei", viewport={"width": 390, "height": 844})
    mei.press("同意", mei.row(case_no))
    mei.confirms("同意")
    shop.case_is(case_no, "PENDING_PLATFORM")
    wide = mei.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
