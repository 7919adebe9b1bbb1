"""A database with its tables."""

import pytest
from hypothesis import settings

from db import migrate
from db.engine import Database

# A busy machine must not fail a property.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="module")
def tables(database: Database) -> Database:
    """One for all tests of a module: each brings its own orders."""
    migrate.upgrade(database)
    return database
