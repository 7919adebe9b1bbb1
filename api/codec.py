"""A codec endpoint: Temporal's UI and CLI ask it to open what is sealed in a history.

The CLI sends a token: `--codec-endpoint URL/codec --codec-auth "Bearer TOKEN"`. The UI sends the
console's cookie, when its endpoint is `URL/console/codec` and it includes credentials.
"""

import base64
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Base64Bytes, BaseModel, Field
from temporalio.api.common.v1 import Payload

from api import audit, sessions
from api.auth import Principal, allowed
from api.console.visitor import SESSION_COOKIE
from api.context import Context, Here, address_of
from api.problems import Problem
from db.views import View
from workflows.sealing import Sealer, Unreadable

router = APIRouter(tags=["Temporal"])

ACTION = "payloads.read"
PAYLOADS_MAX = 1000
ASKS = "authorization, content-type, x-namespace"
"""Headers that Temporal's UI sends."""


class PayloadBody(BaseModel):
    """A payload as Temporal's JSON has it: bytes in base64."""

    metadata: dict[str, Base64Bytes] = Field(default_factory=dict)
    data: Base64Bytes = b""


class PayloadsBody(BaseModel):
    """What the UI or the CLI wants to show."""

    payloads: Annotated[list[PayloadBody], Field(max_length=PAYLOADS_MAX)]


async def _signed_in(request: Request, context: Here) -> Principal:
    found = await sessions.signed_in(context, request.cookies.get(SESSION_COOKIE, ""))
    if found is None or sessions.lacks_second_factor(context, found):
        raise Problem(401, "unauthenticated", "nobody is signed in to the console")
    principal = Principal(found.name, found.role, found.merchant_id)
    principal.check_may(ACTION)
    return principal


@router.post("/codec/decode")
async def decode(
    body: PayloadsBody,
    request: Request,
    context: Here,
    principal: Annotated[Principal, Depends(allowed(ACTION))],
) -> JSONResponse:
    """Open what is sealed, for a caller who may read personal data in histories."""
    return await _opened(body, request, context, principal)


@router.post("/console/codec/decode", include_in_schema=False)
async def decode_for_a_clerk(
    body: PayloadsBody,
    request: Request,
    context: Here,
    principal: Annotated[Principal, Depends(_signed_in)],
) -> JSONResponse:
    """The same, for somebody who is signed in to the console."""
    return await _opened(body, request, context, principal)


@router.options("/codec/decode", include_in_schema=False)
@router.options("/console/codec/decode", include_in_schema=False)
async def preflight(request: Request, context: Here) -> Response:
    """A browser asks whether the UI's page may send this."""
    return Response(status_code=204, headers=_shared_with_ui(request, context))


async def _opened(
    body: PayloadsBody, request: Request, context: Context, principal: Principal
) -> JSONResponse:
    sealed = [Payload(metadata=one.metadata, data=one.data) for one in body.payloads]
    try:
        opened = Sealer(context.settings.payload_keys).opened(sealed)
    except Unreadable as unreadable:
        raise Problem(422, "unreadable_payload", str(unreadable)) from None
    where = address_of(request)
    await audit.note(context, principal, ACTION, "read", f"{len(opened)} payloads", where)
    said = {"payloads": [_said(one) for one in opened]}
    return JSONResponse(said, headers=_shared_with_ui(request, context))


def _said(payload: Payload) -> View:
    metadata = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    return {"metadata": metadata, "data": base64.b64encode(payload.data).decode()}


def _shared_with_ui(request: Request, context: Context) -> dict[str, str]:
    """What lets the UI's page, and no other, read the answer."""
    ui = urlsplit(context.settings.temporal_ui_url)
    origin = f"{ui.scheme}://{ui.netloc}"
    if not ui.netloc or request.headers.get("origin") != origin:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Headers": ASKS,
        "Access-Control-Allow-Methods": "POST",
        "Vary": "Origin",
    }
