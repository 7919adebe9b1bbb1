"""What runs without being asked for: the daily reconciliation, and the shop's webhook."""

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import WorkflowIDConflictPolicy

from workflows.queues import ORDERS
from workflows.reconciliation import DailyReconciliationWorkflow
from workflows.webhooks import WebhookWorkflow

RECONCILIATION = "reconciliation"
WEBHOOKS = "webhooks"


async def deliver_events(client: Client) -> None:
    """Deliver what happens from now on, unless deliveries are going on already."""
    await client.start_workflow(
        WebhookWorkflow.run,
        id=WEBHOOKS,
        task_queue=ORDERS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="events to the shop's webhook",
    )


async def reconcile_daily(client: Client) -> None:
    """Create the daily reconciliation, or bring it up to this release; a pause stays."""
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(
            DailyReconciliationWorkflow.run, id="reconciliation-daily", task_queue=ORDERS
        ),
        # 10:30 in China, half an hour after WeChat Pay promises the bill; no summer time there.
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(2)], minute=[ScheduleRange(30)])]
        ),
    )

    def renewed(found: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = found.description.schedule.state
        return ScheduleUpdate(wanted)

    try:
        await client.create_schedule(RECONCILIATION, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(RECONCILIATION).update(renewed)
