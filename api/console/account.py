"""The forms of one's own account: plain ones, so that no password passes through a live page."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from api import sessions
from api.console import door
from api.console.menu import ACCOUNT
from api.console.visitor import Entrance, Visitor
from api.passwords import LENGTH_MAX
from api.problems import Problem
from api.sessions import Proof

router = APIRouter(prefix=ACCOUNT.path, include_in_schema=False)

Me = Annotated[Visitor, Depends(Entrance(ACCOUNT))]
Token = Annotated[str, Form(max_length=64)]
Code = Annotated[str, Form(max_length=64)]
Password = Annotated[str, Form(max_length=LENGTH_MAX + 1)]


@router.post("/password")
async def change_password(
    request: Request,
    me: Me,
    now: Password,
    new: Password,
    again: Password,
    code: Code = "",
    token: Token = "",
) -> Response:
    """A new password, or why not; the other sessions end."""
    if new != again:
        return _back(request, "differ")
    change = partial(sessions.change_password, me.context, me.myself, Proof(now, code), new)
    return await _done(request, me, token, change, "changed")


@router.post("/second-factor")
async def begin_second_factor(
    request: Request, me: Me, now: Password, secret: Code, code: Code, token: Token = ""
) -> Response:
    """Codes are asked for from now on; the other sessions end."""
    proof = Proof(now)
    begin = partial(sessions.begin_second_factor, me.context, me.myself, proof, secret, code)
    return await _done(request, me, token, begin, "factor_on")


@router.post("/no-second-factor")
async def end_second_factor(
    request: Request, me: Me, now: Password, code: Code, token: Token = ""
) -> Response:
    """No code is asked for any more."""
    end = partial(sessions.end_second_factor, me.context, me.myself, Proof(now, code))
    return await _done(request, me, token, end, "factor_off")


@router.post("/sign-out-others")
async def sign_out_others(request: Request, me: Me, token: Token = "") -> Response:
    """Only this session goes on."""
    end = partial(sessions.sign_out_others, me.context, me.myself)
    return await _done(request, me, token, end, "others_out")


async def _done(
    request: Request, me: Visitor, token: str, change: Callable[[], Awaitable[None]], said: str
) -> Response:
    """Carry it out if our own page sent the form; back to the page, which says what came of it."""
    if not door.is_own_form(request, sessions.csrf_token(me.secret), token):
        return _back(request, "stale")
    try:
        await change()
    except Problem as problem:
        return _back(request, problem.code)
    return _back(request, said)


def _back(request: Request, said: str) -> Response:
    return door.redirect(request, f"{ACCOUNT.path}?said={said}")
