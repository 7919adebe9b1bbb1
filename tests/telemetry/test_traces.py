"""One trace from a request, through the workflows, to WeChat Pay; nothing where none is asked."""

import functools
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.contrib.opentelemetry import (
    OpenTelemetryPlugin,
    ReplaySafeTracerProvider,
    create_tracer_provider,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

import tests.shop
from db.engine import Database
from telemetry import traces
from telemetry.calls import Calls
from tests.shop import Shop, opened
from wechat.client import WeChatPay

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Where spans go, instead of a collector."""
    exporter = InMemorySpanExporter()
    provider = create_tracer_provider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # The API takes a provider once in the life of a process; tests share one.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return exporter


@pytest.fixture
async def traced(
    skipping: WorkflowEnvironment,
    database: Database,
    tmp_path: Path,
    exported: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    """A shop whose client and workers carry traces."""
    client = await Client.connect(
        skipping.client.service_client.config.target_host,
        data_converter=pydantic_data_converter,
        plugins=[OpenTelemetryPlugin(add_temporal_spans=True)],
    )
    watched = functools.partial(WeChatPay, observer=Calls(MetricMeter.noop))
    monkeypatch.setattr(tests.shop, "WeChatPay", watched)
    time = (skipping.sleep, skipping.get_current_time)
    async with opened(client, database, tmp_path, *time) as made:
        yield made


def trace_of(exported: InMemorySpanExporter, root: str) -> list[str]:
    """The spans, by name, of the trace that begins with `root`."""
    spans: list[ReadableSpan] = list(exported.get_finished_spans())
    (first,) = [one for one in spans if one.name == root and one.parent is None]
    assert first.context
    return [
        one.name for one in spans if one.context and one.context.trace_id == first.context.trace_id
    ]


async def test_a_late_payment_is_one_trace_from_its_notification_to_the_refund(
    traced: Shop, exported: InMemorySpanExporter
) -> None:
    number = await traced.order()
    await traced.does("shop", f"/v1/orders/{number}/close")
    exported.clear()
    paid = await traced.pay(number)
    case_no = f"late-{paid['transaction_id']}"
    await traced.refund_is(f"{case_no}-1", "SUCCEEDED")
    names = trace_of(exported, "POST /apis/pay_notify")
    wanted = [
        "StartWorkflow:AfterSaleWorkflow",
        "RunActivity:submit_refund",
        "WeChat Pay refund",
    ]
    assert [name for name in wanted if name not in names] == []


async def test_a_command_is_one_trace_to_wechat_pay(
    traced: Shop, exported: InMemorySpanExporter
) -> None:
    await traced.order()
    names = trace_of(exported, "POST /v1/orders")
    wanted = ["HandleUpdate:place", "RunActivity:open_payment", "WeChat Pay unifiedorder"]
    assert [name for name in wanted if name not in names] == []


def test_without_an_endpoint_nothing_is_loaded() -> None:
    code = (
        "import sys; from telemetry import calls, traces;"
        "assert traces.plugins('', 'api') == [];"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert told.stdout == "[]\n"


def test_an_endpoint_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[object] = []
    monkeypatch.setattr(trace, "set_tracer_provider", taken.append)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "the-shop")
    (plugin,) = traces.plugins("http://127.0.0.1:9", "api")
    assert isinstance(plugin, OpenTelemetryPlugin)
    (provider,) = taken
    assert isinstance(provider, ReplaySafeTracerProvider)
    with provider.get_tracer("test").start_as_current_span("one"):
        recorded = trace.get_current_span()._span  # type: ignore[attr-defined]
    assert recorded.resource.attributes["service.name"] == "the-shop"
    provider.shutdown()
