"""The table of duties: the pages and the code say the same, and the client does what it says."""

from datetime import date
from pathlib import Path

import pytest

from tests.wechat.harness import Channel, refusal, success
from tests.wechat.test_client import ACCEPTED, ASKS, PAID, REFUNDED
from wechat import xml
from wechat.client import WeChatPay
from wechat.errors import DUTIES, Duty, Refused, Unknown

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "wechat-pay.md", DOCS / "wechat-pay.zh-CN.md"]
INDEFINITE = {"SYSTEMERROR", "FREQUENCY_LIMITED"}
NEW = "A_CODE_OF_TOMORROW"
DOWNLOADS = ("downloadbill", "downloadfundflow")
FACTS = {
    "unifiedorder": {"prepay_id": "wx1"}, "orderquery": PAID, "refund": ACCEPTED,
    "refundquery": REFUNDED,
}  # fmt: skip

Table = dict[tuple[str, str], Duty]


def told(page: Path) -> Table:
    """The page's two tables as (call, code) → duty."""
    calls, *rows = _cells(page, "duties")
    table = {
        (call, row[0]): Duty(duty)
        for row in rows
        for call, duty in zip(calls[1:], row[1:], strict=True)
        if duty
    }
    _, *bills = _cells(page, "bill duties")
    return table | {(call, word): Duty(duty) for word, duty in bills for call in DOWNLOADS}


def _cells(page: Path, name: str) -> list[list[str]]:
    text = page.read_text(encoding="utf-8")
    section = text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    lines = [line for line in section.strip().splitlines() if not line.startswith("|---")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_and_the_code_have_the_same_table(page: Path) -> None:
    assert told(page) == dict(DUTIES)


def expected(call: str, code: str) -> str:
    duty = told(PAGES[0]).get((call, code))
    if duty is Duty.DONE:
        return "returns"
    if duty is None:
        return f"Unknown {Duty.QUERY_FIRST} {code}"
    return f"{'Unknown' if code in INDEFINITE else 'Refused'} {duty} {code}"


@pytest.mark.parametrize("call", ASKS)
async def test_each_code_of_each_call_ends_in_its_duty(
    channel: Channel, pay: WeChatPay, call: str
) -> None:
    codes = sorted({code for name, code in DUTIES if name not in DOWNLOADS} | {NEW})
    seen = {}
    for code in codes:
        channel.answer = refusal(code)
        seen[code] = await outcome(pay, call)
    assert seen == {code: expected(call, code) for code in codes}


async def outcome(pay: WeChatPay, call: str) -> str:
    try:
        await ASKS[call](pay)
    except (Refused, Unknown) as error:
        assert error.call == call
        return f"{type(error).__name__} {error.duty} {error.err_code}"
    return "returns"


WORDS = [
    "No Bill Exist", "Bill Creating", "CompressGZip Error", "SYSTEMERROR", "invalid bill_type",
    "data format error", "missing parameter", "SIGN ERROR", NEW,
]  # fmt: skip


@pytest.mark.parametrize("call", DOWNLOADS)
async def test_each_word_about_a_bill_ends_in_its_duty(
    channel: Channel, pay: WeChatPay, call: str
) -> None:
    download = pay.download_bill if call == DOWNLOADS[0] else pay.download_fund_flow
    for word in WORDS:
        channel.answer = xml.render({"return_code": "FAIL", "return_msg": word})
        wanted = expected(call, word.upper())
        try:
            await download(date(2026, 11, 9))
            seen = "returns"
        except (Refused, Unknown) as error:
            seen = f"{type(error).__name__} {error.duty} {error.err_code}"
        assert seen == wanted


@pytest.mark.parametrize("call", FACTS)
async def test_a_success_is_no_error(channel: Channel, pay: WeChatPay, call: str) -> None:
    channel.answer = success(**FACTS[call])
    assert await outcome(pay, call) == "returns"
