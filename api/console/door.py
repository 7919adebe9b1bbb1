"""Signing in and out, and choosing language and theme: plain pages and forms."""

import html
import secrets
from hmac import compare_digest
from pathlib import Path
from string import Template
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api import sessions
from api.audit import address_of
from api.auth import Forbidden
from api.console import formats, texts
from api.console.menu import ACCOUNT
from api.console.mount import is_own_origin
from api.console.office import OFFICE, Office
from api.console.visitor import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    THEME_COOKIE,
    SecondFactorNeeded,
    SignInNeeded,
    language_of,
    visitor_of,
)
from api.passwords import LENGTH_MAX
from api.problems import Problem
from settings import SANDBOX_LOGINS, SANDBOX_PASSWORD

STATIC = Path(__file__).parent / "static"
FORM_COOKIE = "console_form"
A_YEAR_S = 365 * 86_400

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(request: Request, back: str = "/") -> Response:
    """The form; somebody who is signed in goes on."""
    try:
        await visitor_of(request)
    except SignInNeeded:
        return _form(request, back)
    return redirect(request, back)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=LENGTH_MAX)],
    code: Annotated[str, Form(max_length=64)] = "",
    token: Annotated[str, Form(max_length=64)] = "",
    back: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Begin a session, or say why not."""
    office = _office(request)
    expected = request.cookies.get(FORM_COOKIE, "")
    if not is_own_form(request, expected, token):
        return _form(request, back, "sign_in.stale", 403)
    try:
        who, proof = formats.typed(name), sessions.Proof(password, code)
        secret = await sessions.sign_in(office.context, who, proof, address_of(request))
    except Problem as problem:
        return _form(request, back, f"sign_in.{problem.code}", problem.status)
    response = redirect(request, back)
    _set_cookie(request, response, SESSION_COOKIE, secret, int(sessions.LIFETIME.total_seconds()))
    return response


@router.post("/sign-out")
async def sign_out(request: Request, token: Annotated[str, Form(max_length=64)] = "") -> Response:
    """End the session on every open page."""
    secret = request.cookies.get(SESSION_COOKIE, "")
    if not is_own_form(request, sessions.csrf_token(secret), token):
        return _form(request, "/", "sign_in.stale", 403)
    await sessions.sign_out(_office(request).context, secret)
    response = redirect(request, "/sign-in")
    response.delete_cookie(SESSION_COOKIE, path=_path(request))
    return response


@router.get("/preferences")
async def preferences(
    request: Request, language: str = "", theme: str = "", back: str = "/"
) -> Response:
    """Remember how this browser likes the console."""
    response = redirect(request, back)
    if language in texts.LANGUAGES:
        _set_cookie(request, response, LANGUAGE_COOKIE, language, A_YEAR_S)
    if theme in ("light", "dark", "auto"):
        _set_cookie(request, response, THEME_COOKIE, theme, A_YEAR_S)
    return response


def install(app: FastAPI) -> None:
    """Put the door before the pages, and send strangers to it."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="console-static")
    answer_strangers(app)


def answer_strangers(app: FastAPI) -> None:
    """Who is not signed in goes to the form, who lacks a factor to it; a refusal is told."""

    @app.exception_handler(SignInNeeded)
    async def _sign_in(request: Request, _: SignInNeeded) -> Response:
        back = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        query = f"?{request.url.query}" if request.url.query else ""
        return redirect(request, f"/sign-in?back={quote((back or '/') + query)}")

    @app.exception_handler(SecondFactorNeeded)
    async def _factor(request: Request, _: SecondFactorNeeded) -> Response:
        return redirect(request, f"{ACCOUNT.path}?said=factor_needed")

    @app.exception_handler(Forbidden)
    async def _forbidden(request: Request, forbidden: Forbidden) -> Response:
        key = "refused.role" if forbidden.status == 403 else "refused.missing"
        return message(request, key, forbidden.status)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    async def _away(request: Request, _: Exception) -> Response:
        return message(request, "refused.broken", 503)

    @app.exception_handler(404)
    async def _missing(request: Request, _: Exception) -> Response:
        return message(request, "refused.missing", 404)


def message(request: Request, key: str, status: int) -> HTMLResponse:
    """A page that only says why there is none."""
    return _plain(request, "message.html", status, message=_t(request, key))


def _form(request: Request, back: str, problem: str = "", status: int = 200) -> Response:
    token = secrets.token_urlsafe(24)
    sandbox = _office(request).context.settings.sandbox
    response = _plain(
        request,
        "sign_in.html",
        status,
        name=_t(request, "sign_in.name"),
        password=_t(request, "sign_in.password"),
        code=_t(request, "sign_in.code"),
        button=_t(request, "sign_in.button"),
        about=_t(request, "sign_in.about"),
        token=token,
        back=back,
        problem=_t(request, problem) if problem else "",
        hint=_sandbox_hint(request) if sandbox else "",
    )
    _set_cookie(request, response, FORM_COOKIE, token, None)
    return response


def _sandbox_hint(request: Request) -> str:
    logins = ", ".join(
        f"{name} ({_t(request, f'role.{role}')})" for name, (role, _) in SANDBOX_LOGINS.items()
    )
    return _t(request, "sign_in.sandbox", logins=logins, password=SANDBOX_PASSWORD)


def _plain(request: Request, template: str, status: int, **values: str) -> HTMLResponse:
    language = language_of(request)
    other = "en" if language == "zh" else "zh"
    shared = {
        "lang": "zh-CN" if language == "zh" else "en",
        "prefix": _path(request),
        "theme": request.cookies.get(THEME_COOKIE, "auto"),
        "title": _t(request, "product"),
        "home": _t(request, "refused.home"),
        "other": other,
        "other_name": texts.text(other, "language.own_name"),
    }
    page = Template((STATIC / template).read_text(encoding="utf-8"))
    said = {name: html.escape(value) for name, value in (shared | values).items()}
    return HTMLResponse(page.substitute(said), status, {"Cache-Control": "no-store"})


def _t(request: Request, key: str, **values: object) -> str:
    return texts.text(language_of(request), key, **values)


def is_own_form(request: Request, expected: str, token: str) -> bool:
    """Whether one of our own pages sent this form."""
    context = _office(request).context
    if "origin" in request.headers and not is_own_origin(request.headers, context):
        return False
    return bool(expected) and compare_digest(expected.encode(), token.encode())


def _set_cookie(
    request: Request, response: Response, name: str, value: str, max_age: int | None
) -> None:
    secure = _office(request).context.settings.public_url.startswith("https:")
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path=_path(request),
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def redirect(request: Request, back: str) -> RedirectResponse:
    """To a path of the console; one that would lead elsewhere goes to its first page."""
    inside = back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/"
    return RedirectResponse(_path(request) + inside, 303)


def _path(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root


def _office(request: Request) -> Office:
    office: Office = request.scope[OFFICE]
    return office
