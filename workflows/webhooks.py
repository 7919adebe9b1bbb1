"""Following the feed of events, and delivering each to the shop's webhook."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.webhooks import Webhooks

ONE_LOOK = timedelta(seconds=30)
LONGER_THAN_ONE_TURN = timedelta(hours=2)
SILENT_AT_MOST = timedelta(minutes=1)
AGAIN = RetryPolicy(maximum_interval=timedelta(minutes=1))


@workflow.defn
class WebhookWorkflow:
    """One for the whole shop, for as long as a webhook is set."""

    @workflow.run
    async def run(self, after: int | None = None) -> None:
        """Until no webhook is set any more; it begins with what happens from now on."""
        if after is None:
            after = await workflow.execute_activity_method(
                Webhooks.newest_event, start_to_close_timeout=ONE_LOOK, retry_policy=AGAIN
            )
        last = await workflow.execute_activity_method(
            Webhooks.follow_events,
            after,
            start_to_close_timeout=LONGER_THAN_ONE_TURN,
            heartbeat_timeout=SILENT_AT_MOST,
            retry_policy=AGAIN,
            summary=f"events after {after}",
        )
        if last is not None:
            workflow.continue_as_new(last)
