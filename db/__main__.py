"""`python -m db upgrade|downgrade [REVISION]`: migrations, as a job of its own."""

import sys

import settings
from db import migrate
from db.engine import Database
from settings import SettingsError


def main(arguments: list[str]) -> int:
    """0 when the tables are as asked; 2 for a command that is none, or a wrong setting."""
    actions = {"upgrade": migrate.upgrade, "downgrade": migrate.downgrade}
    if not arguments or arguments[0] not in actions:
        print("usage: python -m db upgrade|downgrade [REVISION]", file=sys.stderr)
        return 2
    try:
        database = Database(settings.database_url())
    except SettingsError as error:
        print(f"migrations: {error}", file=sys.stderr)
        return 2
    actions[arguments[0]](database, *arguments[1:2])
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
