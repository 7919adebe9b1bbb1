"""The simulator's own side: the buyer, the clock, the faults, and the truth."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator import capture, endpoints, faults, notifier, orders, refunds, scenarios
from simulator.clock import rfc3339
from simulator.faults import FAULTS, Rule
from simulator.messages import Refusal
from simulator.orders import Purchase
from simulator.quota import Quota
from simulator.world import World

router = APIRouter(prefix="/_control", tags=["control"])


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


Here = Annotated[World, Depends(_world)]


class Body(BaseModel):
    """Unknown names are refused: a misspelt control call must not pass in silence."""

    model_config = ConfigDict(extra="forbid")


class PayBody(Body):
    """The buyer pays; amounts in fen."""

    out_trade_no: str = Field(min_length=1, max_length=32)
    result: Literal["SUCCESS", "FAIL"] = "SUCCESS"
    transaction_id: str | None = Field(default=None, min_length=1, max_length=32)
    openid: str | None = Field(default=None, max_length=128)
    total_fee: int | None = Field(default=None, ge=1)
    coupon_fee: int = Field(default=0, ge=0)
    notify: bool = True


class FaultBody(Body):
    """What goes wrong; see docs/simulator.md. With a probability, `times` defaults to for good."""

    fault: str
    call: str = ""
    number: str = ""
    times: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, gt=0, le=1)
    seed: int = 0
    seconds: float | None = Field(default=None, ge=0)
    err_code: str = ""

    def rule(self) -> Rule:
        """The rule to arm."""
        once = 1 if self.probability == 1 and self.fault != "any" else None
        times = once if self.times is None else self.times
        return Rule(
            self.fault, self.call, self.number, times, self.probability, self.seed, self.seconds,
            self.err_code,
        )  # fmt: skip


class ClockBody(Body):
    """One of: a new scale, or seconds that pass at once."""

    scale: float | None = Field(default=None, gt=0, le=100_000)
    advance_s: float | None = Field(default=None, ge=0, le=10 * 365 * 86_400)

    @model_validator(mode="after")
    def _something(self) -> "ClockBody":
        if self.scale is None and self.advance_s is None:
            raise ValueError("give scale or advance_s")
        return self


class AmountBody(Body):
    """Money in fen."""

    amount: int = Field(default=1_000_000_000, ge=1)


class FinishBody(Body):
    """How a refund ends."""

    state: Literal["SUCCESS", "CHANGE", "REFUNDCLOSE"] = "SUCCESS"


class ConsoleRefundBody(Body):
    """A refund clicked in the merchant's console; amount in fen."""

    out_trade_no: str
    refund_fee: int = Field(ge=1)
    out_refund_no: str | None = Field(default=None, min_length=1, max_length=64)


class ScenarioBody(Body):
    """The numbers that a scenario is to strike; by default the latest order and any refund."""

    out_trade_no: str = ""
    out_refund_no: str = ""


@router.post("/pay")
async def pay(body: PayBody, world: Here) -> dict[str, object]:
    """The buyer pays; again on a paid order is a second payment, on a closed one a late one."""
    try:
        made = orders.pay(world, Purchase(**body.model_dump()))
    except LookupError:
        detail = f"unknown order {body.out_trade_no}; give total_fee to create it"
        raise HTTPException(404, detail) from None
    if made is None:
        world.bell.set()
        return {"result": "FAIL", "out_trade_no": body.out_trade_no}
    return {"result": "SUCCESS", **vars(made), "paid_at": rfc3339(made.paid_at)}


@router.get("/ledger")
async def ledger(world: Here) -> dict[str, object]:
    """The truth about money: payments, refunds, and what became of each notification."""
    return {
        "payments": [
            _dated(row) for row in world.store.rows("SELECT * FROM payments ORDER BY rowid")
        ],
        "refunds": [
            _dated(row) for row in world.store.rows("SELECT * FROM refunds ORDER BY rowid")
        ],
        "notifications": [
            _dated(row) for row in world.store.rows("SELECT * FROM notifications ORDER BY id")
        ],
        "orders": [
            _dated(row)
            for row in world.store.rows(
                "SELECT out_trade_no, total_fee, state, created_at FROM orders ORDER BY rowid"
            )
        ],
        "balance": world.store.balance(),
    }


@router.get("/clock")
async def read_clock(world: Here) -> dict[str, object]:
    """The scale and the calendar."""
    return {"scale": world.clock.scale, "now": rfc3339(world.clock.now())}


@router.post("/clock")
async def set_clock(body: ClockBody, world: Here) -> dict[str, object]:
    """Quicken all waits, or let time pass at once."""
    if body.scale is not None:
        world.clock.set_scale(body.scale)
    if body.advance_s is not None:
        world.clock.advance(body.advance_s)
    world.bell.set()
    return await read_clock(world)


@router.get("/faults")
async def list_faults(world: Here) -> dict[str, object]:
    """What is armed, and the table of everything that can go wrong."""
    table = [
        {"fault": name, "says": fault.says, "calls": fault.calls, "done": fault.done}
        for name, fault in FAULTS.items()
    ]
    return {"armed": [vars(rule) for rule in faults.armed(world)], "table": table}


@router.post("/faults", status_code=201)
async def arm_fault(body: FaultBody, world: Here) -> dict[str, object]:
    """Arm one fault."""
    try:
        return dict(vars(faults.arm(world, body.rule())))
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


@router.delete("/faults", status_code=204)
async def clear_faults(world: Here) -> None:
    """Disarm everything."""
    faults.clear(world)


@router.post("/topup")
async def top_up(world: Here, body: AmountBody | None = None) -> dict[str, int]:
    """Put money into the merchant's account."""
    world.store.move_balance((body or AmountBody()).amount)
    return {"balance": world.store.balance()}


@router.post("/drain")
async def drain(world: Here) -> dict[str, int]:
    """Empty the merchant's account: refunds answer NOTENOUGH until topped up or paid."""
    world.store.set_meta("balance", "0")
    return {"balance": 0}


@router.post("/refunds/{out_refund_no}/finish")
async def finish_refund(
    out_refund_no: str, world: Here, body: FinishBody | None = None
) -> dict[str, object]:
    """End a refund now, whatever the clock says."""
    try:
        one = refunds.finish(world, out_refund_no, (body or FinishBody()).state)
    except LookupError:
        raise HTTPException(404, f"unknown refund {out_refund_no}") from None
    except ValueError as error:
        raise HTTPException(409, str(error)) from None
    return _dated(vars(one))


@router.post("/console-refund", status_code=201)
async def console_refund(body: ConsoleRefundBody, world: Here) -> dict[str, object]:
    """A refund made by hand in the merchant's console; it notifies the console's address."""
    try:
        one = refunds.console_refund(world, body.out_trade_no, body.refund_fee, body.out_refund_no)
    except Refusal as refusal:
        raise HTTPException(409, str(refusal)) from None
    return _dated(vars(one))


@router.get("/scenarios")
async def list_scenarios() -> list[dict[str, object]]:
    """The table of named scenarios."""
    return [
        {"name": name, "about": one.about, "says": one.says, "then": one.then}
        for name, one in scenarios.SCENARIOS.items()
    ]


@router.post("/scenarios/{name}")
async def play_scenario(
    name: str, world: Here, body: ScenarioBody | None = None
) -> dict[str, object]:
    """Play one scenario: what happens at once happens, the rest is armed for the next calls."""
    if name not in scenarios.SCENARIOS:
        raise HTTPException(404, f"unknown scenario {name}; GET /_control/scenarios lists them")
    subject = body or ScenarioBody()
    try:
        done = scenarios.play(world, name, subject.out_trade_no, subject.out_refund_no)
    except (LookupError, ValueError) as error:
        raise HTTPException(409, str(error)) from None
    return {"scenario": name, "then": scenarios.SCENARIOS[name].then, "done": done}


@router.get("/exchanges")
async def exchanges(world: Here, after: int = 0) -> list[dict[str, object]]:
    """What went over the wire, newer than `after`."""
    return capture.after(world, after)


@router.post("/exchanges/{number}/replay")
async def replay_exchange(number: int, world: Here, request: Request) -> dict[str, object]:
    """Send a captured request or notification again, byte for byte."""
    one = capture.one(world, number)
    if one is None or one.call not in endpoints.PATHS:
        if one is not None and one.direction == "out":
            return {"response": await notifier.resend(world, one)}
        raise HTTPException(404, f"no exchange {number}")
    content = await endpoints.replay(world, one.call, request, one.request.encode())
    return {"response": content.decode(errors="replace")}


@router.post("/notifications/{number}/replay")
async def replay_notification(number: int, world: Here) -> dict[str, bool]:
    """Send a notification once more, freshly signed, whatever became of it."""
    try:
        return {"acknowledged": await notifier.replay(world, number)}
    except LookupError:
        raise HTTPException(404, f"no notification {number}") from None


@router.post("/reset", status_code=204)
async def reset(world: Here) -> None:
    """Forget everything: orders, money, faults, clock."""
    world.store.forget()
    world.clock.load()
    world.quota = Quota()
    world.bell.set()


def _dated(row: object) -> dict[str, object]:
    told = dict(row)  # type: ignore[call-overload]
    return {name: rfc3339(value) if name.endswith("_at") else value for name, value in told.items()}
