"""A merchant's statement of a period, as JSON and for a spreadsheet."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from api.auth import Principal, allowed
from api.context import Context, Here
from api.fields import DAY, Number
from db import statements
from db.views import View, instant
from domain.days import end_of, start_of
from domain.money import yuan
from domain.policy import FeePolicy
from domain.refusals import Code, Refused
from domain.statement import Balance, Charge, Statement, StatementLine

router = APIRouter(prefix="/v1/merchants", tags=["merchants"])

LONGEST = timedelta(days=366)
BOM = "\ufeff"
"""Without it, Excel takes Chinese for something else."""

AMOUNTS = {
    "paid": "买家支付",
    "refunded": "退还买家",
    "released": "结算放款",
    "commission": "平台佣金",
    "handling_fee": "支付手续费",
    "refunds_charged": "结算后退款",
    "settled": "净额",
    "fee_merchant_bears_original": "手续费·商户承担原额",
    "fee_channel_actual": "手续费·渠道实收",
    "payable": "应付商户",
    "receivable": "应收商户",
}
"""Amounts of a spreadsheet's row, each in fen and in yuan."""

_LOST_PLUS = re.compile(r" (\d\d:\d\d)$")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Period:
    """From `start` until `end`, in UTC."""

    start: datetime
    end: datetime


def _period(
    since: Annotated[
        str, Query(alias="from", description="A day in China such as 2026-11-01, or RFC 3339")
    ],
    until: Annotated[
        str, Query(alias="to", description="The last day, or RFC 3339: until just before it")
    ],
) -> Period:
    """Raises Refused naming the field that makes no sense."""
    period = Period(moment("from", since, start_of), moment("to", until, end_of))
    if period.start >= period.end:
        raise Refused(Code.INVALID_FIELD, "to: must be later than from", "to")
    if period.end - period.start > LONGEST:
        raise Refused(Code.INVALID_FIELD, f"to: at most {LONGEST.days} days after from", "to")
    return period


def moment(name: str, text: str, of_day: Callable[[date], datetime]) -> datetime:
    """A day in China, or an instant with its zone, in UTC; raises Refused naming the field."""
    try:
        if DAY.fullmatch(text):
            return of_day(date.fromisoformat(text))
        # A plus that was not written as %2B arrives as a space.
        at = datetime.fromisoformat(_LOST_PLUS.sub(r"+\1", text))
        if at.tzinfo is None:
            raise ValueError("a time without a zone")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        detail = f"{name}: a day such as 2026-11-01, or a time with its zone"
        raise Refused(Code.INVALID_FIELD, detail, name) from None


Asked = Annotated[Period, Depends(_period)]
Reader = Annotated[Principal, Depends(allowed("statements.read"))]


@router.get("/{merchant_id}/statement")
async def get_statement(
    merchant_id: Number, period: Asked, context: Here, principal: Reader
) -> View:
    """What the period was for a merchant, order by order; amounts in fen."""
    statement = await _read(context, principal, merchant_id, period)
    return {
        "merchant_id": merchant_id,
        "from": instant(period.start),
        "to": instant(period.end),
        "opening": _balance(statement.opening),
        "closing": _balance(statement.closing),
        "totals": asdict(statement.totals),
        "lines": [_line(line) for line in statement.lines],
    }


@router.get(
    "/{merchant_id}/statement.csv",
    response_class=Response,
    responses={200: {"description": "A spreadsheet", "content": {"text/csv": {}}}},
)
async def get_spreadsheet(
    merchant_id: Number, period: Asked, context: Here, principal: Reader
) -> Response:
    """The same for a spreadsheet: each amount in fen and in yuan."""
    statement = await _read(context, principal, merchant_id, period)
    name = f"statement-{merchant_id}-{period.start:%Y%m%d}-{period.end:%Y%m%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(_spreadsheet(statement), media_type="text/csv", headers=headers)


async def _read(
    context: Context, principal: Principal, merchant_id: str, period: Period
) -> Statement:
    principal.check_sees({"merchant_id": merchant_id})
    return await context.read(
        lambda session: statements.read(session, merchant_id, period.start, period.end)
    )


def _balance(balance: Balance) -> View:
    return asdict(balance) | {"net": balance.net}


def _line(line: StatementLine) -> View:
    return {
        "out_trade_no": line.out_trade_no,
        **asdict(line.figures),
        "fee_policy": line.charge.policy if line.charge else None,
        "handling_fee_by_policy": _by_policy(line.charge) if line.charge else None,
        "postings": [
            {"cause": one.cause, "kind": one.kind, "at": instant(one.at)} for one in line.postings
        ],
    }


def _by_policy(charge: Charge) -> dict[str, int]:
    return {
        FeePolicy.MERCHANT_BEARS_ORIGINAL: charge.original,
        FeePolicy.CHANNEL_ACTUAL: charge.actual,
    }


# ---- spreadsheet


def _spreadsheet(statement: Statement) -> str:
    text = io.StringIO()
    text.write(BOM)
    writer = csv.writer(text)
    writer.writerow(_headings())
    writer.writerows(_rows(statement))
    return text.getvalue()


def _headings() -> list[str]:
    amounts = [f"{name}_{unit}" for name in AMOUNTS for unit in ("fen", "yuan")]
    chinese = [f"{name}({unit})" for name in AMOUNTS.values() for unit in ("分", "元")]
    told = [f"{name} {word}" for name, word in zip(amounts, chinese, strict=True)]
    return ["row 行", "out_trade_no 商户订单号", *told, "fee_policy 手续费规则", "postings 凭证"]


def _rows(statement: Statement) -> Iterator[list[object]]:
    yield _row("opening", "", asdict(statement.opening))
    for line in statement.lines:
        postings = " ".join(f"{one.cause}:{one.kind}" for one in line.postings)
        policy = line.charge.policy if line.charge else ""
        amounts = asdict(line.figures) | _charged(line.charge)
        yield _row("order", line.out_trade_no, amounts, policy, postings)
    yield _row("totals", "", asdict(statement.totals))
    yield _row("closing", "", asdict(statement.closing))


def _charged(charge: Charge | None) -> dict[str, int]:
    told = _by_policy(charge) if charge else {}
    return {f"fee_{policy.lower()}": fen for policy, fen in told.items()}


def _row(
    kind: str, number: str, amounts: dict[str, int], policy: str = "", postings: str = ""
) -> list[object]:
    cells: list[object] = []
    for name in AMOUNTS:
        fen = amounts.get(name)
        cells += ["", ""] if fen is None else [fen, yuan(fen)]
    return [kind, _text(number), *cells, policy, _text(postings)]


def _text(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
