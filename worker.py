"""A worker: runs workflows, writes to the tables and calls WeChat Pay. Start as many as needed."""

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import settings
import telemetry.temporal
from activities.benefits import Benefits
from activities.channel import Channel
from activities.reconciliation import Reconciler
from activities.records import Records
from activities.webhooks import Webhooks
from db.engine import Database
from settings import Settings, SettingsError
from telemetry import logs, traces
from telemetry.calls import Calls
from telemetry.temporal import LoggedActivities
from wechat.client import WeChatPay
from workflows import schedules
from workflows.after_sale import AfterSaleWorkflow
from workflows.connection import connect
from workflows.messaging import Doorkeeper
from workflows.order import OrderWorkflow
from workflows.queues import CHANNEL, ORDERS
from workflows.reconciliation import DailyReconciliationWorkflow, ReconciliationWorkflow
from workflows.refund import RefundWorkflow
from workflows.webhooks import WebhookWorkflow

WORKFLOWS = (
    OrderWorkflow, AfterSaleWorkflow, RefundWorkflow,
    ReconciliationWorkflow, DailyReconciliationWorkflow, WebhookWorkflow,
)  # fmt: skip
WRITERS = 8
CALLS_PER_SECOND = 150
WINDING_DOWN = timedelta(seconds=10)


def build(
    client: Client, database: Database, wechat: WeChatPay, configured: Settings
) -> list[Worker]:
    """One worker for the business and one for WeChat Pay's calls, whose rate all workers share."""
    records, benefits = Records(database), Benefits(database)
    reconciler = Reconciler(wechat, database)
    outbox = Webhooks(database, configured.webhook_url, configured.webhook_secret)
    channel = Channel(wechat, database, configured.pay_notify_url, configured.refund_notify_url)
    business = Worker(
        client,
        task_queue=ORDERS,
        workflows=WORKFLOWS,
        activities=[
            records.record,
            records.reserve_refund,
            records.estimate_refund_fee,
            records.adopt_refund,
            benefits.use_coupon,
            reconciler.finish_day,
            reconciler.take_in_unowed,
            outbox.newest_event,
            outbox.follow_events,
        ],
        workflow_runner=UnsandboxedWorkflowRunner(),  # docs/adr/0007-no-sandbox-at-work.md
        interceptors=[Doorkeeper(), LoggedActivities()],
        activity_executor=ThreadPoolExecutor(WRITERS, thread_name_prefix="records"),
        graceful_shutdown_timeout=WINDING_DOWN,
    )
    calls = Worker(
        client,
        task_queue=CHANNEL,
        activities=[
            channel.open_payment,
            channel.query_trade,
            channel.close_trade,
            channel.submit_refund,
            channel.ask_refund,
            reconciler.fetch_bill,
            reconciler.compare_day,
        ],
        interceptors=[LoggedActivities()],
        max_task_queue_activities_per_second=CALLS_PER_SECOND,
        graceful_shutdown_timeout=WINDING_DOWN,
    )
    return [business, calls]


def runtime(metrics_address: str) -> Runtime:
    """The SDK's runtime, with metrics where they are wanted; raises SettingsError."""
    try:
        return telemetry.temporal.runtime(metrics_address)
    except (RuntimeError, ValueError) as error:
        raise SettingsError(f"METRICS_PORT: {error}") from None


async def run(configured: Settings) -> None:
    """Work until asked to stop."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    served = runtime(configured.metrics_address)
    plugins = traces.plugins(configured.otel_exporter_otlp_endpoint, "worker")
    client = await connect(
        configured.temporal_address,
        runtime=served,
        plugins=plugins,
        keys=configured.payload_keys,
    )
    database = Database(configured.database_url)
    async with WeChatPay(configured.wechat, Calls(served.metric_meter)) as wechat:
        business, calls = build(client, database, wechat, configured)
        async with business, calls:
            await schedules.reconcile_daily(client)
            if configured.webhook_url:
                await schedules.deliver_events(client)
            print("worker ready", flush=True)
            await stopped.wait()
    database.close()


def main() -> int:
    """Work until interrupted; 2 for a wrong setting, named in one line."""
    try:
        configured = settings.load()
        logs.configure(configured.log_format, configured.log_level, configured.secrets)
        asyncio.run(run(configured))
    except SettingsError as error:
        print(f"worker: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
