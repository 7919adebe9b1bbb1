"""What was measured, ours beside a rival's: medians, spread, ratio, and whether the goal is met."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.table import Table

THOUSAND: Final = 1000


@dataclass(frozen=True)
class Goal:
    """A limit on the ratio of ours to theirs or, with `of_ours`, on our figure alone."""

    limit: float
    at_least: bool = False
    of_ours: bool = False

    def is_met(self, value: float) -> bool:
        """Whether the value keeps the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        """As people write it."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {number(self.limit)}{'' if self.of_ours else '×'}"


@dataclass(frozen=True)
class Row:
    """One line: the same repeats of ours and, where there is a rival, of theirs."""

    what: str
    unit: str
    ours: Sequence[float]
    rival: str = ""
    theirs: Sequence[float] = ()
    goal: Goal | None = None

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, repeat by repeat."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def verdict(self) -> str:
        """Whether the goal is met, by the median."""
        if self.goal is None:
            return "–"
        value = median(self.ours if self.goal.of_ours else self.ratios)
        return "yes" if self.goal.is_met(value) else "NO"

    @property
    def cells(self) -> list[str]:
        """As a table shows it."""
        ratio = f"{spread(self.ratios)}×" if self.theirs else "–"
        return [
            self.what,
            f"{spread(self.ours)} {self.unit}".strip(),
            f"{spread(self.theirs)} {self.unit}".strip() if self.theirs else "–",
            self.rival or "–",
            ratio,
            str(self.goal) if self.goal else "–",
            self.verdict,
        ]


@dataclass(frozen=True)
class Section:
    """Rows that belong together; `note` says under what conditions they were taken."""

    name: str
    title: str
    rows: Sequence[Row]
    note: str = ""


HEADINGS: Final = ("what", "ours", "theirs", "beside", "ours to theirs", "goal", "met")


def spread(values: Sequence[float]) -> str:
    """The median, and from where to where the repeats went."""
    middle = number(median(values))
    low, high = number(min(values)), number(max(values))
    return middle if low == high else f"{middle} ({low}–{high})"


def number(value: float) -> str:
    """A number with as many digits as mean something."""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= THOUSAND:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(sections: Sequence[Section]) -> Table:
    """One table for the console."""
    made = Table(title="Measured, ours beside theirs", title_justify="left")
    for heading in HEADINGS:
        made.add_column(heading, overflow="fold")
    for section in sections:
        made.add_section()
        made.add_row(section.title, style="bold")
        for row in section.rows:
            made.add_row(*row.cells, style="red" if row.verdict == "NO" else None)
    return made


def markdown(section: Section) -> str:
    """The same rows for a page."""
    lines = [list(HEADINGS), ["---"] * len(HEADINGS), *(row.cells for row in section.rows)]
    told = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{told}\n\n{section.note}" if section.note else told
