"""`python -m tools.fuzz [--seconds N] [--keep] [TARGET…]`: each target for so long, and a table.

`--keep` adds what opened new ways through the code to the corpora in tests/attack/corpora.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tools.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
CORPORA: Final = ROOT / "tests" / "attack" / "corpora"
ONE_INPUT_S: Final = 5
MEMORY_MB: Final = 1024
LONGEST_BYTES: Final = 16 * 1024
KEPT_BYTES_MAX: Final = 2048
KEPT_FILES: Final = 30
BROKE: Final = re.compile(r"(?:Uncaught Python exception: ===\s+|ERROR: libFuzzer: )(.+)")
EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@dataclass(frozen=True)
class Result:
    """What came of one target."""

    name: str
    executions: int
    corpus: int
    finding: str

    @property
    def line(self) -> str:
        """A row of the table."""
        said = self.finding or "nothing found"
        return f"{self.name:22}{self.executions:>12,}{self.corpus:>8}  {said}"


def main(arguments: list[str]) -> int:
    """0; 1 when something was found, 2 where atheris is not installed."""
    asked = _parser().parse_args(arguments)
    if find_spec("atheris") is None:
        print("fuzz: atheris is not installed: it has no wheel for this system", file=sys.stderr)
        return 2
    print(f"{'target':22}{'executions':>12}{'corpus':>8}  in {asked.seconds} s each")
    found = False
    for name in asked.targets or TARGETS:
        result = fuzz(name, asked.seconds, keep=asked.keep)
        print(result.line, flush=True)
        found = found or bool(result.finding)
    return int(found)


def fuzz(name: str, seconds: int, *, keep: bool) -> Result:
    """Fuzz one target beside its kept corpus."""
    kept = CORPORA / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        grown = Path(folder) / "corpus"
        grown.mkdir()
        ended = subprocess.run(
            [*_command(name, seconds, Path(folder)), str(grown), str(kept)],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        if keep:
            _keep(grown, kept)
        finding = _finding(ended, Path(folder), kept)
    executed = EXECUTED.search(ended.stderr)
    corpus = len(list(kept.iterdir()))
    return Result(name, int(executed[1]) if executed else 0, corpus, finding)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []])
    return parser


def _command(name: str, seconds: int, artifacts: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "tools.fuzz.one", name),
        f"-max_total_time={seconds}",
        f"-timeout={ONE_INPUT_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={LONGEST_BYTES}",
        f"-artifact_prefix={artifacts}/",
        "-print_final_stats=1",
    ]


def _keep(grown: Path, kept: Path) -> None:
    """Some of what opened new ways: small ones, and of each size."""
    small = [file for file in grown.iterdir() if file.stat().st_size <= KEPT_BYTES_MAX]
    small.sort(key=lambda file: (file.stat().st_size, file.name))
    for file in small[:: max(1, len(small) // KEPT_FILES)]:
        (kept / file.name).write_bytes(file.read_bytes())


def _finding(ended: "subprocess.CompletedProcess[str]", artifacts: Path, kept: Path) -> str:
    """What broke, in one line; the input that did it joins the corpus."""
    if ended.returncode == 0:
        return ""
    for file in artifacts.iterdir():
        if file.is_file():
            (kept / file.name).write_bytes(file.read_bytes())
    said = BROKE.search(ended.stdout + ended.stderr)
    return said[1][:160] if said else f"exit code {ended.returncode}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
