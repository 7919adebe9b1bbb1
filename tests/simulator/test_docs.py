"""docs/simulator.md names every setting, route, fault, amount and scenario that the code has."""

from pathlib import Path

from fastapi.routing import APIRoute

from simulator import control, defaults, endpoints, viewer
from simulator.faults import AMOUNTS, FAULTS
from simulator.scenarios import SCENARIOS
from simulator.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_every_fault_is_in_the_table_and_no_other() -> None:
    section = PAGE.split("## Faults")[1].split("Where no control call fits")[0]
    told = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    assert {row[1].strip(" `"): row[3].strip() for row in told} == {
        name: fault.says for name, fault in FAULTS.items()
    }


def test_every_scenario_is_in_the_table_and_no_other() -> None:
    section = PAGE.split("## Scenarios")[1]
    told = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    assert {
        row[1].strip(" `"): (row[2].strip(), row[3].strip(), row[4].strip()) for row in told
    } == {name: (one.about, one.says, one.then) for name, one in SCENARIOS.items()}


def test_every_amount_is_in_the_table() -> None:
    lines = [f"| `{call}` | {fen} | `{name}` |" for (call, fen), name in AMOUNTS.items()]
    assert [line for line in lines if line not in PAGE] == []


def test_every_setting_and_credential_is_told() -> None:
    names = [str(field.validation_alias) for field in Settings.model_fields.values()]
    values = [defaults.APPID, defaults.MCH_ID, defaults.API_KEY]
    assert [text for text in [*names, *values] if text not in PAGE] == []


def test_every_route_is_told() -> None:
    routes = [*control.router.routes, *endpoints.router.routes, *viewer.router.routes]
    paths = [route.path for route in routes if isinstance(route, APIRoute)]
    missing = [path for path in paths if path.replace("{number}", "{id}") not in PAGE]
    assert missing == []
