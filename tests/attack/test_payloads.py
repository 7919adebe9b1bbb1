"""What Temporal keeps is sealed when there is a key, and opens only for those who may read it."""

import base64
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

import tests.shop
from db.engine import Database
from settings import Settings
from tests.api.test_notify import payment
from tests.shop import Shop, opened, settings_for
from tools import provision
from workflows.messaging import AFTER_SALE_STATE, DEADLINE_AT, MERCHANT_ID, ORDER_STATE
from workflows.sealing import ENCODING, Sealer, Unreadable, data_converter

pytestmark = pytest.mark.slow

OLD, NEW, STRANGE = (os.urandom(32) for _ in range(3))
OPENID = "oUpF8uMuAJO-M2pxb1Q9zNjWeS6o"
REASON = "buyer-says-the-cup-is-not-what-was-shown"
UI = "http://127.0.0.1:18233"
ADMIN = {"Authorization": "Bearer admin"}
PRIVATE = (OPENID, REASON, "茶杯", "Shan")


async def connected(environment: WorkflowEnvironment, *keys: bytes) -> Client:
    """A client, or a worker's, that has these keys."""
    return await Client.connect(
        environment.client.service_client.config.target_host, data_converter=data_converter(keys)
    )


@pytest.fixture(scope="module")
async def shop(
    skipping: WorkflowEnvironment, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """A shop that seals with the new key, and knows the old one."""

    def sealing(*given: Any) -> Settings:
        keys = {"payload_keys": (NEW, OLD), "temporal_ui_url": UI}
        return settings_for(*given).model_copy(update=keys)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tests.shop, "settings_for", sealing)
        client = await connected(skipping, NEW, OLD)
        time = (skipping.sleep, skipping.get_current_time)
        folder = tmp_path_factory.mktemp("sealed")
        async with opened(client, database, folder, *time) as made:
            yield made


async def raw(shop: Shop, workflow_id: str) -> bytes:
    """Every byte that Temporal keeps of a run: its history, and what it is found by."""
    run, service = WorkflowExecution(workflow_id=workflow_id), shop.client.workflow_service
    asked = GetWorkflowExecutionHistoryRequest(namespace=shop.client.namespace, execution=run)
    history = await service.get_workflow_execution_history(asked)
    about = await service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(namespace=shop.client.namespace, execution=run)
    )
    return history.SerializeToString() + about.SerializeToString()


def shown(kept: bytes, words: Iterable[str]) -> list[str]:
    """Which of these words stand there for everybody, as they are or escaped by JSON."""
    return [
        word for word in words if word.encode() in kept or json.dumps(word)[1:-1].encode() in kept
    ]


async def refunded(shop: Shop) -> tuple[str, str]:
    """A whole unshipped refund, rejected once; order and case."""
    number = await shop.paid(openid=OPENID)
    await shop.reject(await shop.apply(number, reason=REASON), "merchant", reason=REASON)
    case_no = await shop.apply(number, reason=REASON)
    await shop.approve(case_no)
    await shop.case_is(case_no, "COMPLETED")
    return number, case_no


async def test_a_whole_refund_leaves_nothing_to_read_in_temporal(shop: Shop) -> None:
    number, case_no = await refunded(shop)
    await shop.order_is(number, "CLOSED")
    for workflow_id in (f"order-{number}", f"after-sale-{case_no}", f"refund-{case_no}-1"):
        kept = await raw(shop, workflow_id)
        assert ENCODING in kept
        assert shown(kept, PRIVATE) == [], workflow_id
    assert (await shop.order_of(number))["after_sales"][-1]["amounts"]["refund_fee"] == 380


async def test_without_a_key_the_same_words_stand_there(
    skipping: WorkflowEnvironment, database: Database, tmp_path: Path
) -> None:
    """What the test before looks for is really what would be there."""
    client = await connected(skipping)
    time = (skipping.sleep, skipping.get_current_time)
    async with opened(client, database, tmp_path, *time) as plain:
        number = await plain.order(openid=OPENID)
        assert shown(await raw(plain, f"order-{number}"), (OPENID, "Shan")) == [OPENID, "Shan"]


async def test_what_a_search_finds_runs_by_names_nobody(shop: Shop) -> None:
    number = await shop.paid(openid=OPENID)
    (begun, *_) = await shop.history(f"order-{number}")
    attributes = begun.workflow_execution_started_event_attributes.search_attributes
    found = {name: one.data for name, one in attributes.indexed_fields.items()}
    assert found.pop("DeadlineAt").startswith(b'"20')
    assert found == {"OrderState": b'"PENDING_PAYMENT"', "MerchantId": b'"m1"'}


async def test_a_refusal_is_sealed_and_its_caller_reads_it(shop: Shop) -> None:
    number = await shop.paid()
    case_no = await shop.apply(number)
    assert await shop.refuses("shop", f"/v1/orders/{number}/receive") == "order_state"
    await shop.signal(case_no, "approve", {"stage": "merchant", "reviewer": "王芳"})
    assert (await shop.until(lambda: shop.case_of(case_no), "PENDING_PLATFORM"))["case_no"]


@pytest.fixture
async def real() -> AsyncIterator[WorkflowEnvironment]:
    """The Temporal server of `make run`: it notices when a worker is gone."""
    server = provision.paths().temporal
    assert server, "no Temporal server: run `make setup`"
    attributes: list[SearchAttributeKey[Any]] = [
        ORDER_STATE,
        AFTER_SALE_STATE,
        MERCHANT_ID,
        DEADLINE_AT,
    ]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(server), search_attributes=attributes
    ) as environment:
        yield environment


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[Database]:
    """Of one test: every simulator counts its transactions from one."""
    made = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    yield made
    made.close()


@pytest.mark.slow  # Temporal waits ten seconds before it hands a failed task out again
async def test_keys_rotate_and_a_worker_without_them_says_so_and_harms_nothing(
    real: WorkflowEnvironment, own_database: Database, tmp_path: Path
) -> None:
    time = (real.sleep, real.get_current_time)
    async with opened(await connected(real, OLD), own_database, tmp_path, *time) as first:
        number = await first.order(openid=OPENID)
    async with opened(await connected(real), own_database, tmp_path, *time) as keyless:
        paid = await keyless.pay(number, notify=False)
        body = payment(number, transaction_id=paid["transaction_id"])
        assert (await keyless.api.post("/apis/pay_notify", content=body)).status_code == 200
        said = await keyless.until(lambda: failures(keyless, f"order-{number}"), True, bool)
        assert "PAYLOAD_KEYS: " in said[0]
        assert (await keyless.order_of(number))["state"] == "PENDING_PAYMENT"
    async with opened(await connected(real, NEW, OLD), own_database, tmp_path, *time) as rotated:
        await rotated.order_is(number, "AWAITING_SHIPMENT")
        case_no = await rotated.apply(number, reason=REASON)
        await rotated.approve(case_no)
        await rotated.case_is(case_no, "COMPLETED")
        kept = await raw(rotated, f"order-{number}")
    sealed_with = {key for key in (OLD, NEW) if Sealer([key]).name in kept}
    assert sealed_with == {OLD, NEW}


async def failures(shop: Shop, workflow_id: str) -> list[str]:
    """What workflow tasks of this run failed of."""
    return [
        event.workflow_task_failed_event_attributes.failure.message
        for event in await shop.history(workflow_id)
        if event.HasField("workflow_task_failed_event_attributes")
    ]


# ---- the codec itself


def payload(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode())


def test_what_is_sealed_opens_with_its_key_only() -> None:
    plain = payload("hello")
    sealed = Sealer([OLD]).seal(plain)
    assert b"hello" not in sealed.SerializeToString()
    assert Sealer([NEW, OLD]).opened([sealed]) == [plain]
    for keys in ([], [NEW], [STRANGE, NEW]):
        with pytest.raises(Unreadable, match=r"^PAYLOAD_KEYS: "):
            Sealer(keys).opened([sealed])


def test_no_two_sealed_payloads_are_the_same() -> None:
    sealer = Sealer([NEW])
    assert len({sealer.seal(payload("hello")).data for _ in range(100)}) == 100


def test_a_changed_or_cut_payload_is_refused() -> None:
    sealed = Sealer([NEW]).seal(payload("hello"))
    for data in (sealed.data[:-1], sealed.data[:5], b"", bytes(len(sealed.data))):
        with pytest.raises(Unreadable, match="changed or cut"):
            Sealer([NEW]).opened([Payload(metadata=sealed.metadata, data=data)])


def test_what_was_never_sealed_passes() -> None:
    assert Sealer([NEW]).opened([payload("from the CLI")]) == [payload("from the CLI")]


# ---- the endpoint


def asked(*payloads: Payload) -> dict[str, Any]:
    """The body that Temporal's UI sends."""
    return {
        "payloads": [
            {
                "metadata": {
                    name: base64.b64encode(value).decode() for name, value in one.metadata.items()
                },
                "data": base64.b64encode(one.data).decode(),
            }
            for one in payloads
        ]
    }


async def test_the_ui_reads_for_those_who_may(shop: Shop) -> None:
    sealed, plain = Sealer([OLD]).seal(payload(OPENID)), payload("plain")
    body = asked(sealed, plain)
    reply = await shop.api.post("/codec/decode", json=body, headers=ADMIN | {"Origin": UI})
    assert reply.json() == asked(payload(OPENID), plain)
    assert reply.headers["access-control-allow-origin"] == UI
    assert reply.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("who", tests.shop.TOKENS)
async def test_a_role_that_may_not_read_histories_opens_nothing(shop: Shop, who: str) -> None:
    headers = {"Authorization": f"Bearer {who}"}
    reply = await shop.api.post("/codec/decode", json=asked(payload("x")), headers=headers)
    assert reply.status_code == (200 if who in ("platform", "admin") else 403)


async def test_nobody_opens_anything_without_a_token_or_a_session(shop: Shop) -> None:
    for path in ("/codec/decode", "/console/codec/decode"):
        reply = await shop.api.post(path, json=asked(payload("x")))
        assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")


async def test_another_sites_page_reads_no_answer(shop: Shop) -> None:
    for origin in ("https://evil.example", "null", UI + "0"):
        preflight = await shop.api.options("/codec/decode", headers={"Origin": origin})
        headers = ADMIN | {"Origin": origin}
        reply = await shop.api.post("/codec/decode", json=asked(payload("x")), headers=headers)
        for one in (preflight, reply):
            assert not [name for name in one.headers if name.startswith("access-control")]


async def test_the_uis_page_is_told_that_it_may_send_a_token(shop: Shop) -> None:
    reply = await shop.api.options("/console/codec/decode", headers={"Origin": UI})
    assert reply.status_code == 204
    assert "authorization" in reply.headers["access-control-allow-headers"]


async def test_an_unknown_key_and_junk_are_problems(shop: Shop) -> None:
    strange = asked(Sealer([STRANGE]).seal(payload("x")))
    reply = await shop.api.post("/codec/decode", json=strange, headers=ADMIN)
    assert (reply.status_code, reply.json()["code"]) == (422, "unreadable_payload")
    wrong: list[Any] = [{}, {"payloads": [{"data": 1}]}, {"payloads": [{}] * 1001}, []]
    for junk in wrong:
        reply = await shop.api.post("/codec/decode", json=junk, headers=ADMIN)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid_field")
