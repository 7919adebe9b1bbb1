"""Every call to WeChat Pay: counted by what it answered, timed, and a span of its trace."""

import re
import time
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from temporalio.common import MetricMeter

from telemetry.traces import TRACER

CALLS: Final = "order_flow_wechat_calls"
SECONDS: Final = "order_flow_wechat_call_seconds"
SECONDS_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_CODE = re.compile(r"[A-Z][A-Z0-9_ ]{1,40}")


class Calls:
    """Told of every call after it has ended, by the client of WeChat Pay."""

    def __init__(self, meter: MetricMeter) -> None:
        """Count on the meter of the SDK, whose port serves the worker's metrics."""
        self._calls = meter.create_counter(CALLS, "Calls to WeChat Pay, by what it answered")
        self._seconds = meter.create_histogram_float(SECONDS, "Seconds until WeChat Pay answered")

    def __call__(self, call: str, err_code: str, seconds: float) -> None:
        """Take note; `err_code` is WeChat's word, SUCCESS, or UNKNOWN where it said none."""
        code = err_code if _CODE.fullmatch(err_code) else "OTHER"
        self._calls.add(1, {"call": call, "err_code": code})
        self._seconds.record(seconds, {"call": call})
        ended = time.time_ns()
        span = trace.get_tracer(TRACER).start_span(
            f"WeChat Pay {call}",
            kind=SpanKind.CLIENT,
            attributes={"wechat.call": call, "wechat.err_code": code},
            start_time=ended - int(seconds * 1e9),
        )
        span.end(ended)
