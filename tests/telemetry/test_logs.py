"""Log lines: one stream, one object a line, the numbers in it and no secret."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from telemetry import logs

SECRET = "sandbox0key0of0wechat0order0flow"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests log as they did."""
    root = logging.getLogger()
    handlers, level, known = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**known)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """What was written, line by line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_ours_and_the_libraries_lines_are_objects_of_one_stream(stream: io.StringIO) -> None:
    logs.configure("json", "INFO", stream=stream)
    with bound_contextvars(out_trade_no="order-1"):
        structlog.get_logger("ours").info("held", seconds=0.1)
        logging.getLogger("uvicorn.error").warning("theirs %s", 1)
    ours, theirs = lines(stream)
    assert (ours["event"], ours["out_trade_no"], ours["seconds"]) == ("held", "order-1", 0.1)
    assert (theirs["event"], theirs["out_trade_no"]) == ("theirs 1", "order-1")
    assert ours["level"] == "info"
    assert ours["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("workflow_id", "number"),
    [
        ("order-o1", {"out_trade_no": "o1"}),
        ("after-sale-c1", {"case_no": "c1"}),
        ("refund-c1-1", {"out_refund_no": "c1-1"}),
        ("reconciliation-2026-01-01", {}),
    ],
)
def test_a_line_of_the_sdk_names_its_run_and_number(
    stream: io.StringIO, workflow_id: str, number: dict[str, str]
) -> None:
    logs.configure("json", "INFO", stream=stream)
    told = {"workflow_id": workflow_id, "attempt": 3, "task_token": "no business of a reader"}
    logging.getLogger("temporalio.activity").warning("failed", extra={"temporal_activity": told})
    (line,) = lines(stream)
    assert line | number | {"workflow_id": workflow_id, "attempt": 3} == line
    assert "task_token" not in json.dumps(line)


def test_a_traceback_shows_no_values(stream: io.StringIO) -> None:
    logs.configure("json", "INFO", stream=stream)
    openid = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    try:
        raise RuntimeError(f"broken at {len(openid)}")
    except RuntimeError:
        structlog.get_logger().exception("it broke")
    (line,) = lines(stream)
    assert "RuntimeError: broken at 28" in line["exception"]
    assert openid not in stream.getvalue()


@pytest.mark.parametrize(
    "told",
    [
        "Terms(out_trade_no='o1', openid='oUpF8uMuAJO_M2pxb1Q9')",
        '{"openid": "oUpF8uMuAJO_M2pxb1Q9"}',
        "GET /x?openid=oUpF8uMuAJO_M2pxb1Q9&state=PAID",
        "<openid><![CDATA[oUpF8uMuAJO_M2pxb1Q9]]></openid>",
        "<openid>oUpF8uMuAJO_M2pxb1Q9</openid>",
    ],
)
@pytest.mark.parametrize("form", ["json", "text"])
def test_no_openid_gets_through(stream: io.StringIO, form: logs.Format, told: str) -> None:
    logs.configure(form, "INFO", stream=stream)
    logging.getLogger("theirs").error("failed: %s", told)
    assert "oUpF8uMuAJO" not in stream.getvalue()
    assert "openid" in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_gets_through(stream: io.StringIO, form: logs.Format) -> None:
    logs.configure(form, "INFO", [SECRET, ""], stream=stream)
    structlog.get_logger().error("failed", reason=f"key={SECRET}")
    logging.getLogger("theirs").error("cannot connect to shop:%s@db", SECRET)
    assert SECRET not in stream.getvalue()
    assert stream.getvalue().count(logs.HIDDEN) == 2


def test_in_a_terminal_a_line_is_for_people(stream: io.StringIO) -> None:
    logs.configure("text", "INFO", stream=stream)
    structlog.get_logger().info("notification held", out_trade_no="o1")
    assert "notification held" in stream.getvalue()
    assert "out_trade_no=o1" in stream.getvalue()


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    logs.configure("json", "WARNING", stream=stream)
    structlog.get_logger().info("fine")
    logging.getLogger("httpx").info("HTTP Request: POST …")
    assert stream.getvalue() == ""
