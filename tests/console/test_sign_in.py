"""Signing in, staying in, getting out; and what other sites can't do."""

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from db.engine import Database
from db.tables import SessionRow, User
from tests.console.door import PASSWORD, Visit, users, written
from tests.console.harness import Shop
from tools.shop_day import WHO
from tools.stack import Stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


def test_a_session_is_a_cookie_that_scripts_and_other_sites_cant_use(
    visit: Visit, tables: Database
) -> None:
    reply = visit.sign_in("shen", back="/cases?due=overdue")
    assert (reply.status_code, reply.headers["location"]) == (303, "/console/cases?due=overdue")
    cookie = next(c for c in reply.headers.get_list("set-cookie") if "console_session" in c)
    for part in ("HttpOnly", "SameSite=lax", "Path=/console", "Max-Age=43200"):
        assert part in cookie
    secret = visit.http.cookies["console_session"]
    with tables.read() as session:
        kept = [row.token_hash for row in session.exec(select(SessionRow))]
    assert secret not in kept


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_the_way_back_leads_nowhere_else(visit: Visit, back: str) -> None:
    reply = visit.sign_in("shen", back=back)
    assert reply.headers["location"] == "/console/"


def test_a_wrong_password_is_written_down_and_says_nothing_about_names(
    visit: Visit, tables: Database
) -> None:
    known, unknown = visit.sign_in("mei", "wrong"), visit.sign_in("nobody-by-this-name", "wrong")
    assert known.status_code == unknown.status_code == 401
    assert "用户名、密码或验证码不对" in known.text
    assert ("sign_in", "refused") in written(tables, "nobody-by-this-name")


@pytest.mark.parametrize("odd", ["\x00", "a\x00b", "\u202e", "' OR 1=1 --", "%", "\u200b"])
def test_odd_text_finds_nobody_and_nothing(visit: Visit, odd: str) -> None:
    assert visit.sign_in(odd or "x", odd).status_code == 401
    visit.sign_in("shen")
    for path in ("/cases", "/orders", "/refunds", "/export/cases.csv"):
        assert visit.http.get(path, params={"text": odd, "since": odd}).status_code == 200


def test_too_many_failures_shut_the_door_for_that_name(stack: Stack, visit: Visit) -> None:
    assert users(stack, "add", "guessed", "auditor").returncode == 0
    for _ in range(5):
        assert visit.sign_in("guessed", "wrong").status_code == 401
    shut = visit.sign_in("guessed", PASSWORD)
    assert shut.status_code == 429
    assert "15 分钟" in shut.text


def test_a_right_password_is_not_counted_against_anybody(visit: Visit) -> None:
    for _ in range(8):
        assert visit.sign_in("shen").status_code == 303
        visit.http.cookies.delete("console_session")


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}],
    ids=["another site", "a sandboxed frame"],
)
def test_a_form_of_another_site_is_refused(visit: Visit, headers: dict[str, str]) -> None:
    assert visit.sign_in("shen", **headers).status_code == 403
    assert "console_session" not in visit.http.cookies


def test_a_form_without_our_token_is_refused(visit: Visit) -> None:
    visit.form()
    said = {"name": "shen", "password": "sandbox", "token": "guessed"}
    assert visit.http.post("/sign-in", data=said).status_code == 403
    assert visit.sign_in("shen").status_code == 303
    assert visit.http.post("/sign-out", data={"token": "guessed"}).status_code == 403
    assert visit.get("/").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", ""])
def test_a_connection_from_another_site_is_refused(visit: Visit, stack: Stack, origin: str) -> None:
    visit.sign_in("shen")
    reply = _knock(stack, origin, visit.http.cookies["console_session"])
    assert reply.status_code == 403
    own = _knock(stack, stack.base_url, visit.http.cookies["console_session"])
    assert own.status_code == 101
    assert _knock(stack, stack.base_url, "no-session").status_code == 403


def test_a_disabled_user_is_out_at_once_and_stays_out(stack: Stack, visit: Visit) -> None:
    assert users(stack, "add", "lili", "merchant", "--merchant", "m1").returncode == 0
    assert visit.sign_in("lili", PASSWORD).status_code == 303
    assert visit.get("/").status_code == 200
    assert users(stack, "disable", "lili").returncode == 0
    assert visit.get("/").status_code == 303
    assert visit.sign_in("lili", PASSWORD).status_code == 401
    assert users(stack, "enable", "lili").returncode == 0
    assert visit.sign_in("lili", PASSWORD).status_code == 303
    assert users(stack, "password", "lili", given="another long password").returncode == 0
    assert visit.get("/").status_code == 303


def test_users_are_added_with_sense(stack: Stack, tables: Database) -> None:
    assert "needs --merchant" in users(stack, "add", "zhao", "merchant").stderr
    assert "at least 10" in users(stack, "add", "zhao", "platform", given="short").stderr
    made_up = users(stack, "add", "zhao", "platform", given="")
    assert "the password is " in made_up.stdout
    assert "is a user already" in users(stack, "add", "zhao", "platform").stderr
    assert "zhao\tplatform\t-\tactive" in users(stack, "list").stdout
    assert users(stack, "disable", "nobody-here").returncode == 1
    with tables.read() as session:
        kept = session.get_one(User, "zhao").password_hash
    assert kept.startswith("$argon2id$")


def test_refusals_over_rest_are_written_down(shop: Shop, tables: Database) -> None:
    reply = shop.post("auditor", "/v1/orders/console00001/close")
    assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    assert ("orders.close", "refused") in written(tables, "Shen (auditor)")


def test_personal_data_is_whole_for_those_who_need_it(shop: Shop, tables: Database) -> None:
    number = shop.paid()
    path = f"/v1/orders/{number}"
    seen = {who: shop.get(who, path)["openid"] for who in WHO}
    whole = {who for who, openid in seen.items() if openid == "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
    assert whole == {"shop", "platform", "admin"}
    assert seen["finance"] == "oUpF…6o"
    assert ("personal_data.read", "read") in written(tables, "Ping (platform)")
    listed = shop.get("admin", "/v1/orders?limit=1")["items"][0]["openid"]
    assert "…" in listed


@pytest.mark.parametrize("change", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_nobody_changes_the_audit_trail(visit: Visit, tables: Database, change: str) -> None:
    visit.sign_in("shen")
    with pytest.raises(DBAPIError, match="append-only"), tables.write() as session:
        session.connection().execute(text(change))


def _knock(stack: Stack, origin: str, secret: str) -> httpx.Response:
    """Ask for a WebSocket of a page."""
    headers = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "cookie": f"console_session={secret}",
    }
    if origin:
        headers["origin"] = origin
    url = f"{stack.base_url}/console/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    with httpx.Client() as http, http.stream("GET", url, headers=headers) as reply:
        return reply
