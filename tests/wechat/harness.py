"""A channel that answers what a test says, and the messages that WeChat Pay would send."""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wechat import xml
from wechat.client import Config
from wechat.signing import SignType, signed

APPID = "wxd930ea5d5a258f4f"
MCH_ID = "10000100"
KEY = "192006250b4c09247ec02edce69f6a2d"
PREVIOUS_KEY = "previous" * 4

Answer = bytes | Callable[[dict[str, str]], bytes]


def account(**more: Any) -> Config:
    """The official example's merchant."""
    given: dict[str, Any] = {"appid": APPID, "mch_id": MCH_ID, "api_key": KEY}
    return Config(**given | more)


def message(
    fields: Mapping[str, str] | None = None,
    key: str = KEY,
    algorithm: SignType = SignType.MD5,
    **more: str,
) -> bytes:
    """An authentic message of WeChat Pay's for the account."""
    head = {"return_code": "SUCCESS", "appid": APPID, "mch_id": MCH_ID, "nonce_str": "n"}
    return xml.render(signed({**head, **(fields or {}), **more}, key, algorithm))


def success(**fields: str) -> bytes:
    """An authentic `result_code=SUCCESS`."""
    return message(fields, result_code="SUCCESS")


def refusal(err_code: str) -> bytes:
    """An authentic `result_code=FAIL`."""
    return message(result_code="FAIL", err_code=err_code, err_code_des="说明")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


class Channel:
    """Listens on a port of its own, answers `answer`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.ports: list[int] = []
        self.answer: Answer = b""
        self.status = 200
        channel = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fields = xml.parse(body)
                channel.asked.append((self.path, fields))
                channel.ports.append(self.client_address[1])
                given = channel.answer
                content = given if isinstance(given, bytes) else given(fields)
                self.send_response(channel.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
