"""Who looks at a page: permissions, language, zone, and what is at hand."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from fastapi import HTTPException, Request
from sqlmodel import Session

from api import audit, sessions
from api.audit import address_of
from api.auth import Forbidden, Principal
from api.console import texts
from api.console.menu import ACCOUNT, Page
from api.console.office import OFFICE, Office
from api.context import Context
from api.sessions import Myself
from domain.days import CHINA
from domain.refusals import Refused

T = TypeVar("T")

SESSION_COOKIE = "console_session"
LANGUAGE_COOKIE = "console_language"
THEME_COOKIE = "console_theme"
THEMES = {"light": False, "dark": True}


class SignInNeeded(Exception):
    """Nobody is signed in here."""


class SecondFactorNeeded(Exception):
    """Somebody must set a second factor up first."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in, on one page."""

    office: Office
    principal: Principal
    secret: str
    language: str
    is_dark: bool | None
    zone: timezone
    is_zone_known: bool
    lacks_second_factor: bool
    prefix: str
    address: str

    @property
    def context(self) -> Context:
        """Settings and connections."""
        return self.office.context

    def t(self, key: str, **values: object) -> str:
        """A text in the visitor's language."""
        return texts.text(self.language, key, **values)

    def said(self, kind: str, code: str) -> str:
        """A code of the domain in words; one without words stays as it is."""
        return texts.said(self.language, f"{kind}.{code}", code)

    def may(self, action: str) -> bool:
        """Whether the visitor may do this."""
        return self.principal.may(action)

    @property
    def myself(self) -> Myself:
        """The visitor, as the owner of an account."""
        return Myself(self.principal, self.secret, self.address)

    async def read(self, look: Callable[[Session], T]) -> T:
        """What `look` sees in the tables."""
        return await self.context.read(look)

    async def find(self, look: Callable[[Session], T], path: str) -> T | None:
        """The same, or none where nothing is there for them; what is another's is audited."""
        try:
            return await self.read(look)
        except Refused:
            return None
        except Forbidden as forbidden:
            await self.note(forbidden.action, "refused", f"GET {path}")
            return None

    async def is_still_in(self) -> bool:
        """Whether the session is still good; signing out ends it on every open page."""
        return await sessions.signed_in(self.context, self.secret) is not None

    async def note(self, action: str, outcome: str, subject: str) -> None:
        """Write a line into the audit trail."""
        await audit.note(self.context, self.principal, action, outcome, subject, self.address)


class Entrance:
    """A page's dependency: its visitor; raises what the door answers, or HTTPException."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def __call__(self, request: Request) -> Visitor:
        """Whoever asks for the page, if they may see it."""
        visitor = await visitor_of(request)
        if self.page.sandbox_only and not visitor.context.settings.sandbox:
            raise HTTPException(404)
        if visitor.lacks_second_factor and self.page is not ACCOUNT:
            raise SecondFactorNeeded
        try:
            visitor.principal.check_may(self.page.action)
        except Forbidden:
            await visitor.note(self.page.action, "refused", f"GET {request.url.path}")
            raise
        return visitor


async def visitor_of(request: Request) -> Visitor:
    """Who sent this request; raises SignInNeeded."""
    office: Office = request.scope[OFFICE]
    secret = request.cookies.get(SESSION_COOKIE, "")
    found = await sessions.signed_in(office.context, secret)
    if found is None:
        raise SignInNeeded
    minutes = found.utc_offset_minutes
    return Visitor(
        office=office,
        principal=Principal(found.name, found.role, found.merchant_id),
        secret=secret,
        language=language_of(request),
        is_dark=THEMES.get(request.cookies.get(THEME_COOKIE, "")),
        zone=CHINA if minutes is None else timezone(timedelta(minutes=minutes)),
        is_zone_known=minutes is not None,
        lacks_second_factor=sessions.lacks_second_factor(office.context, found),
        prefix=request.scope.get("root_path", ""),
        address=address_of(request),
    )


def language_of(request: Request) -> str:
    """What was chosen, or what the browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in texts.LANGUAGES:
        return chosen
    preferred = request.headers.get("accept-language", "zh").lower()
    return "zh" if preferred.startswith("zh") else "en"


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)
