"""Alert rules, dashboard and pages speak of metrics and alarms that exist."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from api.metrics import REGISTRY, _families
from db.figures import Desk, Figures
from telemetry.calls import CALLS, SECONDS
from tests.deploy.compose import ROOT, loaded
from tools import provision

PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = ROOT / "deploy/grafana/dashboards/order-flow.json"
OF_THE_SDK = {
    "temporal_activity_execution_failed_total",
    "temporal_activity_schedule_to_start_latency_seconds_bucket",
    "temporal_worker_task_slots_available",
    "temporal_workflow_task_execution_failed_total",
    "temporal_workflow_task_schedule_to_start_latency_seconds_bucket",
}
"""As the SDK names them with the suffixes that `telemetry.temporal` asks for."""
SAMPLE = Figures(
    {"A": 1}, {"A": Desk(1, 0, 1.0)}, {"A": 1}, {"A": 1.0}, 0, 1, 1.0, {"A": 1}, 1.0, 0, 1.0
)
METRIC = re.compile(r"\b((?:order_flow|temporal|process)_\w+)")


def known() -> set[str]:
    """Every series that our processes show."""
    counters = {f"{family.name}_total" for family in REGISTRY.collect() if family.type == "counter"}
    histograms = {
        f"{family.name}_bucket" for family in REGISTRY.collect() if family.type == "histogram"
    }
    gauges = {family.name for family in _families(SAMPLE)} | {"order_flow_tables_up"}
    of_process = {"process_resident_memory_bytes"}
    ours = counters | histograms | gauges | {f"{CALLS}_total", f"{SECONDS}_bucket"}
    return ours | of_process | OF_THE_SDK


def rules() -> list[dict[str, Any]]:
    groups = loaded("deploy/prometheus/alerts.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[str]:
    """Every query of the dashboard."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def test_alerts_and_panels_ask_for_metrics_that_exist() -> None:
    asked = {name for query in queries() for name in METRIC.findall(query)}
    asked |= {name for rule in rules() for name in METRIC.findall(rule["expr"])}
    assert asked - known() == set()


def test_the_dashboard_shows_all_we_measure() -> None:
    shown = {name for query in queries() for name in METRIC.findall(query)}
    told_elsewhere = {"order_flow_tables_up", "order_flow_last_event_age_seconds"}
    ours = {name for name in known() if name.startswith("order_flow")} - told_elsewhere
    assert ours - shown == set()


def test_the_dashboard_is_whole() -> None:
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    (source,) = loaded("deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"]
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}


def test_every_alert_says_how_urgent_and_what() -> None:
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}
    assert all(rule["annotations"]["summary"] for rule in rules())
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", ["docs/operating.md", "docs/operating.zh-CN.md"])
def test_every_alert_has_its_row(page: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    alerts = [rule["alert"] for rule in rules()]
    assert [row for row in rows if row in alerts] == alerts


def test_every_alert_is_tried_out() -> None:
    tried = (PROMETHEUS / "alerts_test.yml").read_text()
    assert [rule["alert"] for rule in rules() if f'"{rule["alert"]}"' not in tried] == []


@pytest.fixture
def promtool() -> str:
    found = provision.paths().promtool
    if found is None:
        assert not os.environ.get("CI"), "no promtool: run `make test-slow`"
        pytest.skip("no promtool: run `make test-slow`")
    return str(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]],
    ids=["config", "rules"],
)
def test_prometheus_agrees(promtool: str, command: list[str]) -> None:
    ended = subprocess.run(
        [promtool, *command], cwd=PROMETHEUS, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
