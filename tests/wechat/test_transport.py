"""The wire: reuse, deadline, bound, a second host."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.wechat.harness import Channel, account, success
from wechat.client import Config, WeChatPay
from wechat.errors import Unknown

PAID = {"out_trade_no": "T1", "trade_state": "SUCCESS", "transaction_id": "42", "total_fee": "1"}


@contextlib.contextmanager
def raw_server(script: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """Reads a request, sends `script` byte by byte, `pause_s` apart, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_play, args=(listener, script, pause_s), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _play(listener: socket.socket, script: bytes, pause_s: float) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                peer.recv(65536)
                for byte in script:
                    peer.sendall(bytes([byte]))
                    time.sleep(pause_s)


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


async def paid(config: Config) -> bool:
    async with WeChatPay(config) as pay:
        return (await pay.order_query(out_trade_no="T1")).paid


async def test_one_connection_serves_many_calls(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = success(**PAID)
    for _ in range(5):
        await pay.order_query(out_trade_no="T1")
    assert len(set(channel.ports)) == 1


async def test_where_no_connection_is_made_the_fallback_host_is_asked(channel: Channel) -> None:
    channel.answer = success(**PAID)
    assert await paid(account(base_url=nobody(), fallback_url=channel.url + "/"))


async def test_what_may_have_arrived_is_not_sent_to_another_host(channel: Channel) -> None:
    with raw_server(b"") as silent, pytest.raises(Unknown):
        await paid(account(base_url=silent, fallback_url=channel.url))
    assert channel.asked == []


async def test_without_any_host_the_outcome_is_unknown() -> None:
    with pytest.raises(Unknown, match="ConnectError"):
        await paid(account(base_url=nobody(), fallback_url=nobody()))


@pytest.mark.parametrize(
    "script",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<xml>"],
    ids=["reset", "not HTTP", "cut off"],
)
async def test_a_broken_wire_is_unknown(script: bytes) -> None:
    with raw_server(script) as url, pytest.raises(Unknown):
        await paid(account(base_url=url))


async def test_the_deadline_is_for_the_whole_answer() -> None:
    started = time.monotonic()
    with raw_server(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 99, pause_s=0.05) as url:
        with pytest.raises(Unknown, match=r"within 0\.3 s"):
            await paid(account(base_url=url, timeout_s=0.3))
        assert time.monotonic() - started < 2


async def test_an_endless_answer_is_cut_off(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = b"<xml>" + b" " * 2_000_000
    with pytest.raises(Unknown, match="longer than"):
        await pay.order_query(out_trade_no="T1")


async def test_another_status_than_200_proves_nothing(channel: Channel, pay: WeChatPay) -> None:
    channel.answer, channel.status = success(**PAID), 502
    with pytest.raises(Unknown, match="HTTP 502"):
        await pay.order_query(out_trade_no="T1")


async def test_a_cancelled_call_is_cancelled(channel: Channel, pay: WeChatPay) -> None:
    channel.answer = lambda _: time.sleep(0.3) or b""  # type: ignore[func-returns-value]
    task = asyncio.create_task(pay.order_query(out_trade_no="T1"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
