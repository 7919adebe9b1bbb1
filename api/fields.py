"""The fields of requests: what they may hold, so that nothing odd gets further than here."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from api.problems import Problem
from domain.after_sale import REASON_MAX
from domain.refusals import Code

FEN_MAX = 100_000_000_000
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("has a control character")
    return text


def _written_out(day: object) -> object:
    # Without this, numbers would pass as seconds since 1970.
    if isinstance(day, str) and not DAY.fullmatch(day):
        raise ValueError("is not a day such as 2026-11-23")
    return day


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the calendar") from None


def _not_far(at: datetime) -> datetime:
    if at - datetime.now(at.tzinfo) > timedelta(days=365):
        raise ValueError("is more than a year away")
    return at


Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_printable)]
Name = Annotated[Text, Field(min_length=1, max_length=64)]
Title = Annotated[Text, Field(min_length=1, max_length=200)]
Number = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Scope = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{0,64}$")]
OrderNumber = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{6,32}$")]
Reason = Annotated[Text, Field(max_length=REASON_MAX)]
Fen = Annotated[int, Field(ge=0, le=FEN_MAX, strict=True)]
Quantity = Annotated[int, Field(ge=1, le=10_000, strict=True)]
Day = Annotated[date, BeforeValidator(_written_out)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Soon = Annotated[Moment, AfterValidator(_not_far)]
Last = Annotated[int, Field(ge=0, lt=2**63)]


class Body(BaseModel):
    """Unknown fields are refused: a misspelt one must not pass in silence."""

    model_config = ConfigDict(extra="forbid")


async def known_parameters(request: Request) -> None:
    """A dependency: no query parameter that nobody reads, and none twice; raises Problem.

    A misspelt filter that passed in silence would list what was not asked for.
    """
    if not request.scope["query_string"]:
        return
    left = set(_query_parameters(request.scope["route"].dependant))
    for name, _ in request.query_params.multi_items():
        if name not in left:
            detail = "a parameter that is unknown here, or comes twice"
            raise Problem(422, Code.INVALID_FIELD, detail, field=name[:64])
        left.remove(name)


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for of_it in dependant.dependencies:
        yield from _query_parameters(of_it)
