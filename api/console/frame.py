"""What surrounds every page: menu, search, language, theme, and who is signed in."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from urllib.parse import quote

from nicegui import ui

from api import sessions
from api.console import formats, texts
from api.console.menu import ACCOUNT, Page, menu_of
from api.console.visitor import Visitor, language_of
from api.console.widgets.basic import icon_button, link, tag

LANGUAGE_CODES = {"zh": "zh-CN", "en": "en-US"}
NEXT_THEME = {None: "dark", True: "light", False: "auto"}
THEME_ICONS = {None: "brightness_auto", True: "dark_mode", False: "light_mode"}
ZONE_JS = "-new Date().getTimezoneOffset()"
ZONE_MAX_MINUTES = 14 * 60


@contextmanager
def frame(visitor: Visitor, page: Page, title: str = "") -> Iterator[None]:
    """The page's own content goes inside."""
    title = title or visitor.t(f"page.{page.key}")
    client = ui.context.client
    client.title = f"{title} · {visitor.t('product')}"
    client.page = copy(client.page)
    client.page.language = LANGUAGE_CODES[visitor.language]  # type: ignore[assignment]
    client.page.dark = visitor.is_dark
    ui.add_head_html(f'<link rel="stylesheet" href="{visitor.prefix}/static/style.css">')
    if not visitor.is_zone_known:
        client.on_connect(lambda: _learn_zone(visitor))
    with tag("div", classes="shell"):
        _side(visitor, page)
        with tag("div", classes="column-main"):
            _top(visitor, page, title)
            with tag("div", classes="page"):
                yield


def broken() -> None:
    """In place of a page that could not be drawn; the log says why."""
    client = ui.context.client
    prefix = client.request.scope.get("root_path", "")
    language = language_of(client.request)
    ui.add_head_html(f'<link rel="stylesheet" href="{prefix}/static/style.css">')
    with tag("div", classes="plain"), tag("div", classes="door"):
        tag("h1", texts.text(language, "product"))
        tag("p", texts.text(language, "refused.broken"))
        link(texts.text(language, "refused.home"), "/").classes("door-home")


def _side(visitor: Visitor, here: Page) -> None:
    with tag("nav", classes="side").props(f'aria-label="{visitor.t("frame.menu")}"'):
        with link("", "/").classes("brand"):
            tag("span", "单", classes="brand-mark").props("aria-hidden=true")
            tag("span", visitor.t("product"), classes="brand-name")
        with tag("div", classes="side-links"):
            for page in menu_of(visitor.principal, visitor.context.settings.sandbox):
                entry = link("", page.path).classes("side-link")
                if page.path == here.path or (
                    here.path.startswith(page.path + "/") and page.path != "/"
                ):
                    entry.classes("is-here").props('aria-current="page"')
                with entry:
                    ui.icon(page.icon).props("aria-hidden=true")
                    tag("span", visitor.t(f"page.{page.key}"))


def _top(visitor: Visitor, page: Page, title: str) -> None:
    with tag("header", classes="top"):
        tag("h1", title, classes="title")
        _search(visitor)
        _preferences(visitor)
        _person(visitor)


def _search(visitor: Visitor) -> None:
    box = ui.input(placeholder=visitor.t("frame.search")).classes("search")
    box.props(f'dense outlined clearable type=search aria-label="{visitor.t("frame.search")}"')
    with box.add_slot("prepend"):
        ui.icon("search").props("aria-hidden=true")

    def go() -> None:
        if wanted := formats.typed(box.value):
            ui.navigate.to(f"/cases?text={quote(wanted)}")

    box.on("keydown.enter", go)


def _preferences(visitor: Visitor) -> None:
    other = "en" if visitor.language == "zh" else "zh"
    back = quote(_here())
    theme = NEXT_THEME[visitor.is_dark]
    with link("", f"/preferences?language={other}&back={back}").classes("top-link"):
        tag("span", texts.text(other, "language.own_name")).props(f'lang="{LANGUAGE_CODES[other]}"')
    with link("", f"/preferences?theme={theme}&back={back}").classes("top-link") as switch:
        ui.icon(THEME_ICONS[visitor.is_dark]).props("aria-hidden=true")
    switch.props(f'aria-label="{visitor.t(f"theme.to_{theme}")}"')
    switch.tooltip(visitor.t(f"theme.to_{theme}"))


def _here() -> str:
    request = ui.context.client.request
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", "")) or "/"
    return path + (f"?{request.url.query}" if request.url.query else "")


def _person(visitor: Visitor) -> None:
    with tag("div", classes="person"):
        name = link(visitor.principal.name, ACCOUNT.path).classes("person-name")
        name.tooltip(visitor.t("page.account"))
        role = visitor.said("role", visitor.principal.role)
        merchant = f" · {visitor.principal.merchant_id}" if visitor.principal.merchant_id else ""
        tag("span", role + merchant, classes="person-role")
    form = tag("form").props(f'method="post" action="{visitor.prefix}/sign-out"')
    with form:
        token = tag("input").props('type="hidden" name="token"')
        token.props["value"] = sessions.csrf_token(visitor.secret)
        icon_button("logout", visitor.t("frame.sign_out")).props("type=submit")


async def _learn_zone(visitor: Visitor) -> None:
    """The browser knows where the reader is; asked once in a session."""
    minutes = await ui.run_javascript(ZONE_JS, timeout=5)
    if isinstance(minutes, int) and abs(minutes) <= ZONE_MAX_MINUTES:
        await sessions.set_zone(visitor.context, visitor.secret, minutes)
        if minutes != visitor.zone.utcoffset(None).total_seconds() / 60:
            ui.navigate.reload()
