"""Where the API can die while WeChat Pay notifies it."""

import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.responses import Response

from api import notify, workflows
from domain.messages import CaseStart
from tests.workflows.doomed import Fate
from wechat.notifications import PaymentNotification

OF_A_PAYMENT: Final = (
    "before the payment is held",
    "after the payment is held",
    "after the payment is acknowledged",
)
OF_A_REFUND: Final = (
    "before the refund is held",
    "after the refund is held",
    "after the refund is acknowledged",
)
OF_A_LATE_PAYMENT: Final = (
    *OF_A_PAYMENT,
    "before the payment's case is started",
    "after the payment's case is started",
)
"""The order's run has ended: the payment is written down, and a case of its own is started."""

_told: ContextVar[tuple[str, str]] = ContextVar("told", default=("", ""))


def plant(fate: Fate) -> None:
    """All of them."""
    hold, take, start_case = notify._hold, notify.take, workflows.start_case

    @functools.wraps(hold)
    async def hold_and_die(context: Any, told: Any) -> None:
        kind = "payment" if isinstance(told, PaymentNotification) else "refund"
        _told.set((told.out_trade_no, kind))
        await fate.stand(told.out_trade_no, f"before the {kind} is held")
        await hold(context, told)
        await fate.stand(told.out_trade_no, f"after the {kind} is held")

    @functools.wraps(take)
    async def take_and_die(context: Any, read: Callable[[], Awaitable[bytes]]) -> Response:
        answer = await take(context, read)
        number, kind = _told.get()
        answer.background = BackgroundTask(fate.stand, number, f"after the {kind} is acknowledged")
        return answer

    @functools.wraps(start_case)
    async def start_and_die(context: Any, start: CaseStart) -> None:
        await fate.stand(start.case.out_trade_no, OF_A_LATE_PAYMENT[-2])
        await start_case(context, start)
        await fate.stand(start.case.out_trade_no, OF_A_LATE_PAYMENT[-1])

    notify._hold, notify.take, workflows.start_case = hold_and_die, take_and_die, start_and_die
