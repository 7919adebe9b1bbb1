"""Schemathesis on all of REST, as each role: nothing breaks, and every answer is documented."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.shop import Shop

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
ROLES = ("admin", "shop", "merchant", "platform", "finance", "auditor")
SEED = 20261124


async def there(shop: Shop) -> Mapping[str, list[str]]:
    """Numbers of what there is: an order in each state, cases, a refund, a voucher."""
    gift = {"coupon_no": "", "title": "茶券", "face_value": 20}
    orders = [await shop.order(), await shop.paid(), await shop.shipped()]
    for number in orders[1:]:
        await shop.apply(number)
    number = await shop.paid(gifts=[gift | {"coupon_no": f"gift-{orders[0]}"}])
    case_no = await shop.apply(number)
    await shop.approve(case_no)
    await shop.case_is(case_no, "COMPLETED")
    cases = (await shop.get("admin", "/v1/after-sales"))["items"]
    return {
        "out_trade_no": [*orders, number],
        "case_no": [case["case_no"] for case in cases],
        "out_refund_no": [f"{case_no}-1"],
        "coupon_no": [f"gift-{orders[0]}"],
        "merchant_id": ["m1"],
        "day": ["2026-11-23"],
    }


def configured(folder: Path, numbers: Mapping[str, list[str]]) -> Path:
    """Schemathesis' settings: every other path has a number that is there."""
    lines = [f"cache.directory = {json.dumps(str(folder))}", "[dictionaries]"]
    lines += [f"{name} = {{ values = {json.dumps(values)} }}" for name, values in numbers.items()]
    lines += ["[parameters]"]
    lines += [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.5 }}' for name in numbers]
    file = folder / "schemathesis.toml"
    file.write_text("\n".join(lines))
    return file


async def schemathesis(shop: Shop, who: str, config: Path, phases: str, examples: int) -> str:
    """What it says; raises AssertionError for a failure."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{shop.api.base_url}/openapi.json", "--checks", ",".join(CHECKS)),
        *("--phases", phases, "--max-examples", str(examples), "--seed", str(SEED)),
        *("-H", f"Authorization: Bearer {who}", "--generation-database", "none", "--no-color"),
        *("--request-timeout", "30", "--suppress-health-check", "all", "--warnings", "off"),
        cwd=config.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode(errors="replace")
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
async def test_nothing_breaks_and_every_answer_is_documented(shop: Shop, tmp_path: Path) -> None:
    config = configured(tmp_path, await there(shop))
    said = await schemathesis(shop, "admin", config, "coverage,fuzzing", examples=1)
    assert "Tested: " in said


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", ROLES)
async def test_for_every_role_at_length(shop: Shop, tmp_path: Path, who: str) -> None:
    config = configured(tmp_path, await there(shop))
    said = await schemathesis(shop, who, config, "coverage,fuzzing,stateful", examples=6)
    assert "Tested: " in said
