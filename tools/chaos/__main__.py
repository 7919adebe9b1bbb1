"""`make chaos`: random orders while everything breaks; is the money where it must be?"""

import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from tools.chaos import campaign, report
from tools.chaos.campaign import Plan
from tools.supervisor import StackError, end_like_ctrl_c

SETTINGS: Final = ("ORDERS", "KILLS", "SEED", "OUTAGE_S")


def main() -> int:
    """0 when nothing was lost or paid twice, and the books agree; else 1 (2: a wrong setting)."""
    end_like_ctrl_c()
    console = Console(highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="wechat-order-flow-", dir=memory()) as folder:
            plan = planned(Path(folder))
            console.print(f"{plan.orders} orders, {plan.kills} kills, seed {plan.seed}")
            verdict = campaign.run(plan, lambda line: console.print(line, markup=False))
    except KeyboardInterrupt:
        return 1
    except (StackError, ValueError) as error:
        console.print(f"make chaos: {error}", style="red", markup=False, soft_wrap=True)
        return getattr(error, "exit_code", 2)
    return report.show(console, verdict)


def planned(folder: Path) -> Plan:
    """What the environment asks for; raises ValueError."""
    given = {name: os.environ.get(f"CHAOS_{name}", "") for name in SETTINGS}
    return Plan(
        orders=int(given["ORDERS"] or 300),
        kills=int(given["KILLS"] or 12),
        seed=int(given["SEED"] or random.randrange(1_000_000)),
        folder=folder,
        outage_s=float(given["OUTAGE_S"] or 0),
    )


def memory() -> str | None:
    """Where files cost no disk, if there is such a place: processes are killed, not machines."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The SDK can abort an interpreter that ends after all is done (sdk-python#300).
    os._exit(code)
