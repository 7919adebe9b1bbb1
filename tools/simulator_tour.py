"""`make simulator-tour`: every scenario and fault once, our client's conclusion beside the truth.

Starts simulators of its own in a temporary directory, so that the waits of several plays pass
at once. Exit code 1 when any conclusion contradicts what truly happened.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

import httpx
from rich.cells import cell_len

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulator import defaults
from simulator.faults import CALLS, FAULTS
from simulator.notices import PAY
from simulator.scenarios import SCENARIOS
from wechat import notifications, xml
from wechat.client import Config, WeChatPay
from wechat.errors import Duty, Refused, RejectedNotification, Unknown
from wechat.times import CHINA

TOTAL_FEE = 300
SCALE = 60
LANES = 4
STEPS_MAX = 6
SETTLE_SECONDS = 2.0
NOTIFY_SECONDS = 0.6
START_SECONDS = 20.0
CALL_SECONDS = 0.8
PAUSE_SECONDS = 0.2
PREVIOUS_KEY = "previous" * 4
ASKS_A_PERSON = "asks a person"
ROOT = Path(__file__).parents[1]

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What one call made our client conclude."""

    word: str
    done: bool = False
    refused: bool = False
    unfunded: bool = False
    value: str = ""


class Client:
    """Our client, asked only for what the tour compares."""

    def __init__(self, base_url: str, shop_url: str) -> None:
        self.config = Config(
            appid=defaults.APPID,
            mch_id=defaults.MCH_ID,
            api_key=defaults.API_KEY,
            previous_api_key=PREVIOUS_KEY,
            base_url=base_url,
            timeout_s=CALL_SECONDS,
        )
        self._pay, self._shop_url = WeChatPay(self.config), shop_url

    async def order(self, number: str) -> Outcome:
        """Place an order of TOTAL_FEE fen."""
        call = self._pay.unified_order(
            out_trade_no=number, total_fee=TOTAL_FEE, body="tour", openid="o-tour",
            spbill_create_ip="127.0.0.1", notify_url=self._shop_url,
        )  # fmt: skip
        return await concluded(call, lambda reply: reply.prepay_id)

    async def trade_state(self, number: str) -> Outcome:
        """Ask how the order stands."""
        call = self._pay.order_query(out_trade_no=number)
        return await concluded(call, lambda reply: reply.trade_state)

    async def close(self, number: str) -> Outcome:
        """Close the order."""
        return await concluded(self._pay.close_order(out_trade_no=number), lambda _: "CLOSED")

    async def refund(self, number: str, refund_fee: int) -> Outcome:
        """Refund under the number `R…`."""
        call = self._pay.refund(
            out_trade_no=number, out_refund_no=f"R{number}", total_fee=TOTAL_FEE,
            refund_fee=refund_fee, notify_url=self._shop_url,
        )  # fmt: skip
        return await concluded(call, lambda reply: reply.refund_id)

    async def refund_state(self, number: str) -> Outcome:
        """Ask how the refund `R…` stands."""
        call = self._pay.refund_query(out_refund_no=f"R{number}")
        return await concluded(call, lambda reply: reply.refund_status)

    async def bill(self) -> Outcome:
        """Download today's bill."""
        call = self._pay.download_bill(datetime.now(CHINA).date())
        return await concluded(call, repr)

    async def close_connections(self) -> None:
        """Let go."""
        await self._pay.aclose()


async def concluded(call: Awaitable[T], value: Callable[[T], str]) -> Outcome:
    """A call's outcome in the words of `wechat.errors`."""
    try:
        return Outcome("done", done=True, value=str(value(await call)))
    except Unknown as error:
        return Outcome(f"unknown: {error.reason}"[:48])
    except Refused as error:
        final = error.duty in (Duty.STOP, Duty.FIX_CONFIG)
        return Outcome(
            f"{error.err_code}: {error.duty}", refused=final,
            unfunded=error.duty is Duty.WAIT_FOR_FUNDS,
        )  # fmt: skip


class Shop:
    """Answers SUCCESS to what our client believes, FAIL to the rest."""

    def __init__(self) -> None:
        self.believed: list[tuple[str, str]] = []
        self.refused = 0
        self.config: Config | None = None
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = xml.render({"return_code": shop.judge(body)})
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/notify"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def judge(self, body: bytes) -> str:
        """Read one notification as a shop does."""
        try:
            assert self.config is not None
            told = notifications.parse(body, self.config)
        except RejectedNotification:
            self.refused += 1
            return "FAIL"
        numbers = (getattr(told, "out_trade_no", ""), getattr(told, "transaction_id", ""))
        self.believed.append((str(numbers[0]), str(numbers[1] or "")))
        return "SUCCESS"

    def forget(self) -> None:
        """Start the next scenario."""
        self.believed, self.refused = [], 0

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Line:
    """One row of the table."""

    name: str
    first: str
    concluded: str
    truth: str

    @property
    def agrees(self) -> bool:
        """Whether the client's last word is what truly happened; asking a person claims nothing."""
        return self.concluded in (self.truth, ASKS_A_PERSON)


@dataclass
class Stage:
    """The simulator, the shop that it notifies, and our client."""

    control: httpx.AsyncClient
    client: Client
    shop: Shop
    serial: int = field(default=0)

    async def tell(self, path: str, **body: object) -> None:
        """One control call that must succeed."""
        reply = await self.control.post(path, json=body)
        reply.raise_for_status()

    async def ledger(self) -> dict[str, list[dict[str, object]]]:
        """The truth."""
        told: dict[str, list[dict[str, object]]] = (await self.control.get("ledger")).json()
        return told

    async def fresh(self, *, ordered: bool = True, paid: bool = False) -> str:
        """A new order number; on request ordered, and paid without a notification."""
        self.serial += 1
        number = f"tour{self.serial:04d}"
        if ordered:
            await self.client.order(number)
        if paid:
            await self.tell("pay", out_trade_no=number, notify=False)
        return number


Arm = Callable[[str], Awaitable[None]]
Story = Callable[[Stage, str, Arm], Awaitable[Line]]


async def order_story(stage: Stage, name: str, arm: Arm) -> Line:
    """Order until the client is sure."""
    number = await stage.fresh(ordered=False)
    await arm(number)
    first, last = await _insist(lambda: stage.client.order(number))
    orders = [row["out_trade_no"] for row in (await stage.ledger())["orders"]]
    return Line(name, first, _word(last, "made"), "made" if number in orders else "refused")


async def query_story(stage: Stage, name: str, arm: Arm) -> Line:
    """Ask for a paid order until the client is sure."""
    number = await stage.fresh(paid=True)
    await arm(number)
    first, last = await _insist(lambda: stage.client.trade_state(number))
    paid = any(row["out_trade_no"] == number for row in (await stage.ledger())["payments"])
    return Line(name, first, _answer(last), "SUCCESS" if paid else "NOTPAY")


async def payment_story(stage: Stage, name: str, arm: Arm) -> Line:
    """The buyer acts; what the shop was truly told, and orderquery, must match the money."""
    number = await stage.fresh()
    await arm(number)
    await asyncio.sleep(NOTIFY_SECONDS)
    state = (await stage.client.trade_state(number)).value
    payments = _of((await stage.ledger())["payments"], number)
    believed = [told for order, told in stage.shop.believed if order == number]
    strangers = set(believed) - {str(row["transaction_id"]) for row in payments} - {""}
    paid = state in ("SUCCESS", "REFUND")
    return Line(
        name,
        f"{len(believed)} believed, {stage.shop.refused} refused",
        "believed a stranger" if strangers else "paid" if paid else "unpaid",
        "paid" if payments else "unpaid",
    )


async def close_story(stage: Stage, name: str, arm: Arm) -> Line:
    """Close until the client is sure, then ask what became of the order."""
    number = await stage.fresh()
    await arm(number)
    first, _ = await _insist(lambda: stage.client.close(number))
    state = (await stage.client.trade_state(number)).value
    (row,) = _of((await stage.ledger())["orders"], number)
    return Line(name, first, state, str(row["state"]))


async def refund_story(stage: Stage, name: str, arm: Arm) -> Line:
    """Refund as the duties say, then ask what became of it."""
    number = await stage.fresh(paid=True)
    await arm(number)
    first, last = await _insist(
        lambda: stage.client.refund(number, TOTAL_FEE - 1),
        lambda: stage.client.refund_state(number),
        lambda: stage.tell("topup", amount=TOTAL_FEE),
    )
    end = await _refund_end(stage, number) if last.done else _word(last, "")
    return Line(name, first, end, await _refund_truth(stage, number))


async def refundquery_story(stage: Stage, name: str, arm: Arm) -> Line:
    """Ask for a finished refund until the client is sure."""
    number = await stage.fresh(paid=True)
    await stage.client.refund(number, 1)
    await stage.tell(f"refunds/R{number}/finish")
    await arm(number)
    first, last = await _insist(lambda: stage.client.refund_state(number))
    return Line(name, first, _answer(last), await _refund_truth(stage, number))


async def bill_story(stage: Stage, name: str, arm: Arm) -> Line:
    """Download until the client is sure; the paid order must be on the bill."""
    number = await stage.fresh(paid=True)
    await arm("")
    first, last = await _insist(stage.client.bill)
    concluded = "on the bill" if number in last.value else "not on the bill"
    paid = _of((await stage.ledger())["payments"], number)
    return Line(name, first, concluded, "on the bill" if paid else "not on the bill")


STORIES: dict[str, Story] = {
    "order": order_story,
    "payment": payment_story,
    "close": close_story,
    "refund": refund_story,
    "bill": bill_story,
    "unifiedorder": order_story,
    "orderquery": query_story,
    "closeorder": close_story,
    "refundquery": refundquery_story,
    "downloadbill": bill_story,
    "pay_notify": payment_story,
    "refund_notify": refund_story,
}


@dataclass(frozen=True)
class Play:
    """One story to tell, and how its trouble is armed."""

    name: str
    story: Story
    armed: Callable[[Stage], Arm]


def everything() -> list[Play]:
    """Every scenario, then every fault of every call."""
    scenarios = [
        Play(name, STORIES[scenario.about], partial(_scenario, name))
        for name, scenario in SCENARIOS.items()
    ]
    faults = [
        Play(f"{name} / {call}", STORIES[call], partial(_fault, name, call))
        for name, fault in FAULTS.items()
        for call in _played(fault.calls)
    ]
    return scenarios + faults


async def perform(stage: Stage, plays: Sequence[Play]) -> list[Line]:
    """Play them one after the other."""
    lines = []
    for play in plays:
        lines.append(await play.story(stage, play.name, play.armed(stage)))
        await _clean(stage)
    return lines


def _played(calls: tuple[str, ...]) -> list[str]:
    """The calls that our client makes; the fund flow is the bill's twin."""
    return [call for call in calls if call in STORIES and call != "downloadfundflow"]


def _scenario(name: str, stage: Stage) -> Arm:
    async def arm(number: str) -> None:
        await stage.tell(f"scenarios/{name}", out_trade_no=number)

    return arm


def _fault(name: str, call: str, stage: Stage) -> Arm:
    async def arm(number: str) -> None:
        err_code = "USER_ACCOUNT_ABNORMAL" if call == "refund" else "NOAUTH"
        extra = {"err_code": err_code} if name == "refuse" else {}
        await stage.tell("faults", fault=name, call=call, **extra)
        if call == PAY:
            await stage.tell("pay", out_trade_no=number)

    return arm


async def _clean(stage: Stage) -> None:
    await stage.control.delete("faults")
    await stage.tell("topup")
    stage.shop.forget()


async def _insist(
    act: Callable[[], Awaitable[Outcome]],
    ask: Callable[[], Awaitable[Outcome]] | None = None,
    fund: Callable[[], Awaitable[None]] | None = None,
) -> tuple[str, Outcome]:
    """Do what each outcome's duty says until it is settled; the first word and the last."""
    outcome = await act()
    first = outcome.word
    for _ in range(STEPS_MAX):
        if outcome.done or outcome.refused:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        if outcome.unfunded and fund is not None:
            await fund()
        known = await ask() if ask is not None else None
        outcome = known if known is not None and known.done else await act()
    return first, outcome


async def _refund_end(stage: Stage, number: str) -> str:
    until = time.monotonic() + SETTLE_SECONDS
    seen = (await _insist(lambda: stage.client.refund_state(number)))[1].value
    while seen == "PROCESSING" and time.monotonic() < until:
        await asyncio.sleep(0.1)
        seen = (await stage.client.refund_state(number)).value
    return seen


async def _refund_truth(stage: Stage, number: str) -> str:
    rows = (await stage.ledger())["refunds"]
    row = next((row for row in rows if row["out_refund_no"] == f"R{number}"), None)
    if row is None:
        return "refused"
    state = str(row["state"])
    right = row["money_moves"] == (1 if state == "SUCCESS" else 0)
    return state if right else f"{state}, money moved {row['money_moves']} times"


def _word(outcome: Outcome, done: str) -> str:
    if outcome.done:
        return done
    return "refused" if outcome.refused else "unknown"


def _answer(outcome: Outcome) -> str:
    """The last word of a question: a refusal to answer says nothing about the money."""
    return ASKS_A_PERSON if outcome.refused else _word(outcome, outcome.value)


def _of(rows: list[dict[str, object]], number: str) -> list[dict[str, object]]:
    return [row for row in rows if row["out_trade_no"] == number]


@contextlib.contextmanager
def simulator(folder: Path) -> Iterator[str]:
    """A simulator of our own with its state in `folder`; gives its address."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wechat = {"WECHAT_APPID": defaults.APPID, "WECHAT_MCH_ID": defaults.MCH_ID}
    keys = {"WECHAT_API_KEY": defaults.API_KEY, "WECHAT_PREVIOUS_API_KEY": PREVIOUS_KEY}
    own = {"SIMULATOR_PORT": str(port), "SIMULATOR_DB": str(folder / "simulator.db")}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **wechat, **keys, **own}
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator"], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_control/clock")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(url, trust_env=False).raise_for_status()
            return
        time.sleep(0.1)
    raise TimeoutError(url)


def show(lines: list[Line]) -> None:
    """Print the table."""
    heads = ("scenario or fault / call", "first conclusion", "conclusion", "truth", "")
    rows = [(row.name, row.first, row.concluded, row.truth, _mark(row)) for row in lines]
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    for row in [heads, *rows]:
        # Chinese takes two places a character.
        cells = (
            cell + " " * (wide - cell_len(cell)) for cell, wide in zip(row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


def _mark(line: Line) -> str:
    return "agrees" if line.agrees else "CONTRADICTS"


async def run(base_urls: Sequence[str]) -> list[Line]:
    """Share the plays out among running simulators; the lines come in the plays' order."""
    plays, lanes = everything(), len(base_urls)
    shares = [_at(url, plays[lane::lanes]) for lane, url in enumerate(base_urls)]
    lines: dict[int, Line] = {}
    for lane, share in enumerate(await asyncio.gather(*shares)):
        lines |= {lane + lanes * place: line for place, line in enumerate(share)}
    return [lines[place] for place in sorted(lines)]


async def _at(base_url: str, plays: Sequence[Play]) -> list[Line]:
    """Set the stage at one simulator and play."""
    shop = Shop()
    client = Client(base_url, shop.url)
    shop.config = client.config
    try:
        control_url = base_url + "/_control/"
        async with httpx.AsyncClient(base_url=control_url, trust_env=False) as control:
            stage = Stage(control, client, shop)
            await stage.tell("clock", scale=SCALE)
            return await perform(stage, plays)
    finally:
        await client.close_connections()
        shop.close()


def main() -> int:
    """Play, print, and judge."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        homes = [Path(folder) / str(lane) for lane in range(LANES)]
        lines = asyncio.run(run([running.enter_context(simulator(home)) for home in homes]))
    show(lines)
    wrong = [line for line in lines if not line.agrees]
    print(f"{len(lines)} played over {len(CALLS)} calls; {len(wrong)} contradict the truth")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
