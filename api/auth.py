"""Who asks, and what they may do: one table for every route and every page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context, Here, address_of
from api.problems import Problem, TooMany
from domain.timeline import Actor
from settings import token_hash

log = structlog.get_logger()

EVERYBODY = frozenset({"shop", "merchant", "platform", "finance", "auditor", "admin"})

PERMISSIONS: Mapping[str, frozenset[str]] = {
    "read": EVERYBODY,
    "orders.create": frozenset({"shop", "admin"}),
    "orders.ship": frozenset({"shop", "merchant", "admin"}),
    "orders.receive": frozenset({"shop", "admin"}),
    "orders.close": frozenset({"shop", "admin"}),
    "after_sales.apply": frozenset({"shop", "admin"}),
    "after_sales.return_shipment": frozenset({"shop", "admin"}),
    "after_sales.withdraw": frozenset({"shop", "admin"}),
    "after_sales.merchant_review": frozenset({"merchant", "admin"}),
    "after_sales.receipt": frozenset({"merchant", "admin"}),
    "after_sales.platform_review": frozenset({"platform", "admin"}),
    "after_sales.extend": frozenset({"platform", "admin"}),
    "after_sales.settle_offline": frozenset({"finance", "admin"}),
    "refunds.again": frozenset({"finance", "admin"}),
    "refunds.query": frozenset({"finance", "admin"}),
    "refunds.rest": frozenset({"platform", "finance", "admin"}),
    "coupons.use": frozenset({"shop", "admin"}),
    "merchants.write": frozenset({"platform", "admin"}),
    "statements.read": frozenset({"merchant", "finance", "auditor", "admin"}),
    "ledger.read": frozenset({"finance", "auditor", "admin"}),
    "reconciliations.read": frozenset({"finance", "auditor", "admin"}),
    "reconciliations.run": frozenset({"finance", "admin"}),
    "events.read": frozenset({"shop", "auditor", "admin"}),
    "deadlines.expire": frozenset({"shop", "platform", "admin"}),
    "refunds.desk": frozenset({"platform", "finance", "auditor", "admin"}),
    "statistics.read": frozenset({"merchant", "platform", "finance", "auditor", "admin"}),
    "incidents.handle": frozenset({"platform", "finance", "admin"}),
    "personal_data.read": frozenset({"shop", "platform", "admin"}),
    "payloads.read": frozenset({"platform", "admin"}),
    "audit.read": frozenset({"auditor", "admin"}),
    "sandbox.play": frozenset({"merchant", "platform", "finance", "admin"}),
}
"""Action → roles. `deadlines.expire` and `sandbox.play` exist in the sandbox only."""


@dataclass(frozen=True)
class Principal:
    """Who a token belongs to."""

    name: str
    role: str
    merchant_id: str

    @property
    def actor(self) -> Actor:
        """The name that timelines show."""
        return Actor(self.name, self.role)

    def may(self, action: str) -> bool:
        """Whether the role may do this."""
        return self.role in PERMISSIONS[action]

    def check_may(self, action: str) -> None:
        """Raises Forbidden unless the role may do this."""
        if not self.may(action):
            detail = f"the role {self.role} may not do this"
            raise Forbidden(403, "forbidden", detail, self, action)

    def check_sees(self, view: Mapping[str, Any]) -> None:
        """A merchant sees its own only; raises Forbidden, as if the rest did not exist."""
        if self.role == "merchant" and view["merchant_id"] != self.merchant_id:
            raise Forbidden(404, "not_found", "there is none that you may see", self, "read")

    def scope(self, merchant_id: str) -> str:
        """The merchant whose things are listed: a merchant's own, else the one asked for."""
        return self.merchant_id if self.role == "merchant" else merchant_id


class Forbidden(Problem):
    """Somebody asked for what the role may not do, or what is another's: audited."""

    def __init__(
        self, status: int, code: str, detail: str, principal: Principal, action: str
    ) -> None:
        super().__init__(status, code, detail)
        self.principal = principal
        self.action = action


_bearer = HTTPBearer(auto_error=False, description="A token of API_TOKENS")


async def _principal(
    request: Request,
    context: Here,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    if credentials is None:
        raise Problem(401, "unauthenticated", "Authorization: Bearer TOKEN is missing")
    return owner_of(context, credentials.credentials, address_of(request))


def owner_of(context: Context, token: str, address: str) -> Principal:
    """Whose token this is; raises Problem."""
    # Looked up by its hash: how long that takes tells nothing about the tokens there are.
    kept, guesses = token_hash(token), context.guesses
    if shut_for_s := guesses.shut_for_s(address, kept):
        raise TooMany("too many unknown tokens came from this address", shut_for_s)
    owner = context.settings.api_tokens.get(kept)
    if owner is None:
        if guesses.wrong(address):
            log.warning("an address tries tokens that nobody has", address=address)
        raise Problem(401, "unauthenticated", "Authorization: Bearer TOKEN is unknown")
    guesses.right(address, kept)
    return Principal(owner.name, owner.role, owner.merchant_id)


@dataclass(frozen=True)
class Allowed:
    """A dependency: the caller, if its role may do this."""

    action: str

    async def __call__(self, principal: Annotated[Principal, Depends(_principal)]) -> Principal:
        """The caller; raises Forbidden."""
        principal.check_may(self.action)
        return principal


def allowed(action: str) -> Allowed:
    """The same, by a name that reads well in a signature."""
    return Allowed(action)
