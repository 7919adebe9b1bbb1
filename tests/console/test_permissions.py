"""Each role on each route and each page: allowed or refused, as the one table says."""

import asyncio
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api.app import create_app
from api.auth import PERMISSIONS, Allowed, Principal
from api.console import sending
from api.console.menu import PAGES, Page, menu_of
from settings import SANDBOX_LOGINS, Settings
from simulator import defaults
from tests.console.door import Visit
from tests.console.harness import Shop
from tools.shop_day import WHO
from tools.stack import Stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

ROLES = ("shop", "merchant", "platform", "finance", "auditor", "admin")
LOGINS = {role: name for name, (role, _) in SANDBOX_LOGINS.items()}
NUMBERS = {
    "out_trade_no": "nothing-here",
    "case_no": "nothing-here",
    "out_refund_no": "nothing-here",
    "coupon_no": "nothing-here",
    "merchant_id": "m1",
    "day": "2026-01-01",
    "event_id": "1",
}
FORBIDDEN = 403


def _app() -> FastAPI:
    settings = Settings(
        _env_file=None,
        WECHAT_APPID=defaults.APPID,
        WECHAT_MCH_ID=defaults.MCH_ID,
        WECHAT_API_KEY=defaults.API_KEY,
    )
    return create_app(settings)


def _api_routes(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _api_routes(included.routes)
        elif isinstance(route, APIRoute):
            yield route


def _actions(dependant: Dependant) -> Iterator[str]:
    for one in dependant.dependencies:
        if isinstance(one.call, Allowed):
            yield one.call.action
        yield from _actions(one)


def _routes() -> list[tuple[str, str, str]]:
    """Every route that asks for a permission: method, path, action."""
    found = []
    for route in _api_routes(_app().routes):
        for action in set(_actions(route.dependant)):
            found += [(method, route.path, action) for method in sorted(route.methods or ())]
    return found


ROUTES = _routes()
OPEN = {
    "/apis/pay_notify",
    "/apis/refund_notify",
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/docs/oauth2-redirect",
}
BY_SESSION = {"/console/codec/decode"}
"""It asks the console's session for the same permission, instead of a token."""


def test_every_route_asks_for_a_permission_or_is_meant_to_be_open() -> None:
    paths = {route.path for route in _api_routes(_app().routes)}
    assert paths - {path for _, path, _ in ROUTES} == OPEN | BY_SESSION


def test_every_action_of_the_table_is_asked_for_somewhere() -> None:
    asked = {action for _, _, action in ROUTES} | {page.action for page in PAGES}
    in_console_only = {"personal_data.read", "incidents.handle"}
    assert PERMISSIONS.keys() - asked == in_console_only


@pytest.mark.parametrize("role", ROLES)
def test_a_role_on_every_route(shop: Shop, role: str) -> None:
    wrong = []
    for method, path, action in ROUTES:
        reply = shop.send(method, WHO[role], path.format(**NUMBERS))
        may = role in PERMISSIONS[action]
        if (reply.status_code != FORBIDDEN) != may or reply.status_code >= 500:
            wrong.append((method, path, action, reply.status_code))
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
@pytest.mark.parametrize("role", LOGINS)
def test_a_role_on_every_page(signed_in: dict[str, Visit], role: str, page: Page) -> None:
    reply = signed_in[role].get(page.path.format(**NUMBERS))
    if role not in PERMISSIONS[page.action]:
        assert reply.status_code == FORBIDDEN
        assert "审计日志" in reply.text
    else:
        # Nothing is there to be seen on a page of one thing, but nothing is refused.
        assert reply.status_code == (404 if "{" in page.path else 200), reply.text


@pytest.mark.parametrize("path", ["cases.csv", "orders.csv"])
def test_strangers_see_no_page_and_no_export(stack: Stack, path: str) -> None:
    visit = Visit(stack)
    for address in (f"/export/{path}", *(page.path.format(**NUMBERS) for page in PAGES)):
        reply = visit.get(address)
        assert reply.status_code == 303
        assert reply.headers["location"].startswith("/console/sign-in?back=")
    visit.close()


def test_menus_show_what_may_be_opened() -> None:
    for role in LOGINS:
        principal = Principal("somebody", role, "m1")
        shown = {page.action for page in menu_of(principal, sandbox=True)}
        assert all(role in PERMISSIONS[action] for action in shown)
    admin = Principal("somebody", "admin", "")
    assert "sandbox" not in {page.key for page in menu_of(admin, sandbox=False)}


def test_a_merchant_sees_its_own_only(shop: Shop, signed_in: dict[str, Visit]) -> None:
    theirs = shop.paid(merchant_id="m-other")
    case_no = shop.applied(theirs)
    mine = shop.paid()
    visit = signed_in["merchant"]
    assert visit.get(f"/orders/{mine}").status_code == 200
    for path in (f"/orders/{theirs}", f"/cases/{case_no}"):
        assert visit.get(path).status_code == 404
    assert theirs not in visit.get("/export/orders.csv").text
    assert theirs not in visit.get("/export/orders.csv?merchant_id=m-other").text
    statement = "/export/statement.csv?merchant_id=m-other&since=2026-11-01&until=2026-11-30"
    assert visit.get(statement).status_code == 404


@pytest.fixture(scope="module")
def signed_in(stack: Stack) -> Iterator[dict[str, Visit]]:
    """One visit for each role."""
    visits = {role: Visit(stack) for role in LOGINS}
    for role, visit in visits.items():
        assert visit.sign_in(LOGINS[role]).status_code == 303
    yield visits
    for visit in visits.values():
        visit.close()


def test_the_console_sends_each_command_under_the_action_of_its_route() -> None:
    """A button can't ask for less than the route that it stands for."""
    by_path = {path: action for method, path, action in ROUTES if method == "POST"}
    asked: dict[str, str] = {}

    class Noted(sending.Sender):
        async def _send_bare(self, action: str, path: str, *_: Any) -> sending.Outcome:
            asked[path] = action
            return sending.Outcome({})

    sender = Noted(None, Principal("somebody", "admin", ""))  # type: ignore[arg-type]
    bodies: dict[str, dict[str, Any]] = {
        "merchant_review": {"decision": "approve"},
        "platform_review": {"decision": "approve"},
        "receipt": {"decision": "refused"},
        "extend": {"until": "2026-12-01T00:00:00Z", "reason": "more time"},
        "settle_offline": {"out_refund_no": "r", "reference": "b", "reason": "paid"},
        "refund_again": {"out_refund_no": "r"},
        "apply": {"type": "REFUND_ONLY", "reason_code": "OTHER", "reason": "so"},
        "send_back": {"carrier": "SF", "tracking_no": "1"},
        "ship": {"carrier": "SF", "tracking_no": "1"},
        "create_order": {
            "merchant_id": "m1",
            "openid": "o",
            "description": "d",
            "freight": 0,
            "lines": [{"sku": "a", "title": "t", "quantity": 1, "unit_price": 1}],
        },
    }
    for name, method in inspect.getmembers(sender, inspect.iscoroutinefunction):
        if name.startswith("_"):
            continue
        first = [] if name == "create_order" else ["2026-01-01" if name == "reconcile" else "no"]
        asyncio.run(method(*first, "key", **bodies.get(name, {})))
    for path, action in asked.items():
        matching = [a for p, a in by_path.items() if _fits(p, path)]
        assert matching == [action], path


def _fits(pattern: str, path: str) -> bool:
    parts, given = pattern.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        part.startswith("{") or part == one for part, one in zip(parts, given, strict=True)
    )
