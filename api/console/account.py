"""The forms of one's own account: plain ones, so that no password passes through a live page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from api import sessions
from api.console import door
from api.console.menu import ACCOUNT
from api.console.visitor import Entrance, Visitor
from api.passwords import LENGTH_MAX
from api.problems import Problem

router = APIRouter(prefix=ACCOUNT.path, include_in_schema=False)

Me = Annotated[Visitor, Depends(Entrance(ACCOUNT))]
Token = Annotated[str, Form(max_length=64)]
Password = Annotated[str, Form(max_length=LENGTH_MAX + 1)]


@router.post("/password")
async def change_password(
    request: Request, me: Me, now: Password, new: Password, again: Password, token: Token = ""
) -> Response:
    """A new password, or why not; the other sessions end."""
    if not door.is_own_form(request, sessions.csrf_token(me.secret), token):
        return _back(request, "stale")
    if new != again:
        return _back(request, "differ")
    try:
        await sessions.change_password(me.context, me.principal, me.secret, (now, new), me.address)
    except Problem as problem:
        return _back(request, problem.code)
    return _back(request, "changed")


@router.post("/sign-out-others")
async def sign_out_others(request: Request, me: Me, token: Token = "") -> Response:
    """Only this session goes on."""
    if not door.is_own_form(request, sessions.csrf_token(me.secret), token):
        return _back(request, "stale")
    await sessions.sign_out_others(me.context, me.principal, me.secret, me.address)
    return _back(request, "others_out")


def _back(request: Request, said: str) -> Response:
    return door.redirect(request, f"{ACCOUNT.path}?said={said}")
