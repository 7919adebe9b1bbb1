"""`python -m simulator`: one command, one port, one page."""

import sys

from simulator import server, settings
from simulator.settings import SettingsError


def main() -> int:
    """Serve until interrupted; 2 for a wrong setting, named in one line."""
    try:
        loaded = settings.load()
        listener = server.bind(loaded)
    except SettingsError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    print(f"WeChat Pay simulator: {loaded.base_url}  (state in {loaded.database})", flush=True)
    try:
        server.build(loaded).run(sockets=[listener])
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
