"""What the Temporal server itself counts: Actions by type, as a managed one would bill them."""

import re
import urllib.request
from collections import Counter

from temporalio.client import Client

_ACTION = re.compile(r"^action\{(?P<labels>[^}]*)\} (?P<value>\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def actions(metrics_url: str, namespace: str = "default") -> Counter[str]:
    """The Actions of a namespace until now, by type."""
    with urllib.request.urlopen(metrics_url, timeout=10) as reply:
        return parsed(reply.read().decode(), namespace)


def parsed(text: str, namespace: str) -> Counter[str]:
    """The Actions that a metrics page tells of."""
    found: Counter[str] = Counter()
    for line in _ACTION.finditer(text):
        labels = dict(_LABEL.findall(line["labels"]))
        if labels.get("namespace") == namespace:
            found[labels["action_type"]] += int(float(line["value"]))
    return found


async def history(client: Client, run: str) -> tuple[int, int]:
    """Events and bytes of a run's history."""
    described = (await client.get_workflow_handle(run).describe()).raw_description
    told = described.workflow_execution_info
    return told.history_length, told.history_size_bytes
