"""`python -m tools.record_histories`: every scenario's histories, which a changed workflow must
replay. They go to tests/histories/, a file for each story, whose old files are replaced."""

import asyncio
import gzip
import json
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from temporalio.client import Client, WorkflowHistory

from tools import shop_day
from tools.chaos import settling, stories
from tools.chaos.evidence import Told
from tools.chaos.hand import Hand, World, opened
from tools.chaos.stories import applied, basket, paid, placed
from tools.chaos.telling import tell
from tools.player import PARCEL
from tools.stack import ROOT, Stack
from tools.supervisor import StackError
from workflows import schedules

FOLDER: Final = ROOT / "tests" / "histories"
SEED: Final = 7
TURNS: Final = range(4)
"""How often each random story is told, with other dice."""
ARMED_S: Final = 45.0
"""Later than that WeChat Pay is right, and no refund of it slow."""
PATIENCE_S: Final = 60.0
POLICIES: Final = {"POLICY_REFUND_GAP": "1s"}
SOON: Final = "2s"
PRIVATE: Final = frozenset({"identity", "stackTrace"})
"""What names this machine and its folders."""

Story = Callable[[Hand], Awaitable[Any]]


# ---- stories in which real timers fire


async def unpaid_close(play: Hand) -> None:
    """Nobody pays."""
    await placed(play, basket(play.dice), merchant_id="m-unpaid_close")
    await play.order_is("CLOSED")


async def merchant_review(play: Hand) -> None:
    """The merchant says nothing."""
    await _bought(play, "merchant_review")
    case_no = await applied(play, "REFUND_ONLY", "NO_REASON")
    await play.case_is(case_no, "PENDING_PLATFORM")
    await play.signal(case_no, "approve", {"stage": "platform", "reviewer": "Ping"})
    await play.case_is(case_no, "COMPLETED")


async def platform_process(play: Hand) -> None:
    """The platform says nothing about what a person approved."""
    await _bought(play, "platform_process")
    case_no = await applied(play, "REFUND_ONLY", "NO_REASON")
    await play.signal(case_no, "approve", {"stage": "merchant", "reviewer": "Mei"})
    await play.case_is(case_no, "COMPLETED")


async def buyer_return(play: Hand) -> None:
    """The buyer keeps the goods."""
    await _bought(play, "buyer_return", "ship", "receive")
    case_no = await applied(play, "RETURN_REFUND", "QUALITY")
    await play.case_is(case_no, "CLOSED")


async def merchant_receipt(play: Hand) -> None:
    """Nobody inspects what came back."""
    await _bought(play, "merchant_receipt", "ship")
    case_no = await applied(play, "RETURN_REFUND", "QUALITY")
    await play.does("shop", f"/v1/after-sales/{case_no}/return-shipment", PARCEL)
    await play.case_is(case_no, "PENDING_PLATFORM")


async def auto_receive(play: Hand) -> None:
    """The buyer says nothing."""
    await _bought(play, "auto_receive", "ship")
    await play.order_is("RECEIVED")


async def after_sale_window_quality(play: Hand) -> None:
    """Nobody applies."""
    await _bought(play, "after_sale_window_quality", "ship", "receive")
    await play.order_is("COMPLETED")


async def left_to_the_bill(play: Hand) -> None:
    """A payment, sometimes for a closed order, that nobody is told of."""
    await play.control("faults", fault="notify_lost", number=play.no, times=2)
    await placed(play, basket(play.dice))
    if play.chance(0.5):
        await play.does("shop", f"/v1/orders/{play.no}/close")
    await play.pay()


async def _bought(play: Hand, policy: str, *steps: str) -> None:
    await paid(play, basket(play.dice), merchant_id=f"m-{policy}")
    for step in steps:
        await play.does("shop", f"/v1/orders/{play.no}/{step}", PARCEL if step == "ship" else None)


CLOCKWORK: Final[tuple[Story, ...]] = (
    unpaid_close, merchant_review, platform_process, buyer_return, merchant_receipt, auto_receive,
    after_sale_window_quality,
)  # fmt: skip
"""Each is named after the policy that its merchant has short."""


# ---- playing


async def record(stack: Stack) -> dict[str, list[WorkflowHistory]]:
    """Tell every story; story → the histories that it left."""
    await shop_day.play(stack, lambda one: print(f"{one.name}: {one.told}"))
    urls = stack.base_url, stack.simulator_url, stack.temporal_address
    async with opened(*urls) as world:
        since = datetime.now(UTC)
        for policy in CLOCKWORK:
            await _hasty(world, policy.__name__)
        await settling.arm(world, SEED)
        await _tell_all(world)
        await settling.quiet(world, PATIENCE_S)
        await settling.reconciled(world, since, PATIENCE_S)
        await _scheduled(world.temporal)
        return await _histories(world.temporal)


async def _hasty(world: World, policy: str) -> None:
    """A merchant for whom one deadline comes at once."""
    short = {policy: SOON} | ({"after_sale_window_no_reason": SOON} if "window" in policy else {})
    body = {"name": policy, "policies": short}
    headers = {"Authorization": f"Bearer {shop_day.WHO['platform']}"}
    reply = await world.api.put(f"/v1/merchants/m-{policy}", json=body, headers=headers)
    reply.raise_for_status()


async def _tell_all(world: World) -> None:
    """Every story side by side, while WeChat Pay errs at first."""
    random_ones: list[Story] = [one for one in (*stories.STORIES, left_to_the_bill) for _ in TURNS]
    telling = [
        asyncio.create_task(_tell(world, serial, story))
        for serial, story in enumerate([*random_ones, *CLOCKWORK])
    ]
    await asyncio.wait(telling, timeout=ARMED_S)
    await settling.disarm(world)
    await asyncio.wait(telling, timeout=PATIENCE_S)
    for one in telling:
        one.cancel()
    wrong = [told for told in await asyncio.gather(*telling) if told.problem]
    if wrong:
        raise StackError("\n".join(line for told in wrong for line in (*told.diary, told.problem)))


async def _tell(world: World, serial: int, story: Story) -> Told:
    return await tell(
        Hand(world, f"{story.__name__}-{serial}", random.Random(f"{SEED} {serial}")), story
    )


async def _scheduled(temporal: Client) -> None:
    """What no order starts."""
    await temporal.get_schedule_handle(schedules.RECONCILIATION).trigger()
    await schedules.deliver_events(temporal)
    await temporal.get_workflow_handle(schedules.WEBHOOKS).result()
    await asyncio.sleep(settling.QUIET_S)


# ---- keeping


async def _histories(temporal: Client) -> dict[str, list[WorkflowHistory]]:
    found: dict[str, list[WorkflowHistory]] = {}
    kept = set[tuple[str, ...]]()
    runs = [run async for run in temporal.list_workflows("")]
    for run in sorted(runs, key=lambda run: run.start_time):
        history = await temporal.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        shape = (run.workflow_type, *_shape(history))
        if shape not in kept:
            kept.add(shape)
            found.setdefault(run.workflow_type, []).append(history)
    return found


def _shape(history: WorkflowHistory) -> Iterator[str]:
    """What a run did, in order: of two runs with one shape, one is enough."""
    for event in history.events:
        told = MessageToDict(event)
        yield told["eventType"]
        for name in ("activityType", "workflowType"):
            yield from (part[name]["name"] for part in told.values() if name in part)


def keep(found: dict[str, list[WorkflowHistory]]) -> None:
    """Write them down, the same bytes for the same histories."""
    FOLDER.mkdir(exist_ok=True)
    for kind, histories in found.items():
        told = {
            f"{one.workflow_id} {one.run_id}": _clean(json.loads(one.to_json()))
            for one in histories
        }
        data = json.dumps(told, ensure_ascii=False, sort_keys=True).encode()
        (FOLDER / f"{kind}.json.gz").write_bytes(gzip.compress(data, mtime=0))
        print(f"{kind}: {len(histories)}")


def _clean(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _clean(part) for name, part in told.items() if name not in PRIVATE}
    return [_clean(part) for part in told] if isinstance(told, list | tuple) else told


def main() -> None:
    """Start a system of its own, tell, keep."""
    with (
        tempfile.TemporaryDirectory(prefix="wechat-order-flow-") as folder,
        Stack.apart(Path(folder), settings=POLICIES) as stack,
    ):
        keep(asyncio.run(record(stack)))


if __name__ == "__main__":
    main()
