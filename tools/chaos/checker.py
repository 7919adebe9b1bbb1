"""Judges a system by its evidence: is the money where it must be, and is nothing lost?

Written apart from the product: it knows the contract, and none of its code.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tools.chaos.evidence import Evidence

CLEARING, REFUND_PAYABLE, GOODS, FREIGHT = "1010", "2030", "2021", "2022"
MERCHANT_PAYABLE, VOUCHERS, SUSPENSE, CHANNEL_FEE = "2010", "2040", "2060", "5010"

ORDER_ENDS: Final = frozenset({"COMPLETED", "CLOSED"})
CASE_ENDS: Final = frozenset({"REJECTED", "COMPLETED", "CLOSED"})
REFUND_RESTS: Final = frozenset({"SUCCEEDED", "CLOSED", "ABNORMAL", "MANUAL_SETTLED"})
SHOWN_MAX: Final = 20


@dataclass(frozen=True)
class Finding:
    """Something that must not be: which rule, about which number, and what."""

    rule: str
    number: str
    what: str


Said = Iterator[tuple[str, str]]
"""(number, what)"""


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong."""
    return [
        Finding(rule.__name__, number, what) for rule in RULES for number, what in rule(evidence)
    ]


# ---- stories, answers


def story_ends_as_it_may(evidence: Evidence) -> Said:
    """Each order and case is in a state that its story allows, and so is the money back."""
    orders = {row["out_trade_no"]: row for row in evidence.orders}
    cases = {row["case_no"]: row["state"] for row in evidence.cases}
    back = _back(evidence)
    for told in evidence.told:
        if told.ending is None:
            yield told.no, f"{told.story} came to no end: {told.problem}"
            continue
        state = orders[told.no]["state"] if told.no in orders else "lost"
        if state not in told.ending.order:
            yield told.no, f"{told.story}: the order is {state}, not {_any(told.ending.order)}"
        if back[told.no] not in told.ending.back:
            yield told.no, f"{told.story}: {back[told.no]} fen back, not {_any(told.ending.back)}"
        for case_no, wanted in told.ending.cases.items():
            if cases.get(case_no) != wanted:
                yield told.no, f"{told.story}: {case_no} is {cases.get(case_no)}, not {wanted}"


def answers_are_honest(evidence: Evidence) -> Said:
    """No 500s, no 503 without Retry-After, one answer for one key."""
    for complaint in evidence.complaints:
        number, _, what = complaint.partition(" ")
        yield number, what


# ---- money


def money_moves_once(evidence: Evidence) -> Said:
    """At most once for each number, exactly once where we say SUCCEEDED, never where we don't."""
    ours = {row["out_refund_no"]: row for row in evidence.tables["refunds"]}
    theirs = {row["out_refund_no"]: row for row in evidence.wechat["refunds"]}
    for number, moved in theirs.items():
        if moved["money_moves"] not in (0, 1):
            yield moved["out_trade_no"], f"{number} moved money {moved['money_moves']} times"
    for number, row in ours.items():
        moves = theirs[number]["money_moves"] if number in theirs else 0
        if moves != (row["state"] == "SUCCEEDED"):
            yield row["out_trade_no"], f"{number} is {row['state']}, and money moved {moves} times"


def every_refund_is_ours(evidence: Evidence) -> Said:
    """WeChat Pay knows no refund that we don't, or did not store before, nor another amount."""
    ours = {row["out_refund_no"]: row for row in evidence.tables["refunds"]}
    for row in evidence.wechat["refunds"]:
        known = ours.get(row["out_refund_no"])
        if known is None:
            yield row["out_trade_no"], f"{row['out_refund_no']} is at WeChat Pay, not with us"
        elif (known["refund_fee"], known["transaction_id"]) != (
            row["refund_fee"],
            row["transaction_id"],
        ):
            yield row["out_trade_no"], f"{row['out_refund_no']} is another refund at WeChat Pay"
        elif row["source"] == "API" and known["origin"] == "CONSOLE":
            yield row["out_trade_no"], f"{row['out_refund_no']} was sent by us, and stored later"


def one_number_an_intent(evidence: Evidence) -> Said:
    """A case has a second number only where the first is closed."""
    alive: dict[str, list[str]] = defaultdict(list)
    for row in evidence.tables["refunds"]:
        if row["case_no"] and row["state"] != "CLOSED":
            alive[row["case_no"]].append(row["out_refund_no"])
    for case_no, numbers in alive.items():
        if len(numbers) > 1:
            yield case_no, f"several numbers at once: {numbers}"


def refunds_stay_within_payments(evidence: Evidence) -> Said:
    """Here and at WeChat Pay no payment gives back more than came in; what is held is counted."""
    held, given, theirs = Counter[str](), Counter[str](), Counter[str]()
    for row in evidence.tables["refunds"]:
        held[row["transaction_id"]] += row["held"]
        if row["state"] in ("SUCCEEDED", "MANUAL_SETTLED"):
            given[row["transaction_id"]] += row["refund_fee"]
    for row in evidence.wechat["refunds"]:
        theirs[row["transaction_id"]] += row["refund_fee"] * row["money_moves"]
    for row in evidence.tables["payments"]:
        number, paid = row["transaction_id"], row["total_fee"]
        if max(held[number], given[number], theirs[number]) > paid:
            told = f"{held[number]} held, {given[number]} given back, {theirs[number]} moved"
            yield row["out_trade_no"], f"{number}: {told}, {paid} paid"
        if row["held"] != held[number]:
            yield row["out_trade_no"], f"{number} holds {row['held']}, its refunds {held[number]}"


def every_payment_is_known(evidence: Evidence) -> Said:
    """Ours are the simulator's: one for a paid order, and any other given back in full."""
    ours = {row["transaction_id"]: row for row in evidence.tables["payments"]}
    theirs = {row["transaction_id"]: row for row in evidence.wechat["payments"]}
    for number, row in theirs.items():
        if number not in ours:
            yield row["out_trade_no"], f"{number} was paid, and we don't know it"
        elif ours[number]["total_fee"] != row["total_fee"]:
            yield row["out_trade_no"], f"{number}: {row['total_fee']} fen came, not what we booked"
    for number, row in ours.items():
        if number not in theirs:
            yield row["out_trade_no"], f"{number} was never paid"


def the_first_payment_pays(evidence: Evidence) -> Said:
    """An order is paid by exactly one payment or by none; every other one goes back in full."""
    first = Counter(
        row["out_trade_no"] for row in evidence.tables["payments"] if row["kind"] == "FIRST"
    )
    for row in evidence.orders:
        if first[row["out_trade_no"]] != (row["pay_state"] == 1):
            told = f"pay_state {row['pay_state']}, {first[row['out_trade_no']]} first payments"
            yield row["out_trade_no"], told
    back = Counter[str]()
    for row in evidence.wechat["refunds"]:
        back[row["transaction_id"]] += row["refund_fee"] * row["money_moves"]
    for row in evidence.tables["payments"]:
        unowed = row["kind"] not in ("FIRST", "UNEXPECTED")
        if unowed and back[row["transaction_id"]] != row["total_fee"]:
            told = f"{row['kind']} {row['transaction_id']}: {back[row['transaction_id']]} fen back"
            yield row["out_trade_no"], f"{told} of {row['total_fee']}"


# ---- books


def books_balance(evidence: Evidence) -> Said:
    """The trial balance is zero, and is what its postings come to."""
    if not evidence.balance["balanced"]:
        yield "ledger", "the trial balance is not zero"
    sums = Counter[str]()
    for row in evidence.tables["transfers"]:
        sums[row["debit"]] += row["amount"]
        sums[row["credit"]] -= row["amount"]
    for account in evidence.balance["accounts"]:
        told = account["debit"] - account["credit"]
        if told != sums[account["code"]]:
            yield "ledger", f"{account['name']} says {told}, its postings {sums[account['code']]}"


def books_hold_wechats_money(evidence: Evidence) -> Said:
    """Order by order, clearing and fees come to what WeChat Pay took in and gave back."""
    net = Counter[str]()
    for row in evidence.wechat["payments"]:
        net[row["out_trade_no"]] += row["total_fee"]
    for row in evidence.wechat["refunds"]:
        net[row["out_trade_no"]] -= row["refund_fee"] * row["money_moves"]
    booked = _by_order(evidence)
    for number in {*net, *booked}:
        ours = booked[number][CLEARING] + booked[number][CHANNEL_FEE]
        if ours != net[number]:
            yield number, f"{ours} fen in the books, {net[number]} at WeChat Pay"


def books_close(evidence: Evidence) -> Said:
    """What is settled leaves nothing behind; what is owed is owed for a reason."""
    booked = _by_order(evidence)
    owed, staff = Counter[str](), Counter[str]()
    for row in evidence.tables["refunds"]:
        if row["origin"] == "CONSOLE":
            staff[row["out_trade_no"]] += row["refund_fee"]
        elif row["state"] not in ("SUCCEEDED", "MANUAL_SETTLED"):
            owed[row["out_trade_no"]] += row["held"]
    for row in evidence.orders:
        number, books = row["out_trade_no"], booked[row["out_trade_no"]]
        if row["state"] in ORDER_ENDS and (books[GOODS] or books[FREIGHT]):
            yield number, f"{row['state']}, yet {books[GOODS]} and {books[FREIGHT]} in escrow"
        if books[REFUND_PAYABLE] != -owed[number]:
            yield number, f"{-books[REFUND_PAYABLE]} fen of refunds owed, {owed[number]} held"
        unexpected = {i["out_trade_no"] for i in evidence.tables["incidents"]}
        if books[SUSPENSE] != staff[number] and number not in unexpected:
            yield number, f"{books[SUSPENSE]} fen in suspense, {staff[number]} by staff"


def running_totals_agree(evidence: Evidence) -> Said:
    """What merchants are owed, and what vouchers are worth, is what the ledger says."""
    sums, by_merchant = Counter[str](), Counter[str]()
    for row in evidence.tables["transfers"]:
        for account, fen in ((row["debit"], row["amount"]), (row["credit"], -row["amount"])):
            sums[account] += fen
            if account == MERCHANT_PAYABLE:
                by_merchant[row["merchant_id"]] -= fen
    for row in evidence.tables["merchants"]:
        if row["payable"] != by_merchant[row["merchant_id"]]:
            told = f"payable {row['payable']}, by the ledger {by_merchant[row['merchant_id']]}"
            yield row["merchant_id"], told
    worth = sum(c["face_value"] for c in evidence.tables["coupons"] if c["state"] == "ISSUED")
    if sums[VOUCHERS] != -worth:
        yield "vouchers", f"worth {worth}, by the ledger {-sums[VOUCHERS]}"


# ---- nothing lost, nothing stuck


def nothing_is_stuck(evidence: Evidence) -> Said:
    """Refunds have come to rest, and no case waits for one that has."""
    for row in evidence.tables["refunds"]:
        if row["state"] not in REFUND_RESTS:
            yield row["out_trade_no"], f"{row['out_refund_no']} stays {row['state']}"
    for row in evidence.cases:
        if row["state"] == "REFUNDING":
            yield row["out_trade_no"], f"{row['case_no']} stays {row['state']}"


def runs_are_well(evidence: Evidence) -> Said:
    """One run for each order, case and refund; none failed, none has a task that fails."""
    known = Counter(run.workflow_id for run in evidence.runs)
    for workflow_id, count in known.items():
        if count > 1 and not workflow_id.startswith("reconciliation-"):
            yield workflow_id, f"{count} runs"
    for run in evidence.runs:
        if run.status not in ("RUNNING", "COMPLETED"):
            yield run.workflow_id, f"the run is {run.status}"
        if run.failures:
            yield run.workflow_id, f"it failed: {run.failures[-1]}"
        if run.status == "RUNNING" and run.attempt > 1:
            yield run.workflow_id, f"its task is tried for the {run.attempt}th time"


def runs_and_tables_agree(evidence: Evidence) -> Said:
    """What has ended in the tables has ended at Temporal, and the other way round."""
    status = {run.workflow_id: run.status for run in evidence.runs}
    for row in evidence.orders:
        yield from _same_end(
            status, f"order-{row['out_trade_no']}", row["state"], row["state"] in ORDER_ENDS
        )
    for row in evidence.cases:
        yield from _same_end(
            status, f"after-sale-{row['case_no']}", row["state"], row["state"] in CASE_ENDS
        )
    listed = {f"order-{row['out_trade_no']}" for row in evidence.orders}
    for workflow_id in status.keys() - listed:
        if workflow_id.startswith("order-"):
            yield workflow_id, "a run without an order"


def acknowledged_is_held(evidence: Evidence) -> Said:
    """What was answered with SUCCESS is in a run's history, unless it came after the run's end."""
    runs = {run.workflow_id: run for run in evidence.runs}
    payments = {row["transaction_id"] for row in evidence.tables["payments"]}
    refunds = {row["out_refund_no"] for row in evidence.tables["refunds"]}
    for row in evidence.wechat["notifications"]:
        if row["answer"] != "acknowledged":
            continue
        told, known = json.loads(row["fields"]), True
        if row["kind"] == "refund_notify":
            workflow_id, mark = f"refund-{row['number']}", f'"{told["refund_status"]}"'
            known = row["number"] in refunds
        elif told["result_code"] == "SUCCESS":
            workflow_id, mark = f"order-{row['number']}", told["transaction_id"]
            known = told["transaction_id"] in payments
        else:
            workflow_id, mark = f"order-{row['number']}", '"succeeded":false'
        run = runs.get(workflow_id)
        held = run is None or run.status != "RUNNING" or any(mark in one for one in run.heard)
        if not (known and held):
            yield told["out_trade_no"], f"{row['kind']} {row['number']} was acknowledged and lost"


def timelines_are_whole(evidence: Evidence) -> Said:
    """Each step starts where the one before ended, and the last is where the lists say it is."""
    last: dict[tuple[str, str], str] = {}
    for event in evidence.events:
        subject = event["subject"], event["subject_no"]
        if subject[0] == "reconciliation":
            continue  # each run of a day begins anew
        if subject in last and event["from"] != last[subject]:
            told = f"{event['subject_no']}: {event['event']} from {event['from']}"
            yield event["out_trade_no"], f"{told}, but it was {last[subject]}"
        last[subject] = event["to"]
    listed = {("order", row["out_trade_no"]): row["state"] for row in evidence.orders}
    listed |= {("after_sale", row["case_no"]): row["state"] for row in evidence.cases}
    for subject, state in listed.items():
        if last.get(subject) != state:
            yield subject[1], f"listed as {state}, its timeline ends with {last.get(subject)}"


def the_feed_is_whole(evidence: Evidence) -> Said:
    """Who follows the feed misses nothing, and sees everything in one order."""
    seen = [event["id"] for event in evidence.followed]
    if any(one >= other for one, other in pairwise(seen)):
        yield "feed", "its numbers do not grow"
    known, newest = set(seen), max(seen, default=0)
    for event in evidence.events:
        if event["id"] < newest and event["id"] not in known:
            yield event["out_trade_no"], f"event {event['id']} came after later ones were read"


def the_bill_agrees(evidence: Evidence) -> Said:
    """Every day agrees with WeChat Pay's bill."""
    for day in evidence.days:
        if day["state"] != "SETTLED":
            yield day["day"], f"{day['state']}: {json.dumps(day, ensure_ascii=False)[:500]}"


Rule = Callable[[Evidence], Said]

RULES: Final[tuple[Rule, ...]] = (
    story_ends_as_it_may,
    answers_are_honest,
    money_moves_once,
    every_refund_is_ours,
    one_number_an_intent,
    refunds_stay_within_payments,
    every_payment_is_known,
    the_first_payment_pays,
    books_balance,
    books_hold_wechats_money,
    books_close,
    running_totals_agree,
    nothing_is_stuck,
    runs_are_well,
    runs_and_tables_agree,
    acknowledged_is_held,
    timelines_are_whole,
    the_feed_is_whole,
    the_bill_agrees,
)


def _back(evidence: Evidence) -> Counter[str]:
    back = Counter[str]()
    for row in evidence.wechat["refunds"]:
        back[row["out_trade_no"]] += row["refund_fee"] * row["money_moves"]
    return back


def _by_order(evidence: Evidence) -> defaultdict[str, Counter[str]]:
    """Order → account → debits less credits."""
    booked: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in evidence.tables["transfers"]:
        booked[row["out_trade_no"]][row["debit"]] += row["amount"]
        booked[row["out_trade_no"]][row["credit"]] -= row["amount"]
    return booked


def _same_end(status: dict[str, str], workflow_id: str, state: str, is_over: bool) -> Said:
    said = status.get(workflow_id, "missing")
    if (said == "COMPLETED") != is_over:
        yield workflow_id, f"{state} in the tables, {said} at Temporal"


def _any(values: frozenset[str] | frozenset[int]) -> str:
    return " or ".join(sorted(map(str, values)))
