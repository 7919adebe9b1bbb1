"""`python -m tests.tools.host LOGS`: a program that supervises two stand-in parts.

Each part has a child of its own. Prints `up` and the parts' process ids.
"""

import sys
from pathlib import Path

from tools.supervisor import Part, StackError, Supervisor, end_like_ctrl_c

SLEEPS = "sleep 300 & echo started $!; wait"


def main() -> int:
    """0 when interrupted, 1 when a part failed."""
    end_like_ctrl_c()
    parts = [
        Part("base", ["sh", "-c", SLEEPS], ready=lambda output: "started" in output),
        Part(
            "upper", ["sh", "-c", SLEEPS], ready=lambda output: "started" in output, after=("base",)
        ),
    ]
    try:
        with Supervisor(parts, Path(sys.argv[1]), say=lambda _: None) as supervisor:
            print("up", supervisor.pid("base"), supervisor.pid("upper"), flush=True)
            supervisor.wait()
    except KeyboardInterrupt:
        return 0
    except StackError as error:
        print(error)
        return error.exit_code
    return 3


if __name__ == "__main__":
    sys.exit(main())
