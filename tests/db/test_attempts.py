"""What WeChat Pay answered about a refund, call by call."""

from typing import Any

import pytest

from db import attempts, views
from db.engine import Database
from tests.db.story import Story
from tests.domain.builders import R1


@pytest.fixture
def number(tables: Database) -> str:
    """A refund that was reserved."""
    story = Story(tables).paid()
    intent = story.reserve(story.case(R1)).intent
    assert intent is not None
    return intent.out_refund_no


def told(database: Database, number: str) -> list[tuple[Any, ...]]:
    with database.read() as session:
        rows = views.refund(session, number)["attempts"]
    return [(row["call"], row["outcome"], row["message"]) for row in rows]


def test_every_answer_in_order_but_no_answer_that_says_the_same(
    tables: Database, number: str
) -> None:
    for call, outcome, message in (
        ("refund", "UNKNOWN", "timeout"),
        ("refund", "UNKNOWN", "timeout"),
        ("refundquery", "PROCESSING", "1"),
        ("refundquery", "PROCESSING", "2"),
        ("refundquery", "SUCCESS", "3"),
        ("refundquery", "PROCESSING", "4"),
    ):
        attempts.note(tables, number, call, outcome, message)
    assert told(tables, number) == [
        ("refund", "UNKNOWN", "timeout"),
        ("refund", "UNKNOWN", "timeout"),
        ("refundquery", "PROCESSING", "1"),
        ("refundquery", "SUCCESS", "3"),
        ("refundquery", "PROCESSING", "4"),
    ]


def test_an_endless_answer_is_cut(tables: Database, number: str) -> None:
    attempts.note(tables, number, "refund", "SYSTEMERROR", "系" * 900)
    assert told(tables, number) == [("refund", "SYSTEMERROR", "系" * 500)]
