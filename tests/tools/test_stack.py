"""How the parts are told of each other, and what is refused before anything starts."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from simulator import defaults
from tests.tools.processes import all_gone
from tools.stack import (
    FREE_PORTS,
    SANDBOX_TOKENS,
    Stack,
    StackSettings,
    answers,
    claimed,
    free_ports,
    listens,
    says,
    wired,
)  # fmt: skip
from tools.supervisor import WrongSetting

ROOT = Path(__file__).parents[2]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        yield number


def make_run(**settings: object) -> tuple[int, str]:
    """`python -m tools.run` against a Temporal server elsewhere: exit code and all it said."""
    given = {name: str(value) for name, value in settings.items()}
    told = subprocess.run(
        [sys.executable, "-m", "tools.run"], cwd=ROOT, check=False, capture_output=True, text=True,
        env=os.environ | {"TEMPORAL_ADDRESS": "127.0.0.1:1"} | given,
    )  # fmt: skip
    return told.returncode, told.stdout + told.stderr


@pytest.mark.parametrize("setting", ["API_PORT", "SIMULATOR_PORT"])
def test_a_taken_port_is_one_line_that_names_it_and_its_setting(taken: int, setting: str) -> None:
    free = dict(zip(("API_PORT", "SIMULATOR_PORT"), free_ports(2), strict=True))
    code, said = make_run(**free | {setting: taken})
    assert (code, said) == (2, f"make run: port {taken} ({setting}): Address already in use. "
                               "End what listens there, or set another port.\n")  # fmt: skip


def test_every_taken_port_is_named_at_once(taken: int, tmp_path: Path) -> None:
    settings = StackSettings(
        api_port=taken, temporal_ui_port=taken, simulator_port=free_ports(1)[0]
    )
    stack = Stack(settings, {}, tmp_path, folder=tmp_path, ui=True, say=print)
    with pytest.raises(WrongSetting, match=rf"{taken} \(API_PORT\).*{taken} \(TEMPORAL_UI_PORT\)"):
        stack.up()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["eighty", "0", "70000"])
def test_a_wrong_port_is_one_line_that_names_the_setting(value: str) -> None:
    code, said = make_run(API_PORT=value)
    assert code == 2
    assert said.startswith("make run: API_PORT: ")
    assert said.count("\n") == 1


def test_a_data_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(WrongSetting, match=f"{tmp_path} is in use by another"):
        claimed(tmp_path)
    claimed(tmp_path).close()


def test_it_never_speaks_to_the_real_wechat_pay(tmp_path: Path) -> None:
    given = {"WECHAT_BASE_URL": "https://wechat.example", "SANDBOX": "false"}
    environment = wired(StackSettings(simulator_port=8001), given, tmp_path)
    assert environment["WECHAT_BASE_URL"] == "http://127.0.0.1:8001"
    assert environment["SANDBOX"] == "true"


def test_the_simulator_may_speak_tls(tmp_path: Path) -> None:
    environment = wired(StackSettings(), {"SIMULATOR_CERT_FILE": "cert.pem"}, tmp_path)
    assert environment["WECHAT_BASE_URL"].startswith("https://")


def test_the_users_settings_hold_and_empty_ones_do_not(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql+psycopg://db", "WECHAT_MCH_ID": "", "POLICY_X": "1h"}
    environment = wired(StackSettings(api_port=9000), given, tmp_path)
    assert environment["DATABASE_URL"] == "postgresql+psycopg://db"
    assert environment["WECHAT_MCH_ID"] == defaults.MCH_ID
    assert environment["POLICY_X"] == "1h"
    assert environment["PUBLIC_URL"] == "http://127.0.0.1:9000"


def test_a_stack_apart_takes_nothing_of_the_users_but_temporal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://the-shop")
    monkeypatch.setenv("API_PORT", "8000")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.internal:7233")
    stack = Stack.apart(tmp_path / "new", settings={"POLICY_UNPAID_CLOSE": "10s"}, ui=True)
    assert stack.environment["DATABASE_URL"] == f"sqlite:///{tmp_path}/new/shop.db"
    assert stack.environment["POLICY_UNPAID_CLOSE"] == "10s"
    assert stack.base_url != "http://127.0.0.1:8000"
    assert stack.temporal_address == "temporal.internal:7233"
    assert stack.ui_url is None
    assert stack.tokens == SANDBOX_TOKENS


def test_there_is_a_token_for_every_role_and_two_people_in_finance() -> None:
    people = [(person["role"], person["name"]) for person in SANDBOX_TOKENS.values()]
    roles = {"shop", "merchant", "platform", "finance", "auditor", "admin"}
    assert {role for role, _ in people} == roles
    assert len({name for role, name in people if role == "finance"}) == 2


def test_the_tokens_are_the_users_where_they_set_some(tmp_path: Path) -> None:
    tokens = {"t": {"name": "n", "role": "shop"}}
    given = {"API_TOKENS": json.dumps(tokens)}
    settings = StackSettings(temporal_address="127.0.0.1:1")
    stack = Stack(settings, given, tmp_path, folder=tmp_path, ui=False, say=print)
    assert stack.tokens == tokens


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("::1", "http://[::1]:80")],
)
def test_the_api_is_asked_where_this_machine_reaches_it(host: str, url: str) -> None:
    assert StackSettings(api_host=host, api_port=80).base_url == url


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_ready_is_an_answer_of_200(status: int, ready: bool) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert answers(f"http://127.0.0.1:{server.server_port}/readyz")("") is ready
        thread.join()


def test_ready_is_no_closed_port(taken: int) -> None:
    (closed,) = free_ports(1)
    assert not answers(f"http://127.0.0.1:{closed}/readyz")("")
    assert not listens(closed)("")
    assert listens(taken)("")


def test_ready_is_a_word_in_the_output() -> None:
    assert says("worker ready")("Starting\nworker ready\n")
    assert not says("worker ready")("Starting\n")


def test_free_ports_are_as_many_as_asked_and_differ() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert set(ports) <= set(FREE_PORTS)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_whole_product_outlives_the_loss_of_every_part(tmp_path: Path) -> None:
    parts = ("temporal", "simulator", "api", "worker")
    pids = []
    with Stack.apart(tmp_path, ui=True) as stack:
        for name in parts:
            pids.append(stack.pid(name))
            stack.kill(name)
            stack.start(name)
        assert stack.ui_url
        for url in (
            f"{stack.base_url}/readyz",
            f"{stack.simulator_url}/_control/clock",
            stack.ui_url,
        ):
            assert answers(url)("")
        stack.wait(1.0)
        pids += [stack.pid(name) for name in parts]
    assert all_gone(pids)
