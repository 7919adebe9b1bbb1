"""Calls to WeChat Pay as the worker's port shows them."""

import socket
from collections.abc import Iterator

import httpx
import pytest

import worker
from settings import SettingsError
from telemetry.calls import Calls
from telemetry.temporal import runtime
from tests.shop import free_port
from tests.wechat.harness import Channel, account, refusal
from wechat.client import WeChatPay
from wechat.errors import WeChatError

ENDS = [
    (refusal("ORDERNOTEXIST"), "ORDERNOTEXIST"),
    (refusal("SYSTEMERROR"), "SYSTEMERROR"),
    (b"not xml", "UNKNOWN"),
]


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.close()


@pytest.mark.parametrize(("answer", "err_code"), ENDS)
async def test_the_observer_is_told_how_a_call_ended(
    channel: Channel, answer: bytes, err_code: str
) -> None:
    told: list[tuple[str, str]] = []

    def observer(call: str, code: str, seconds: float) -> None:
        assert 0 < seconds < 2
        told.append((call, code))

    channel.answer = answer
    async with WeChatPay(account(base_url=channel.url), observer) as pay:
        with pytest.raises(WeChatError):
            await pay.order_query(out_trade_no="o1")
    assert told == [("orderquery", err_code)]


async def test_the_workers_port_shows_calls_by_their_answer() -> None:
    port = free_port()
    served = runtime(f"127.0.0.1:{port}")
    calls = Calls(served.metric_meter)
    calls("refund", "SUCCESS", 0.2)
    calls("refund", "NOTENOUGH", 0.3)
    calls("refund", "<a word that no sheet knows>", 0.3)
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    lines = [line for line in text.splitlines() if "service_name" in line]
    counted = {line.split('err_code="')[1].split('"')[0] for line in lines if "calls_total" in line}
    assert counted == {"SUCCESS", "NOTENOUGH", "OTHER"}
    assert any('seconds_bucket{call="refund"' in line and 'le="0.25"} 1' in line for line in lines)


def test_a_taken_port_is_named_by_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SettingsError, match=r"^METRICS_PORT: "):
            worker.runtime(f"127.0.0.1:{port}")
