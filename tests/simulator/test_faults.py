"""Faults: each does what its line in the table says, and a seed repeats a run."""

import httpx
import pytest

from simulator.faults import AMOUNTS, CALLS, FAULTS, Answer
from simulator.scenarios import SCENARIOS
from tests.simulator.harness import Merchant
from wechat import xml
from wechat.errors import MalformedXML
from wechat.signing import verify

REFUND_FAULTS = [
    name
    for name, fault in FAULTS.items()
    if "refund" in fault.calls and name not in ("refuse", "notify_early", "slow_drip")
]


@pytest.mark.parametrize("name", REFUND_FAULTS)
def test_a_struck_refund_answers_and_acts_as_the_table_says(merchant: Merchant, name: str) -> None:
    number = merchant.paid_order()
    merchant.control("faults", fault=name, call="refund", seconds=0.05)
    seen = look(merchant, number)
    assert seen == expected(name)
    assert bool(merchant.refund_row(number)) == FAULTS[name].done
    assert merchant.refund(number, 100)["result_code"] == "SUCCESS"


def expected(name: str) -> str:
    fault = FAULTS[name]
    if fault.answer in (Answer.RESET, Answer.HANG):
        return "cut"
    if fault.answer in (Answer.EMPTY, Answer.MALFORMED, Answer.GARBAGE):
        return "unreadable"
    return {
        Answer.ERROR: fault.err_code, Answer.FAIL: "unsigned FAIL", Answer.BAD_SIGN: "wrong sign",
    }.get(fault.answer, "SUCCESS")  # fmt: skip


def look(merchant: Merchant, number: str) -> str:
    try:
        reply = merchant.refund(number, 100)
    except httpx.NetworkError:
        return "cut"
    except MalformedXML:
        return "unreadable"
    if reply["return_code"] == "FAIL":
        return "unsigned FAIL"
    if not verify(reply, [merchant.settings.api_key]):
        return "wrong sign"
    return reply.get("err_code", reply["result_code"])


def test_the_drip_comes_byte_by_byte_and_the_refund_is_done(merchant: Merchant) -> None:
    number = merchant.paid_order()
    out_refund_no = f"refund-of-{number}"
    body = merchant.signed(
        out_trade_no=number, out_refund_no=out_refund_no, total_fee=300, refund_fee=100
    )
    merchant.control("faults", fault="slow_drip", call="refund", seconds=0.05)
    with merchant.http.stream("POST", "/secapi/pay/refund", content=body) as dripping:
        chunks = [chunk for chunk, _ in zip(dripping.iter_raw(), range(3), strict=False)]
    assert [len(chunk) for chunk in chunks] == [1, 1, 1]
    assert merchant.refund_row(number)["refund_fee"] == 100


def test_one_fault_strikes_once_and_only_its_number(merchant: Merchant) -> None:
    mine, other = merchant.paid_order(), merchant.paid_order()
    merchant.control("faults", fault="system_error", call="orderquery", number=mine)
    query = "/pay/orderquery"
    assert merchant.call(query, out_trade_no=other)["result_code"] == "SUCCESS"
    assert merchant.call(query, out_trade_no=mine)["err_code"] == "SYSTEMERROR"
    assert merchant.call(query, out_trade_no=mine)["result_code"] == "SUCCESS"
    assert merchant.http.get("/_control/faults").json()["armed"] == []


def test_a_seed_repeats_the_dice(merchant: Merchant) -> None:
    def run(seed: int) -> list[str]:
        merchant.control("reset")
        number = merchant.paid_order()
        merchant.control("faults", fault="system_error", probability=0.5, seed=seed)
        codes = [merchant.call("/pay/orderquery", out_trade_no="order-x") for _ in range(20)]
        assert number
        return [reply.get("err_code", "") for reply in codes]

    first = run(7)
    assert set(first) == {"SYSTEMERROR", "ORDERNOTEXIST"}
    assert run(7) == first
    assert run(8) != first


def test_any_takes_every_passing_fault(merchant: Merchant) -> None:
    number = merchant.paid_order()
    merchant.control("faults", fault="any", call="refund", seed=3, seconds=0.0005)
    seen = {look(merchant, number) for _ in range(20)}
    assert {"cut", "unreadable", "SYSTEMERROR", "wrong sign"} <= seen


def test_header_picks_the_outcome(merchant: Merchant) -> None:
    number = merchant.paid_order()
    request = merchant.post("/pay/orderquery", out_trade_no=number).request
    headers = {"Wechatpay-Negative-Test": "system_error"}
    reply = merchant.http.post("/pay/orderquery", content=request.content, headers=headers)
    assert xml.parse(reply.content)["err_code"] == "SYSTEMERROR"


def test_amount_picks_the_outcome_of_the_first_call(merchant: Merchant) -> None:
    number = merchant.paid_order(10_000_000)
    first = merchant.refund(number, 9_900_005, 10_000_000)
    again = merchant.refund(number, 9_900_005, 10_000_000)
    assert (first["err_code"], again["result_code"]) == ("NOTENOUGH", "SUCCESS")


def test_every_amount_names_a_fault_of_its_call() -> None:
    assert all(call in FAULTS[name].calls for (call, _), name in AMOUNTS.items())


@pytest.mark.parametrize(
    "body",
    [
        {"fault": "nonsense"},
        {"fault": "reset", "call": "nonsense"},
        {"fault": "not_enough", "call": "orderquery"},
        {"fault": "refuse"},
        {"fault": "reset", "probability": 0},
        {"fault": "reset", "misspelt": 1},
    ],
)
def test_a_fault_that_could_never_strike_is_refused(
    merchant: Merchant, body: dict[str, object]
) -> None:
    assert merchant.http.post("/_control/faults", json=body).status_code == 422


def test_clear_disarms(merchant: Merchant) -> None:
    merchant.control("faults", fault="any", probability=1)
    assert merchant.http.delete("/_control/faults").status_code == 204
    assert merchant.http.get("/_control/faults").json()["armed"] == []


def test_there_are_scenarios_enough() -> None:
    assert len(SCENARIOS) >= 40
    assert sum(one.about == "refund" for one in SCENARIOS.values()) >= 15
    assert all(rule.fault in FAULTS for one in SCENARIOS.values() for rule in one.rules)
    assert len(CALLS) == 7


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_plays_on_an_order(merchant: Merchant, name: str) -> None:
    about = SCENARIOS[name].about
    number = merchant.paid_order() if about in ("refund", "bill") else merchant.order()
    told = merchant.control(f"scenarios/{name}", out_trade_no=number)
    done = told["done"]
    assert isinstance(done, list)
    assert len(done) == len(SCENARIOS[name].rules) + len(SCENARIOS[name].acts)


def test_a_scenario_without_an_order_says_so(merchant: Merchant) -> None:
    reply = merchant.http.post("/_control/scenarios/payment")
    assert (reply.status_code, "no order yet" in reply.text) == (409, True)
    assert merchant.http.post("/_control/scenarios/nonsense").status_code == 404
