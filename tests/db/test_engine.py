"""What a session promises, on both databases."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from db.engine import Database
from db.tables import OrderRow
from tests.db.story import Story


def state_of(session: Session, number: str) -> str:
    """An order's state, from the table itself."""
    query = text("SELECT state FROM orders WHERE out_trade_no = :number")
    state: str = session.connection().execute(query, {"number": number}).scalar_one()
    return state


def test_a_read_sees_one_state_whatever_is_written_meanwhile(tables: Database) -> None:
    story = Story(tables).paid()
    with tables.read() as session:
        before = state_of(session, story.number)
        story.ended()
        assert state_of(session, story.number) == before
    with tables.read() as session:
        assert state_of(session, story.number) != before


def test_a_read_session_writes_nothing(tables: Database) -> None:
    story = Story(tables).paid()
    try:
        with tables.read() as session:
            session.get_one(OrderRow, story.number).state = "CLOSED"
            session.flush()
    except DBAPIError as error:
        assert "read-only" in str(error)
    with tables.read() as session:
        assert state_of(session, story.number) != "CLOSED"
