"""A running simulator on a free port, a shop that records what it is told, and a bare V2 client."""

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

import httpx
import uvicorn

from simulator import server
from simulator.settings import Settings
from wechat import xml
from wechat.signing import SignType, nonce, signed

ACK = xml.render({"return_code": "SUCCESS", "return_msg": "OK"})
DEADLINE_S = 60.0

T = TypeVar("T")


def eventually(look: Callable[[], T]) -> T:
    """The first truthy thing that `look` sees within the deadline."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        seen = look()
        if seen:
            return seen
        time.sleep(0.02)
    raise AssertionError(f"never came: {look()!r}")


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[int]:
    """Serve the simulator in a thread; gives its port."""
    listener = server.bind(settings)
    made = server.build(settings)
    thread = threading.Thread(target=_serve, args=(made, listener), daemon=True)
    thread.start()
    eventually(lambda: made.started)
    try:
        yield listener.getsockname()[1]
    finally:
        made.should_exit = True
        thread.join(10)


def _serve(made: uvicorn.Server, listener: object) -> None:
    asyncio.run(made.serve(sockets=[listener]))  # type: ignore[list-item]


class Shop:
    """Takes notifications and answers what `answer` says."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes, int]] = []
        self.answer = ACK
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.heard.append((self.path, body, self.client_address[1]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(shop.answer)))
                self.end_headers()
                self.wfile.write(shop.answer)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def messages(self) -> list[dict[str, str]]:
        """Every message heard, parsed."""
        return [xml.parse(body) for _, body, _ in self.heard]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Merchant:
    """A bare client: signs, posts, parses; and the control side by `control`."""

    def __init__(
        self, base_url: str, settings: Settings, shop: Shop, trust: ssl.SSLContext | bool = True
    ) -> None:
        self.base_url, self.settings, self.shop = base_url, settings, shop
        self.http = httpx.Client(base_url=base_url, timeout=30, verify=trust, trust_env=False)
        self._serial = 0

    def signed(self, sign_type: SignType = SignType.MD5, key: str = "", **fields: object) -> bytes:
        """The body of a call."""
        given = self.settings
        flat = {"appid": given.appid, "mch_id": given.mch_id, "nonce_str": nonce()}
        flat |= {name: str(value) for name, value in fields.items()}
        if sign_type is SignType.HMAC_SHA256:
            flat["sign_type"] = sign_type
        return xml.render(signed(flat, key or given.api_key, sign_type))

    def post(
        self, path: str, sign_type: SignType = SignType.MD5, key: str = "", **fields: object
    ) -> httpx.Response:
        """One signed call; the raw answer."""
        return self.http.post(path, content=self.signed(sign_type, key, **fields))

    def call(self, path: str, **fields: object) -> dict[str, str]:
        """One signed call; the fields of its answer."""
        return xml.parse(self.post(path, **fields).content)  # type: ignore[arg-type]

    def control(self, path: str, **body: object) -> dict[str, object]:
        """One control call that must succeed."""
        reply = self.http.post("/_control/" + path, json=body)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else {}

    def ledger(self) -> dict[str, list[dict[str, object]]]:
        """The truth."""
        told: dict[str, list[dict[str, object]]] = self.http.get("/_control/ledger").json()
        return told

    def order(self, total_fee: int = 300, **more: object) -> str:
        """A fresh unpaid order; answers its number."""
        self._serial += 1
        number = f"order{self._serial:04d}"
        reply = self.call("/pay/unifiedorder", **self.order_fields(number, total_fee) | more)
        assert reply["result_code"] == "SUCCESS", reply
        return number

    def order_fields(self, number: str, total_fee: int = 300) -> dict[str, object]:
        """The parameters of unifiedorder."""
        return {
            "body": "茶杯", "out_trade_no": number, "total_fee": total_fee, "openid": "o-buyer",
            "spbill_create_ip": "127.0.0.1", "notify_url": self.shop.url + "/pay",
            "trade_type": "JSAPI", "attach": "a b",
        }  # fmt: skip

    def paid_order(self, total_fee: int = 300, **more: object) -> str:
        """A fresh order, paid without a notification."""
        number = self.order(total_fee)
        self.control("pay", out_trade_no=number, notify=False, **more)
        return number

    def refund(
        self, number: str, refund_fee: int, total_fee: int = 300, **more: object
    ) -> dict[str, str]:
        """Ask for a refund under the number `refund-of-…`, unless another is given."""
        fields: dict[str, object] = {
            "out_trade_no": number, "out_refund_no": f"refund-of-{number}",
            "total_fee": total_fee, "refund_fee": refund_fee,
            "notify_url": self.shop.url + "/refund",
        }  # fmt: skip
        return self.call("/secapi/pay/refund", **fields | more)

    def refund_row(self, number: str) -> dict[str, object]:
        """The ledger's line of the refund of an order; {} if none."""
        rows = self.ledger()["refunds"]
        return next((row for row in rows if row["out_refund_no"] == f"refund-of-{number}"), {})


def sandbox(folder: Path, **more: object) -> Settings:
    """Settings for one test: own state, a free port, quick refunds."""
    given = {"port": 0, "database": folder / "simulator.db", "refund_seconds": 0.2}
    return Settings(_env_file=None, **{**given, **more})  # type: ignore[arg-type]
