"""Bringing a database to the tables that this release needs, and back."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from db.engine import Database

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(database: Database, revision: str = "head") -> None:
    """Apply every migration up to `revision`."""
    _run(database, command.upgrade, revision)


def downgrade(database: Database, revision: str = "base") -> None:
    """Take migrations back down to `revision`."""
    _run(database, command.downgrade, revision)


def config() -> Config:
    """Alembic's configuration, without a file."""
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS))
    return made


def _run(database: Database, action: object, revision: str) -> None:
    made = config()
    made.attributes["engine"] = database.engine
    action(made, revision)  # type: ignore[operator]
