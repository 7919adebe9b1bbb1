"""The first answer to each request, for its repeats."""

import pytest

from db.engine import Database
from db.idempotency import Answer, keep, opened
from domain.refusals import Code, Refused
from tests.domain.builders import NOW


def test_the_first_answer_is_the_answer(tables: Database) -> None:
    first = Answer(201, {"out_trade_no": "order-1", "title": "茶具"})
    with tables.write() as session:
        assert opened(session, "request-1", "body-1", NOW) is None
    with tables.write() as session:
        assert opened(session, "request-1", "body-1", NOW) is None, "no answer yet"
        assert keep(session, "request-1", first) == first
    with tables.write() as session:
        assert opened(session, "request-1", "body-1", NOW) == first
        assert keep(session, "request-1", Answer(500, {})) == first
    with tables.write() as session:
        assert opened(session, "request-1", "body-1", NOW) == first


@pytest.mark.parametrize("is_answered", [True, False])
def test_another_body_under_the_same_key_is_refused(tables: Database, is_answered: bool) -> None:
    request_id = f"request-{is_answered}"
    with tables.write() as session:
        opened(session, request_id, "body-1", NOW)
        session.flush()
        if is_answered:
            keep(session, request_id, Answer(201, {}))
    with pytest.raises(Refused) as refusal, tables.write() as session:
        opened(session, request_id, "body-2", NOW)
    assert refusal.value.code is Code.IDEMPOTENCY_KEY_REUSED
