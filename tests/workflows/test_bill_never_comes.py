"""A day of which WeChat Pay has no bill, in skipping time."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select

from db.tables import Incident
from domain.days import day_of
from domain.reconciliation import DayState
from tests.shop import Shop
from workflows.queues import ORDERS
from workflows.reconciliation import ReconciliationWorkflow


@pytest.mark.slow
async def test_after_a_day_of_asking_a_person_is_told(shop: Shop) -> None:
    day = day_of(datetime.now(UTC)) - timedelta(days=1)
    await shop.control("faults", fault="bill_creating", call="downloadbill", times=1_000)
    run = await shop.client.start_workflow(
        ReconciliationWorkflow.run, day, id=f"reconciliation-{day}", task_queue=ORDERS
    )
    assert await run.result() is DayState.FAILED
    told = await shop.get("finance", f"/v1/reconciliations/{day}")
    assert told["state"] == "FAILED"
    assert "BILL CREATING" in told["problem"]
    with shop.database.read() as session:
        alarm = select(Incident.reason).where(col(Incident.cause) == str(day))
        assert "BILL CREATING" in session.exec(alarm).one()
