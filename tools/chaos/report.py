"""The verdict for people: a table of what was done, and the whole story of what is wrong."""

import json
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tools.chaos.campaign import Verdict
from tools.chaos.evidence import Evidence

STORIES_SHOWN = 5


def show(console: Console, verdict: Verdict) -> int:
    """Print it; the exit code."""
    for title, counts in (
        ("Stories", Counter(told.story for told in verdict.evidence.told)),
        ("What was broken", verdict.damage),
        ("What WeChat Pay did wrong", verdict.faults),
    ):
        console.print(_table(title, counts))
    for number in list(dict.fromkeys(one.number for one in verdict.findings))[:STORIES_SHOWN]:
        console.print("\n".join(_story(verdict, number)), markup=False, soft_wrap=True)
    console.print(_summary(verdict))
    return 1 if verdict.findings else 0


def _table(title: str, counts: "Counter[str]") -> Table:
    made = Table(title=title, title_justify="left", show_header=False)
    made.add_column("kind")
    made.add_column("times", justify="right")
    for kind, times in sorted(counts.items()):
        made.add_row(kind, str(times))
    return made


def _summary(verdict: Verdict) -> str:
    by_rule = Counter(one.rule for one in verdict.findings)
    wrong = ", ".join(f"{rule} {count}" for rule, count in by_rule.items()) or "nothing"
    return (
        f"{len(verdict.evidence.told)} orders, {verdict.kills} kills,"
        f" {sum(verdict.faults.values())} faults of WeChat Pay's in {verdict.seconds:.0f} s."
        f" {verdict.unanswered} requests got no answer, {verdict.turned_away} got 503."
        f"\nWrong: {wrong}.  CHAOS_ORDERS={verdict.plan.orders} CHAOS_SEED={verdict.plan.seed}"
    )


def _story(verdict: Verdict, number: str) -> Iterator[str]:
    """All that is known about an order, or about whatever else the number names."""
    evidence = verdict.evidence
    yield f"\n=== {number}, seed {verdict.plan.seed}"
    yield from (f"{one.rule}: {one.what}" for one in verdict.findings if one.number == number)
    order = _order_of(evidence, number)
    for told in evidence.told:
        if told.no == order:
            yield f"--- {told.story}"
            yield from told.diary
    yield "--- timeline"
    for event in evidence.events:
        if event["out_trade_no"] == order:
            step = f"{event['event']}: {event['from']} → {event['to']}"
            yield f"{event['at']} {event['subject']} {event['subject_no']} {step} {event['reason']}"
    for table in ("payments", "refunds", "notifications"):
        yield f"--- {table} at WeChat Pay"
        yield from _rows(row for row in evidence.wechat[table] if order in json.dumps(row))
    for table in ("payments", "refunds", "transfers"):
        yield f"--- {table}"
        yield from _rows(r for r in evidence.tables[table] if r["out_trade_no"] == order)
    yield "--- runs"
    ours = {"order-" + order} | {
        f"after-sale-{case['case_no']}" for case in evidence.cases if case["out_trade_no"] == order
    }
    refunds = (row for row in evidence.tables["refunds"] if row["out_trade_no"] == order)
    ours |= {f"refund-{row['out_refund_no']}" for row in refunds}
    yield from (str(run) for run in evidence.runs if run.workflow_id in ours)


def _order_of(evidence: Evidence, number: str) -> str:
    plain = number.removeprefix("order-").removeprefix("after-sale-").removeprefix("refund-")
    for event in evidence.events:
        if event["subject_no"] == plain:
            return str(event["out_trade_no"])
    return plain


def _rows(rows: Iterator[dict[str, object]]) -> Iterator[str]:
    for row in rows:
        yield ", ".join(f"{name} {value}" for name, value in row.items() if value not in ("", None))
