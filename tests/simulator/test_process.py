"""The simulator as a process: restart after SIGKILL, TLS, and settings that are wrong."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from simulator.__main__ import main
from tests.simulator.certificates import certificates
from tests.simulator.harness import Merchant, Shop, eventually, running, sandbox
from wechat import xml

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def start(folder: Path, **settings: object) -> subprocess.Popen[str]:
    given = {name: str(value) for name, value in settings.items()}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **given}
    command = [sys.executable, "-m", "simulator"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def up(url: str) -> bool:
    try:
        return httpx.get(url + "/_control/clock", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_sigkill_loses_no_refund_and_no_notification(tmp_path: Path, shop: Shop) -> None:
    settings = sandbox(tmp_path, refund_seconds=60)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment: dict[str, object] = {
        "SIMULATOR_PORT": port, "SIMULATOR_DB": settings.database, "SIMULATOR_REFUND_SECONDS": 60,
    }  # fmt: skip
    first = start(tmp_path, **environment)
    eventually(lambda: up(url))
    merchant = Merchant(url, settings, shop)
    number = merchant.paid_order()
    merchant.refund(number, 100)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = start(tmp_path, **environment)
    eventually(lambda: up(url))
    merchant.control("clock", advance_s=61)
    eventually(lambda: merchant.refund_row(number)["money_moves"] == 1)
    eventually(lambda: shop.heard)
    second.terminate()
    second.communicate()
    merchant.http.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIMULATOR_PORT", "eighty"),
        ("WECHAT_API_KEY", "short"),
        ("SIMULATOR_CERT_FILE", "/nowhere.pem"),
        ("SIMULATOR_CERT_FILE", __file__),
        ("SIMULATOR_HOST", "203.0.113.1"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert main() == 2
    complaint = capsys.readouterr().err
    assert len(complaint.splitlines()) == 1
    assert name in complaint


def test_a_taken_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(tmp_path, SIMULATOR_PORT=taken.getsockname()[1])
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "SIMULATOR_PORT" in complaint
    assert len(complaint.splitlines()) == 1


def test_only_secapi_demands_a_client_certificate(tmp_path: Path, shop: Shop) -> None:
    papers = certificates(tmp_path)
    settings = sandbox(tmp_path, **papers.server_settings)
    with running(settings) as port:
        url = f"https://127.0.0.1:{port}"
        trust = ssl.create_default_context(cafile=papers.authority)
        bare = Merchant(url, settings, shop, trust)
        number = bare.paid_order()
        refused = bare.refund(number, 100)
        trust.load_cert_chain(papers.merchant_cert, papers.merchant_key)
        known = Merchant(url, settings, shop, trust)
        accepted = known.refund(number, 100)
        bare.http.close()
        known.http.close()
    assert (refused["err_code"], accepted["result_code"]) == ("CERT_ERROR", "SUCCESS")


def test_the_capture_log_is_bounded_and_shows_the_signature(merchant: Merchant) -> None:
    merchant.post("/pay/orderquery", key="x" * 32, out_trade_no="n")
    merchant.order()
    wrong, right = merchant.http.get("/_control/exchanges").json()[-2:]
    assert (wrong["signature"], right["signature"]) == ("wrong", "right (MD5)")
    assert xml.parse(right["request"].encode())["body"] == "茶杯"
