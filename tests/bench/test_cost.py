"""An order costs what is written down, to the Action, the event and the row."""

import asyncio

import pytest

from bench import budgets, cost
from bench.plant import plant


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_each_story_costs_what_is_written_down() -> None:
    with plant(print, policies=cost.POLICIES) as made:
        spent = asyncio.run(cost.measure(made))
    assert cost.differences(spent) == []


def test_the_costs_keep_their_budgets() -> None:
    completed = budgets.COSTS["completed order"]
    refund = budgets.COSTS["unshipped refund, after paying"]
    assert completed.events <= budgets.COMPLETED_EVENTS_MAX
    assert completed.actions <= budgets.COMPLETED_ACTIONS_MAX
    assert refund.actions <= budgets.UNSHIPPED_REFUND_ACTIONS_MAX
