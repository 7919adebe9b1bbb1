"""What people do in the console: the same commands as REST, through the same functions."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError

from api import after_sales, orders, reconciliations, refunds
from api.auth import Forbidden, Principal
from api.commands import Command, issued
from api.console.visitor import Visitor
from api.problems import Problem, database_away
from db.views import View
from domain.refusals import Refused

Act = Callable[[Command], Awaitable[JSONResponse]]
SHOP = Principal("sandbox shop", "shop", "")
"""Who places and pays orders in the sandbox: the shop's own system, whoever presses the button."""


@dataclass(frozen=True)
class Outcome:
    """What came of a command; `code` and `detail` say why it was refused."""

    view: View
    code: str = ""
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return not self.code


@dataclass(frozen=True)
class Sender:
    """Sends commands for one visitor, or as the sandbox's shop."""

    visitor: Visitor
    principal: Principal

    async def merchant_review(self, case_no: str, key: str, **body: Any) -> Outcome:
        """The merchant approves or rejects."""
        path = f"/v1/after-sales/{case_no}/merchant-review"
        return await self._send(
            "after_sales.merchant_review",
            path,
            key,
            lambda: after_sales.MerchantReviewBody(**body),
            lambda said, command: after_sales.merchant_review(case_no, said, command),
        )

    async def platform_review(self, case_no: str, key: str, **body: Any) -> Outcome:
        """The platform processes or rejects."""
        path = f"/v1/after-sales/{case_no}/platform-review"
        return await self._send(
            "after_sales.platform_review",
            path,
            key,
            lambda: after_sales.PlatformReviewBody(**body),
            lambda said, command: after_sales.platform_review(case_no, said, command),
        )

    async def receipt(self, case_no: str, key: str, **body: Any) -> Outcome:
        """The merchant receives the goods or refuses them."""
        path = f"/v1/after-sales/{case_no}/receipt"
        return await self._send(
            "after_sales.receipt",
            path,
            key,
            lambda: after_sales.ReceiptBody(**body),
            lambda said, command: after_sales.receipt(case_no, said, command),
        )

    async def extend(self, case_no: str, key: str, **body: Any) -> Outcome:
        """More time for the desk where the case lies."""
        return await self._send(
            "after_sales.extend",
            f"/v1/after-sales/{case_no}/extend",
            key,
            lambda: after_sales.ExtendBody(**body),
            lambda said, command: after_sales.extend(case_no, said, command),
        )

    async def settle_offline(self, case_no: str, key: str, **body: Any) -> Outcome:
        """One of two people vouches that the buyer was paid another way."""
        return await self._send(
            "after_sales.settle_offline",
            f"/v1/after-sales/{case_no}/settle-offline",
            key,
            lambda: after_sales.SettleBody(**body),
            lambda said, command: after_sales.settle_offline(case_no, said, command),
        )

    async def refund_again(self, case_no: str, key: str, **body: Any) -> Outcome:
        """A new number in place of a refund that is proved closed."""
        return await self._send(
            "refunds.again",
            f"/v1/after-sales/{case_no}/refunds",
            key,
            lambda: after_sales.AgainBody(**body),
            lambda said, command: after_sales.refund_again(case_no, said, command),
        )

    async def query(self, out_refund_no: str, key: str) -> Outcome:
        """Ask WeChat Pay now."""
        return await self._send_bare(
            "refunds.query",
            f"/v1/refunds/{out_refund_no}/query",
            key,
            lambda command: refunds.query(out_refund_no, command),
        )

    async def refund_rest(self, out_trade_no: str, key: str) -> Outcome:
        """Refund all that is left of an order, without reviews."""

        async def act(command: Command) -> JSONResponse:
            number, who = command.request_id, command.principal
            return await command.once(
                200, lambda: refunds.refund_rest(command.context, who, out_trade_no, number)
            )

        return await self._send_bare("refunds.rest", "/apis/pay_refund", key, act, out_trade_no)

    async def apply(self, out_trade_no: str, key: str, **body: Any) -> Outcome:
        """The buyer applies for a refund."""
        return await self._send(
            "after_sales.apply",
            f"/v1/orders/{out_trade_no}/after-sales",
            key,
            lambda: after_sales.ApplyBody(**body),
            lambda said, command: after_sales.apply(out_trade_no, said, command),
        )

    async def send_back(self, case_no: str, key: str, **body: Any) -> Outcome:
        """The buyer has sent the goods back."""
        return await self._send(
            "after_sales.return_shipment",
            f"/v1/after-sales/{case_no}/return-shipment",
            key,
            lambda: after_sales.ParcelBody(**body),
            lambda said, command: after_sales.return_shipment(case_no, said, command),
        )

    async def withdraw(self, case_no: str, key: str) -> Outcome:
        """The buyer takes the application back."""
        return await self._send_bare(
            "after_sales.withdraw",
            f"/v1/after-sales/{case_no}/withdraw",
            key,
            lambda command: after_sales.withdraw(case_no, command),
        )

    async def expire_case(self, case_no: str, key: str) -> Outcome:
        """Sandbox: the case's deadline passes now."""
        return await self._send_bare(
            "deadlines.expire",
            f"/v1/after-sales/{case_no}/expire",
            key,
            lambda command: after_sales.expire(case_no, command),
        )

    async def create_order(self, key: str, **body: Any) -> Outcome:
        """Place an order."""
        return await self._send(
            "orders.create", "/v1/orders", key, lambda: orders.OrderBody(**body), orders.create
        )

    async def ship(self, out_trade_no: str, key: str, **body: Any) -> Outcome:
        """The parcel leaves."""
        return await self._send(
            "orders.ship",
            f"/v1/orders/{out_trade_no}/ship",
            key,
            lambda: orders.ShipBody(**body),
            lambda said, command: orders.ship(out_trade_no, said, command),
        )

    async def receive(self, out_trade_no: str, key: str) -> Outcome:
        """The buyer has the goods."""
        return await self._send_bare(
            "orders.receive",
            f"/v1/orders/{out_trade_no}/receive",
            key,
            lambda command: orders.receive(out_trade_no, command),
        )

    async def expire_order(self, out_trade_no: str, key: str) -> Outcome:
        """Sandbox: the order's deadline passes now."""
        return await self._send_bare(
            "deadlines.expire",
            f"/v1/orders/{out_trade_no}/expire",
            key,
            lambda command: orders.expire(out_trade_no, command),
        )

    async def reconcile(self, day: str, key: str) -> Outcome:
        """Hold a day against WeChat Pay's bill again."""
        return await self._send_bare(
            "reconciliations.run",
            f"/v1/reconciliations/{day}",
            key,
            lambda command: reconciliations.reconcile(date.fromisoformat(day), command),
        )

    async def _send(
        self,
        action: str,
        path: str,
        key: str,
        body: Callable[[], BaseModel],
        act: Callable[[Any, Command], Awaitable[JSONResponse]],
    ) -> Outcome:
        try:
            said = body()
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            return Outcome({}, "invalid_field", f"{field}: {first['msg']}")
        return await self._send_bare(
            action, path, key, lambda command: act(said, command), said.model_dump_json()
        )

    async def _send_bare(
        self, action: str, path: str, key: str, act: Act, content: str = ""
    ) -> Outcome:
        visitor = self.visitor
        if not await visitor.is_still_in():
            return Outcome({}, "signed_out")
        try:
            self.principal.check_may(action)
            command = issued(visitor.context, self.principal, path, key, content.encode())
            response = await act(command)
        except Forbidden as forbidden:
            await visitor.note(forbidden.action, "refused", f"POST {path}")
            return Outcome({}, forbidden.code, forbidden.detail)
        except Problem as problem:
            return Outcome({}, problem.code, problem.detail)
        except Refused as refused:
            return Outcome({}, refused.code, refused.detail)
        except DBAPIError:
            return Outcome({}, database_away().code)
        return _read(response)


def as_visitor(visitor: Visitor) -> Sender:
    """Commands of the visitor's own."""
    return Sender(visitor, visitor.principal)


def as_shop(visitor: Visitor) -> Sender:
    """Commands of the sandbox's shop."""
    return Sender(visitor, SHOP)


def _read(response: JSONResponse) -> Outcome:
    said = json.loads(bytes(response.body))
    if response.status_code >= 400:
        return Outcome({}, said["code"], said["detail"])
    return Outcome(said)
