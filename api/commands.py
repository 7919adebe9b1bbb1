"""Commands: each once, however often it is sent, and answered with the fresh state."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from sqlmodel import Session

from api.auth import Principal, allowed
from api.context import Context, Here
from api.problems import Problem, of_refusal
from db import idempotency
from db.idempotency import Answer
from db.views import View
from domain.refusals import Refused

KEY_MAX = 255


@dataclass(frozen=True)
class Command:
    """One request to change something; `request_id` is the same for every repeat of it."""

    context: Context
    principal: Principal
    request_id: str
    body_hash: str

    async def once(self, status: int, act: Callable[[], Awaitable[View]]) -> JSONResponse:
        """The answer of `act`, or the one that an earlier copy of this request got."""
        first = await self.context.each(self._open)
        if first is None:
            made = await self._answer(status, act)
            first = await self.context.each(
                lambda session: idempotency.keep(session, self.request_id, made)
            )
        return _response(first)

    def _open(self, session: Session) -> Answer | None:
        return idempotency.opened(session, self.request_id, self.body_hash, datetime.now(UTC))

    async def _answer(self, status: int, act: Callable[[], Awaitable[View]]) -> Answer:
        try:
            return Answer(status, await act())
        except Refused as refused:
            problem = of_refusal(refused)
            return Answer(problem.status, problem.body())


def command(action: str) -> Callable[..., Awaitable[Command]]:
    """A dependency: the command of a caller who may do this, under its Idempotency-Key."""
    principal_of = allowed(action)

    async def made(
        request: Request,
        context: Here,
        principal: Annotated[Principal, Depends(principal_of)],
        idempotency_key: Annotated[str | None, Header(max_length=KEY_MAX)] = None,
    ) -> Command:
        if not idempotency_key:
            detail = "Idempotency-Key: any text that is new for every new command"
            raise Problem(400, "idempotency_key_required", detail, field="Idempotency-Key")
        body = await request.body()
        return issued(context, principal, request.url.path, idempotency_key, body)

    return made


def issued(
    context: Context, principal: Principal, path: str, idempotency_key: str, body: bytes
) -> Command:
    """The command that a POST of this body to this path is."""
    request_id = identify(principal, "POST", path, idempotency_key)
    return Command(context, principal, request_id, hashlib.sha256(body).hexdigest())


def identify(principal: Principal, *parts: str) -> str:
    """The number of a request: a hash of who asks what under which key."""
    said = "\n".join((principal.role, principal.name, *parts))
    return hashlib.sha256(said.encode()).hexdigest()


def case_no_of(request_id: str) -> str:
    """The after-sale case that a request opens; a repeat opens the same."""
    return "A" + request_id[:20].upper()


def out_trade_no_of(request_id: str) -> str:
    """The number of an order whose shop gives it none."""
    return "W" + request_id[:24].upper()


def _response(answer: Answer) -> JSONResponse:
    body: dict[str, Any] = answer.body
    kind = "application/problem+json" if answer.status >= 400 else "application/json"
    return JSONResponse(body, answer.status, media_type=kind)
