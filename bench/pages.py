"""Writing the figures into the pages, each section between its own two markers."""

import os
import re
from collections.abc import Sequence
from typing import Final

from bench.figures import Section, markdown
from tools.stack import ROOT

PAGES: Final = (ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.zh-CN.md")


def write(sections: Sequence[Section]) -> None:
    """Put every section into every page; what was not measured now stays as it was."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for section in sections:
            text = filled(text, section.name, f"{markdown(section)}\n\n{machine()}")
        page.write_text(text, encoding="utf-8")


def filled(text: str, name: str, content: str) -> str:
    """The page with `content` between the markers of this name; raises ValueError without them."""
    start, end = f"<!-- bench: {name} -->", f"<!-- /bench: {name} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the page has no markers for {name}")
    return pattern.sub(lambda _: f"{start}\n{content}\n{end}", text)


def machine() -> str:
    """What it was measured on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"Machine: {os.cpu_count()} cores, {round(pages / 2**30)} GB of memory."
