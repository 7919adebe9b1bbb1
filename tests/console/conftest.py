"""One running system for all tests of the console, and a real browser before it."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from db.engine import Database
from tests.console.door import Visit
from tests.console.harness import Clerk, Shop
from tools.stack import Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run",
)  # fmt: skip


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Temporal, simulator, API and worker, each a process of its own."""
    # NiceGUI behaves otherwise in a process that believes to be a test.
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    settings = {"POLICY_REFUND_GAP": "1s", "SECOND_FACTOR_ROLES": "auditor, admin"}
    folder = tmp_path_factory.mktemp("console")
    with Stack.apart(folder, settings=settings, say=lambda _: None) as made:
        yield made


@pytest.fixture(scope="session")
def shop(stack: Stack) -> Iterator[Shop]:
    """The shop's system, its buyers, and WeChat Pay's side of the simulator."""
    made = Shop(stack)
    made.control("clock", scale=20)
    yield made
    made.close()


@pytest.fixture(scope="session")
def tables(stack: Stack) -> Iterator[Database]:
    """The shop's tables."""
    made = Database(stack.environment["DATABASE_URL"])
    yield made
    made.close()


@pytest.fixture
def visit(stack: Stack) -> Iterator[Visit]:
    """A browser without scripts."""
    made = Visit(stack)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; gone after the module, for its driver runs an event loop in this thread."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium in CI")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield made
        made.close()


@pytest.fixture
def clerk(browser: Browser, stack: Stack) -> Iterator[Callable[..., Clerk]]:
    """People who sign in, each in a browser window of their own; what breaks on a page is told."""
    made: list[Clerk] = []

    def sign_in(name: str, password: str = "sandbox", **window: object) -> Clerk:
        one = Clerk(browser, f"{stack.base_url}/console", **window)
        made.append(one)
        one.sign_in(name, password)
        return one

    yield sign_in
    broken = [error for one in made for error in one.errors]
    for one in made:
        one.close()
    assert broken == []
