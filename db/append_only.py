"""Tables that only ever grow: the database itself refuses to change or delete their rows."""

from alembic import op

_SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {event} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
_POSTGRESQL = """
CREATE TRIGGER {table}_no_{verb} BEFORE {event} ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change()
"""
_POSTGRESQL_TRUNCATE = """
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""


def guard(*tables: str) -> None:
    """Refuse UPDATE, DELETE and the like on these tables, in a migration."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if not on_sqlite:
        op.execute(_REFUSE)
    template = _SQLITE if on_sqlite else _POSTGRESQL
    for table in tables:
        for event in ("UPDATE", "DELETE"):
            op.execute(template.format(table=table, verb=event.lower(), event=event))
        if not on_sqlite:
            op.execute(_POSTGRESQL_TRUNCATE.format(table=table))


def unguard() -> None:
    """Take the function away, once the tables and their triggers are gone."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_change()")
