"""Both languages say the same things, and every code of the domain has words."""

import re
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from string import Formatter

import pytest

from api.auth import EVERYBODY
from api.console import menu, texts
from api.console.widgets.timeline import LOUD
from domain.after_sale import CaseEvent, CaseState, Origin, Stage
from domain.allocation import CouponState, Party
from domain.ledger import Account, PostingKind
from domain.order import CaseType, OrderEvent, OrderState, ReasonCode
from domain.policy import FeePolicy
from domain.reconciliation import DayState, Item, Kind
from domain.refund import RefundEvent, RefundState
from domain.refusals import Code

CONSOLE = Path(__file__).parents[2] / "api" / "console"
WORKFLOWS = CONSOLE.parents[1] / "workflows"
ZH, EN = texts.LANGUAGES["zh"], texts.LANGUAGES["en"]
CODES: dict[str, Iterable[object]] = {
    "order_state": OrderState,
    "case_state": CaseState,
    "refund_state": RefundState,
    "who_acts": CaseState,
    "event": [*CaseEvent, *OrderEvent, *RefundEvent, *LOUD],
    "case_type": CaseType,
    "reason_code": ReasonCode,
    "origin": Origin,
    "responsibility": Party,
    "coupon_state": CouponState,
    "posting": PostingKind,
    "account": [account.title for account in Account],
    "day_state": DayState,
    "difference": Kind,
    "item": Item,
    "refusal": Code,
    "role": EVERYBODY,
    "decide.fee": FeePolicy,
    "decide.reject_button": Stage,
    "page": [page.key for page in menu.PAGES],
}


def test_both_languages_have_the_same_texts() -> None:
    assert ZH.keys() == EN.keys()


@pytest.mark.parametrize("key", sorted(ZH))
def test_both_fill_in_the_same_values(key: str) -> None:
    assert _fields(ZH[key]) == _fields(EN[key])
    assert ZH[key].strip() and EN[key].strip()


@pytest.mark.parametrize("kind", CODES)
def test_every_code_has_words(kind: str) -> None:
    codes = [code.value if isinstance(code, Enum) else code for code in CODES[kind]]
    assert [code for code in codes if f"{kind}.{code}" not in ZH] == []


def test_everything_that_workflows_note_has_words() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS.glob("*.py"))
    noted = re.findall(r"_note\(\s*\"([A-Z_]+)\"", source)
    assert noted
    assert [event for event in noted if f"event.{event}" not in ZH] == []


def test_every_text_is_used() -> None:
    """By its whole key, or by the part before its last dot where that is filled in."""
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for path in CONSOLE.glob("**/*.py")
        if path.parent.name != "texts"
    )
    kinds = {f"{kind}." for kind in (*CODES, *re.findall(r"said\(\s*[\"'](\w+)", source))}
    kinds |= {f"{kind}." for kind in re.findall(r"badge\(\s*(?:self\._)?visitor, \"(\w+)", source)}
    kinds |= set(re.findall(r"\"([\w.]+[._])\{", source))
    unused = [key for key in ZH if f'"{key}"' not in source and not key.startswith(tuple(kinds))]
    assert unused == []


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
