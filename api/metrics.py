"""What Prometheus reads at `/metrics`: open to all who reach this port, and without any number,
name or text of an order.

Counters are this process's own; figures from the tables are the same at every API.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError

from api.context import Context, Here
from db.figures import Figures, figures

router = APIRouter(tags=["health"])
log = structlog.get_logger()

FRESH_S = 5.0
"""So long are figures from the tables shown again, however often somebody asks."""

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
NOTIFICATIONS = Counter(
    "order_flow_notifications",
    "Notifications from WeChat Pay: held (SUCCESS), refused (forged or unreadable) or not_held"
    " (answered FAIL, so that it comes again)",
    ["kind", "result"],
    registry=REGISTRY,
)
ACKNOWLEDGED_S = Histogram(
    "order_flow_notification_seconds",
    "Seconds until a notification was answered; WeChat Pay waits five",
    ["result"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5),
    registry=REGISTRY,
)
REQUESTS = Counter(
    "order_flow_http_requests",
    "Requests by route and answer",
    ["method", "route", "status"],
    registry=REGISTRY,
)
ANSWERED_S = Histogram(
    "order_flow_http_request_seconds",
    "Seconds until a request was answered",
    ["route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
    registry=REGISTRY,
)


class Gauges:
    """Figures from the tables, asked again when they are stale."""

    def __init__(self) -> None:
        self._asked = asyncio.Lock()
        self._until = 0.0
        self._found: Figures | None = None

    async def read(self, context: Context) -> Figures | None:
        """What is open, not older than FRESH_S; None while the tables are away."""
        async with self._asked:
            if time.monotonic() >= self._until:
                self._found = await self._ask(context)
                self._until = time.monotonic() + FRESH_S
            return self._found

    async def _ask(self, context: Context) -> Figures | None:
        try:
            return await context.read(lambda session: figures(session, datetime.now(UTC)))
        except SQLAlchemyError as error:
            log.warning("no figures: the tables are away", reason=type(error).__name__)
            return None


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus's text", "content": {"text/plain": {}}}},
)
async def metrics(request: Request, context: Here) -> Response:
    """Counters of this process and figures from the tables, for Prometheus."""
    gauges: Gauges = request.app.state.gauges
    found = await gauges.read(context)
    content = generate_latest(REGISTRY) + generate_latest(_Families(found))
    return Response(content, media_type=CONTENT_TYPE_LATEST)


class _Families(CollectorRegistry):
    """Figures as Prometheus reads them."""

    def __init__(self, found: Figures | None) -> None:
        super().__init__()
        self._found = found

    def collect(self) -> Iterator[Metric]:
        up = float(self._found is not None)
        yield _one("order_flow_tables_up", "1 while the tables can be read", up)
        if self._found:
            yield from _families(self._found)


def _families(found: Figures) -> Iterator[Metric]:
    desks = found.desks
    margins = {state: desk.margin_s for state, desk in desks.items()}
    yield _by_state("order_flow_orders", "Open orders", found.orders)
    yield _by_state(
        "order_flow_cases", "Open cases", {state: desk.cases for state, desk in desks.items()}
    )
    yield _by_state(
        "order_flow_cases_overdue",
        "Open cases whose deadline has passed",
        {state: desk.overdue for state, desk in desks.items()},
    )
    yield _by_state(
        "order_flow_case_margin_seconds",
        "Seconds until the nearest deadline of an open case; below zero once it has passed",
        {state: margin for state, margin in margins.items() if margin is not None},
    )
    yield _by_state("order_flow_refunds", "Refunds that are not done", found.refunds)
    yield _by_state(
        "order_flow_refund_oldest_seconds", "Age of the oldest such refund", found.refund_ages_s
    )
    yield _one("order_flow_incidents_open", "Incidents nobody has handled", found.incidents)
    yield _one("order_flow_last_event_id", "The newest event for shops", found.last_event_id)
    yield _by_state("order_flow_webhooks", "Events not delivered to the webhook", found.webhooks)
    yield _one(
        "order_flow_webhook_lag_seconds", "Age of the oldest such event", found.webhook_lag_s
    )
    yield _one(
        "order_flow_differences_open", "Differences with WeChat Pay's bills", found.differences
    )
    for name, told, age in (
        ("order_flow_last_event_age_seconds", "Age of the newest event", found.last_event_age_s),
        (
            "order_flow_last_reconciliation_age_seconds",
            "Seconds since a day was last held against its bill",
            found.last_reconciliation_age_s,
        ),
    ):
        if age is not None:
            yield _one(name, told, age)


def _one(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(name, told, value=value)


def _by_state(name: str, told: str, values: "dict[str, int] | dict[str, float]") -> Metric:
    family = GaugeMetricFamily(name, told, labels=["state"])
    for state, value in values.items():
        family.add_metric([state], value)
    return family
