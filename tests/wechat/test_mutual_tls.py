"""Our client and the simulator over mutual TLS, from the order to the bills."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator import defaults
from tests.simulator.certificates import Papers, certificates
from tests.simulator.harness import running, sandbox
from tests.wechat.harness import account
from wechat.client import Config, RefundState, WeChatPay
from wechat.errors import Duty, Refused, Unknown
from wechat.signing import SignType
from wechat.times import CHINA

REFUND: dict[str, Any] = {"out_refund_no": "R1", "total_fee": 300, "refund_fee": 100}


@dataclass(frozen=True)
class Site:
    """A simulator behind TLS."""

    url: str
    papers: Papers

    def config(self, papers: Papers | None = None, **more: Any) -> Config:
        """Our merchant there; with `papers`, showing that client certificate."""
        shown: dict[str, Any] = {}
        if papers:
            shown = {"cert_file": papers.merchant_cert, "key_file": papers.merchant_key}
        return account(
            appid=defaults.APPID, mch_id=defaults.MCH_ID, api_key=defaults.API_KEY,
            base_url=self.url, **{"ca_file": self.papers.authority, **shown, **more},
        )  # fmt: skip

    def pay(self, number: str) -> None:
        """The buyer pays."""
        trust = ssl.create_default_context(cafile=self.papers.authority)
        body = {"out_trade_no": number, "notify": False}
        reply = httpx.post(f"{self.url}/_control/pay", json=body, verify=trust, trust_env=False)
        reply.raise_for_status()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    papers = certificates(tmp_path)
    with running(sandbox(tmp_path, **papers.server_settings)) as port:
        yield Site(f"https://127.0.0.1:{port}", papers)


async def place(pay: WeChatPay) -> str:
    placed = await pay.unified_order(
        out_trade_no="T1", total_fee=300, body="茶杯", openid="o-1", spbill_create_ip="127.0.0.1",
        notify_url="https://shop.example/apis/pay_notify",
    )  # fmt: skip
    return placed.prepay_id


async def finished(pay: WeChatPay) -> RefundState:
    async with asyncio.timeout(8):
        while True:
            state = await pay.refund_query(out_refund_no="R1")
            if state.refund_status != "PROCESSING":
                return state
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("sign_type", SignType)
async def test_order_payment_refund_and_bills(site: Site, sign_type: SignType) -> None:
    async with WeChatPay(site.config(site.papers, sign_type=sign_type)) as pay:
        assert await place(pay) == await place(pay)
        assert not (await pay.order_query(out_trade_no="T1")).paid
        site.pay("T1")
        order = await pay.order_query(out_trade_no="T1")
        accepted = await pay.refund(**REFUND, transaction_id=order.transaction_id or "")
        state = await finished(pay)
        today = datetime.now(CHINA).date()
        bill = await pay.download_bill(today)
        flow = await pay.download_fund_flow(today)
        with pytest.raises(Refused) as caught:
            await pay.close_order(out_trade_no="T1")
    assert (state.refund_id, state.refund_fee) == (accepted.refund_id, 100)
    assert (state.refund_status, state.success_time is not None) == ("SUCCESS", True)
    assert [row.out_refund_no for row in bill.rows] == ["", "R1"]
    assert [(row.total_fee, row.refund_fee, row.handling_fee) for row in bill.rows] == [
        (300, 0, 2),
        (0, 100, -1),
    ]
    assert [(row.amount, row.balance, row.voucher_no) for row in flow.rows] == [
        (300, 300, "T1"),
        (-100, 200, "R1"),
    ]
    assert (caught.value.err_code, caught.value.duty) == ("TRADE_STATE_ERROR", Duty.QUERY_FIRST)


async def test_without_a_certificate_only_secapi_refuses(site: Site) -> None:
    async with WeChatPay(site.config()) as bare:
        await place(bare)
        site.pay("T1")
        with pytest.raises(Refused) as caught:
            await bare.refund(**REFUND, out_trade_no="T1")
    assert (caught.value.err_code, caught.value.duty) == ("CERT_ERROR", Duty.FIX_CONFIG)


async def test_a_strangers_certificate_gets_no_answer(site: Site, tmp_path: Path) -> None:
    stranger = certificates(tmp_path / "stranger")
    async with WeChatPay(site.config(stranger)) as pay:
        await place(pay)
        with pytest.raises(Unknown):
            await pay.refund(**REFUND, out_trade_no="T1")


async def test_a_server_that_no_authority_vouches_for_is_not_talked_to(site: Site) -> None:
    async with WeChatPay(site.config(ca_file=None)) as pay:
        with pytest.raises(Unknown, match="CERTIFICATE_VERIFY_FAILED"):
            await place(pay)
