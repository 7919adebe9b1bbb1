"""`python -m tools.audit LOCK…`: known faults of locked packages, as pip-audit's database has them.

A database that can't be reached is one line and no failure: a build must not hang on it, and the
line says that nothing was checked. pip-audit alone would call such a lock free of faults.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

PATIENCE_S: Final = 120
COMMAND: Final = (
    *(sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"),
    *("--progress-spinner=off", "--format=json"),
)


def main(locks: list[str]) -> int:
    """0 when nothing is known, or nobody could be asked; 1 for a known fault."""
    return max([audit(Path(lock)) for lock in locks], default=0)


def audit(lock: Path) -> int:
    """The same for one lock file; says what came of it."""
    packages = _asked(lock)
    checked = [one for one in packages if "skip_reason" not in one]
    if not checked:
        print(f"audit: {lock}: NOT CHECKED, the database of advisories is out of reach")
        return 0
    faults = [(one, fault) for one in checked for fault in one["vulns"]]
    for package, fault in faults:
        mended = ", ".join(fault["fix_versions"]) or "no release yet"
        print(f"audit: {package['name']} {package['version']}: {fault['id']}, mended in {mended}")
    print(f"audit: {lock}: {len(checked)} of {len(packages)} checked, {len(faults)} known faults")
    return 1 if faults else 0


def _asked(lock: Path) -> list[dict[str, Any]]:
    """What pip-audit knows of each package; nothing when it could not ask."""
    try:
        ended = subprocess.run(
            [*COMMAND, "-r", str(lock)],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        found: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        return []
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
