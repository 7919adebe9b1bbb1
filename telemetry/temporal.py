"""The SDK's side: its log lines in our stream, its metrics on a port, its activities' numbers."""

import logging
import time
from collections.abc import Iterator
from typing import Any, Final

import structlog
from structlog.contextvars import bound_contextvars
from temporalio import activity
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from telemetry.calls import SECONDS, SECONDS_BUCKETS
from telemetry.logs import NUMBERS, numbers_of

log = structlog.get_logger()

INSIDE: Final = ("intent", "case", "terms", "refund")
"""Where else an argument of an activity carries numbers."""


def runtime(metrics_address: str = "") -> Runtime:
    """What a client needs so that the SDK logs through us and, with an address, serves metrics."""
    forwarding = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), prepend_target_on_message=False
    )
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(TelemetryFilter("WARN", "ERROR"), forwarding=forwarding),
            metrics=_metrics(metrics_address) if metrics_address else None,
        )
    )


def _metrics(address: str) -> PrometheusConfig:
    return PrometheusConfig(
        bind_address=address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides={SECONDS: SECONDS_BUCKETS},
    )


class LoggedActivities(Interceptor):
    """Binds what an activity is about to every line of it, and says when it is done."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """What stands around every activity."""
        return _LoggedActivity(next)


class _LoggedActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        numbers = numbers_of(info.workflow_id or "") | dict(_numbers(input.args))
        with bound_contextvars(
            activity_type=info.activity_type,
            workflow_id=info.workflow_id,
            attempt=info.attempt,
            **numbers,
        ):
            since = time.monotonic()
            result = await super().execute_activity(input)
            log.info("activity done", seconds=round(time.monotonic() - since, 3))
            return result


def _numbers(arguments: Any) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        for part in (argument, *(getattr(argument, name, None) for name in INSIDE)):
            for name in NUMBERS:
                if number := getattr(part, name, ""):
                    yield name, str(number)
