"""One's own account: a new password, where one is signed in, and nobody else's hand on it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count

import httpx
import pyotp
import pytest

from api.passwords import weakness
from api.sessions import csrf_token
from db.engine import Database
from tests.console.door import PASSWORD, Visit, users, written
from tests.console.harness import Clerk
from tools.stack import Stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

NEW = "nine quiet herons walk"
_serial = count(1)


@pytest.fixture
def name(stack: Stack) -> str:
    """A clerk of the platform who has PASSWORD."""
    made = f"clerk{next(_serial)}"
    assert users(stack, "add", made, "platform").returncode == 0
    return made


@pytest.fixture
def elsewhere(stack: Stack) -> Iterator[Visit]:
    """The same person's other browser."""
    made = Visit(stack)
    yield made
    made.close()


def sends(visit: Visit, form: str, token: str | None = None, **said: str) -> httpx.Response:
    """Fill in a form of the account's page and send it."""
    if token is None:
        token = csrf_token(visit.http.cookies["console_session"])
    return visit.http.post(f"/account/{form}", data={"token": token, **said})


def changes(visit: Visit, now: str, new: str, again: str | None = None, code: str = "") -> str:
    """Ask for a new password; what the page says then."""
    said = {"now": now, "new": new, "again": new if again is None else again, "code": code}
    return told(sends(visit, "password", **said))


class Phone:
    """An authenticator app."""

    def __init__(self) -> None:
        self.secret = pyotp.random_base32()
        self._totp = pyotp.TOTP(self.secret)

    def code(self, *, later: int = 0) -> str:
        """What it shows now, or so many half minutes later."""
        return self._totp.at(datetime.now(UTC), counter_offset=later)

    def set_up(self, visit: Visit, password: str = PASSWORD, code: str = "") -> str:
        """Ask for its codes at sign-in; what the page says then."""
        said = {"now": password, "secret": self.secret, "code": code or self.code()}
        return told(sends(visit, "second-factor", **said))


def told(reply: httpx.Response) -> str:
    assert reply.status_code == 303
    return reply.headers["location"].removeprefix("/console/account?said=")


def test_a_new_password_holds_and_ends_the_other_sessions(
    visit: Visit, elsewhere: Visit, name: str, tables: Database
) -> None:
    visit.sign_in(name, PASSWORD)
    elsewhere.sign_in(name, PASSWORD)
    assert changes(visit, PASSWORD, NEW) == "changed"
    assert (visit.get("/").status_code, elsewhere.get("/").status_code) == (200, 303)
    assert elsewhere.sign_in(name, PASSWORD).status_code == 401
    assert elsewhere.sign_in(name, NEW).status_code == 303
    assert ("change_password", "done") in written(tables, name)


def test_only_who_knows_the_password_changes_it_and_guessing_ends(
    visit: Visit, name: str, tables: Database
) -> None:
    visit.sign_in(name, PASSWORD)
    assert [changes(visit, "wrong", NEW) for _ in range(5)] == ["wrong_proof"] * 5
    assert changes(visit, PASSWORD, NEW) == "too_many_failures"
    assert ("change_password", "refused") in written(tables, name)
    assert ("change_password", "done") not in written(tables, name)


@pytest.mark.parametrize(
    ("new", "again", "said"),
    [
        ("short", "short", "too_short"),
        ("password123456", "password123456", "too_easy"),
        ("x" * 201, "x" * 201, "too_long"),
        (NEW, NEW + "!", "differ"),
    ],
)
def test_a_weak_or_mistyped_password_is_not_taken(
    visit: Visit, elsewhere: Visit, name: str, new: str, again: str, said: str
) -> None:
    visit.sign_in(name, PASSWORD)
    assert changes(visit, PASSWORD, new, again) == said
    assert elsewhere.sign_in(name, PASSWORD).status_code == 303


def test_everybodys_sandbox_login_keeps_its_password(visit: Visit, elsewhere: Visit) -> None:
    visit.sign_in("ping")
    assert changes(visit, "sandbox", NEW) == "sandbox_login"
    assert elsewhere.sign_in("ping").status_code == 303


def test_with_a_second_factor_a_password_alone_opens_nothing(
    visit: Visit, elsewhere: Visit, name: str, tables: Database
) -> None:
    phone = Phone()
    visit.sign_in(name, PASSWORD)
    elsewhere.sign_in(name, PASSWORD)
    assert phone.set_up(visit) == "factor_on"
    assert (visit.get("/").status_code, elsewhere.get("/").status_code) == (200, 303)
    assert elsewhere.sign_in(name, PASSWORD).status_code == 401
    assert elsewhere.sign_in(name, PASSWORD, code="000000").status_code == 401
    assert elsewhere.sign_in(name, "wrong", code=phone.code(later=1)).status_code == 401
    assert elsewhere.sign_in(name, PASSWORD, code=phone.code(later=1)).status_code == 303
    assert ("second_factor_on", "done") in written(tables, name)


def test_a_code_is_good_once(visit: Visit, elsewhere: Visit, name: str) -> None:
    phone = Phone()
    visit.sign_in(name, PASSWORD)
    used = phone.code()
    assert phone.set_up(visit, code=used) == "factor_on"
    assert elsewhere.sign_in(name, PASSWORD, code=used).status_code == 401
    seen = phone.code(later=1)
    assert elsewhere.sign_in(name, PASSWORD, code=seen).status_code == 303
    assert changes(visit, PASSWORD, NEW, code=seen) == "wrong_proof"


def test_a_factor_begins_with_the_password_and_a_code_of_its_app(
    visit: Visit, elsewhere: Visit, name: str
) -> None:
    phone = Phone()
    visit.sign_in(name, PASSWORD)
    assert phone.set_up(visit, code="000000") == "wrong_code"
    assert phone.set_up(visit, password="wrong") == "wrong_proof"
    phone.secret = "AAAA"
    assert phone.set_up(visit) == "wrong_code"
    assert elsewhere.sign_in(name, PASSWORD).status_code == 303


def test_a_factor_ends_with_a_code_or_by_the_operator(
    visit: Visit, elsewhere: Visit, name: str, stack: Stack
) -> None:
    phone = Phone()
    visit.sign_in(name, PASSWORD)
    phone.set_up(visit)
    assert told(sends(visit, "no-second-factor", now=PASSWORD, code="000000")) == "wrong_proof"
    said = {"now": PASSWORD, "code": phone.code(later=1)}
    assert told(sends(visit, "no-second-factor", **said)) == "factor_off"
    assert elsewhere.sign_in(name, PASSWORD).status_code == 303
    lost = Phone()
    assert lost.set_up(visit) == "factor_on"
    assert users(stack, "no-second-factor", name).returncode == 0
    assert visit.get("/").status_code == 303
    assert visit.sign_in(name, PASSWORD).status_code == 303


def test_a_role_that_must_have_a_factor_sees_nothing_before(visit: Visit, stack: Stack) -> None:
    assert users(stack, "add", "boss", "admin").returncode == 0
    assert visit.sign_in("boss", PASSWORD).status_code == 303
    for path in ("/", "/cases", "/export/cases.csv", "/audit"):
        assert visit.get(path).headers["location"] == "/console/account?said=factor_needed"
    assert visit.http.post("/codec/decode", json={"payloads": []}).status_code == 401
    assert visit.get("/account").status_code == 200
    assert Phone().set_up(visit) == "factor_on"
    assert visit.get("/audit").status_code == 200
    assert visit.http.post("/codec/decode", json={"payloads": []}).status_code == 200


def test_somebody_scans_the_code_and_signs_in_with_it(
    clerk: Callable[..., Clerk], name: str
) -> None:
    one = clerk(name, PASSWORD)
    one.open("/account")
    phone = pyotp.TOTP(one.page.locator(".card code").inner_text().replace(" ", ""))
    assert one.page.locator(".card svg").is_visible()
    one.page.fill("#factor-now", PASSWORD)
    one.page.fill("#factor-code", phone.now())
    one.page.get_by_role("button", name="开启两步验证").click()
    one.page.get_by_role("status").wait_for()
    one.page.locator(".top form button").click()
    one.page.fill("#name", name)
    one.page.fill("#password", PASSWORD)
    one.page.fill("#code", phone.at(datetime.now(UTC), counter_offset=1))
    one.page.click("button[type=submit]")
    one.page.wait_for_url(f"{one.url}/")


def test_no_form_but_our_own_does_anything(visit: Visit, elsewhere: Visit, name: str) -> None:
    visit.sign_in(name, PASSWORD)
    elsewhere.sign_in(name, PASSWORD)
    said = {"now": PASSWORD, "new": NEW, "again": NEW}
    for token in ("", "guessed"):
        assert told(sends(visit, "password", token, **said)) == "stale"
        assert told(sends(visit, "sign-out-others", token)) == "stale"
    token = csrf_token(visit.http.cookies["console_session"])
    origin = {"origin": "https://evil.example"}
    reply = visit.http.post("/account/password", data={"token": token, **said}, headers=origin)
    assert told(reply) == "stale"
    visit.http.cookies.clear()
    reply = visit.http.post("/account/password", data={"token": token, **said})
    assert reply.headers["location"].startswith("/console/sign-in?")
    assert elsewhere.get("/").status_code == 200
    assert visit.sign_in(name, PASSWORD).status_code == 303


def test_people_see_where_they_are_signed_in_and_end_it(
    clerk: Callable[..., Clerk], elsewhere: Visit
) -> None:
    elsewhere.sign_in("fang")
    fang = clerk("fang")
    fang.page.get_by_role("link", name="fang").click()
    rows = fang.page.locator(".sessions tbody tr")
    rows.first.wait_for()
    assert rows.filter(has_text="127.0.0.1").count() == rows.count() >= 2
    assert rows.filter(has_text="本机").count() == 1
    fang.page.get_by_role("button", name="退出其他地方的登录").click()
    fang.page.get_by_role("status").wait_for()
    assert rows.count() == 1
    assert elsewhere.get("/").status_code == 303


@pytest.mark.parametrize(
    "password",
    ["qwertyuiop", "1234567890", "iloveyou2024", "P@ssw0rd2026", "wechatwechat", "aaaaaaaaaaaa"],
)
def test_what_would_be_guessed_is_too_easy(password: str) -> None:
    assert weakness(password, "mei") == "too_easy"


def test_a_password_made_of_the_name_is_too_easy() -> None:
    assert weakness("zhangxiaoming1", "zhangxiaoming") == "too_easy"


@pytest.mark.parametrize("password", [PASSWORD, NEW, "Vq7-mlz0_pTn4", "三更灯火五更鸡正是读书时"])
def test_what_nobody_guesses_is_fine(password: str) -> None:
    assert weakness(password, "mei") is None
