"""A fault of the time-skipping test server, told apart from ours.

When a timer fires while a workflow task is in hand that takes the timer back, Temporal drops what
fired; the time-skipping server refuses the task and forgets to let time go on. Nothing on it can
pass from then on, whatever it tests. It happens on a computer that is very busy, and says so in
one line of the SDK's. Where all that failed failed on such a server, the session ends with
EXIT_AGAIN, and `make test` and `make test-slow` run just those tests once more, on a new one.
"""

from collections.abc import Generator
from typing import Any

import pytest

SAID = "invalid history builder state for action"
EXIT_AGAIN = 42
_ON_IT = ("on", "a time-skipping server that stands still")
_standing_still: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    """Mark what fails on a server that stands still."""
    report = yield
    server = _server_of(item)
    if SAID in report.capstdout:
        _standing_still.add(server)
    if report.failed and server in _standing_still:
        report.user_properties.append(_ON_IT)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Ask for another run if nothing else failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or session.exitstatus != pytest.ExitCode.TESTS_FAILED:
        return
    failed = [*reporter.stats.get("failed", []), *reporter.stats.get("error", [])]
    if all(_ON_IT in map(tuple, one.user_properties) for one in failed):
        session.exitstatus = EXIT_AGAIN


def _server_of(item: pytest.Item) -> str:
    """Each module has one, and each kind of database."""
    callspec = getattr(item, "callspec", None)
    return f"{item.path} {callspec.params.get('database_url') if callspec else ''}"
