"""Runs that began before a change must go on after it: their histories replay with today's code."""

import gzip
import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

import worker
from workflows.messaging import Doorkeeper

FILES = sorted((Path(__file__).parents[1] / "histories").glob("*.json.gz"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
async def test_every_kept_history_replays(path: Path) -> None:
    kept = json.loads(gzip.decompress(path.read_bytes()))
    replayer = Replayer(
        workflows=worker.WORKFLOWS,
        interceptors=[Doorkeeper()],
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
    )
    for name, told in kept.items():
        await replayer.replay_workflow(WorkflowHistory.from_json(name.split()[0], told))


def test_every_workflow_has_a_kept_history() -> None:
    kept = {path.name.removesuffix(".json.gz") for path in FILES}
    assert {one.__name__ for one in worker.WORKFLOWS} - kept == set()
