"""One simulator for a module, forgetting everything between tests."""

from collections.abc import Iterator

import pytest

from simulator.settings import Settings
from tests.simulator.harness import Merchant, Shop, running, sandbox


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop that acknowledges."""
    made = Shop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Settings]]:
    """One simulator for a module; `merchant` resets it."""
    settings = sandbox(
        tmp_path_factory.mktemp("simulator"), previous_api_key="p" * 32,
        public_url="http://127.0.0.1:1",
    )  # fmt: skip
    with running(settings) as number:
        yield number, settings


@pytest.fixture
def merchant(port: tuple[int, Settings], shop: Shop) -> Iterator[Merchant]:
    """A merchant of a simulator that has forgotten everything."""
    made = Merchant(f"http://127.0.0.1:{port[0]}", port[1], shop)
    made.control("reset")
    yield made
    made.http.close()
