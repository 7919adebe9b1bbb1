"""One stream of log lines: ours, the web server's and Temporal's, for machines or for people."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor
from temporalio import activity, workflow

Format = Literal["text", "json"]

NUMBERS: Final = ("out_trade_no", "case_no", "out_refund_no")
WORKFLOW_IDS: Final = {
    "order-": "out_trade_no",
    "after-sale-": "case_no",
    "refund-": "out_refund_no",
}
"""How the id of a workflow begins → the number that follows."""
HIDDEN: Final = "***"
SECRET_CHARACTERS_MIN: Final = 6
CHATTY: Final = ("httpx", "httpcore", "temporalio.worker")
"""Below a warning these write down what they carry, personal data included."""

_OF_TEMPORAL = ("workflow_type", "workflow_id", "run_id", "activity_type", "attempt")
_OPENID = re.compile(r"""(openid\\?["']?\]?(?:\s*[=:]\s*|>)\\?(?:["']|<!\[CDATA\[)?)[\w-]+""")


def configure(
    form: Format, level: str, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Send every line of this process to one stream, by default stderr.

    Args:
        form: `text` for a terminal, `json` for a collector: one object a line.
        level: the least level that is written.
        secrets: what no line may show, wherever it comes from.
        stream: where to.
    """
    to = stream or sys.stderr
    ours: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _of_temporal,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*ours, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(to)
    handler.setFormatter(_Discreet(_renderer(form, to), ours, secrets))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    _join_others()


def numbers_of(workflow_id: str) -> dict[str, str]:
    """The number that a workflow is about, under its name."""
    for start, name in WORKFLOW_IDS.items():
        if workflow_id.startswith(start):
            return {name: workflow_id.removeprefix(start)}
    return {}


class _Discreet(ProcessorFormatter):
    """Renders a line and takes out of it what nobody may read."""

    def __init__(
        self, renderer: Processor, foreign: list[Processor], secrets: Iterable[str]
    ) -> None:
        super().__init__(
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(["temporal_workflow", "temporal_activity"]),
                *foreign,
            ],
        )
        self._secrets = [one for one in secrets if len(one) >= SECRET_CHARACTERS_MIN]

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        return _OPENID.sub(rf"\1{HIDDEN}", line)


def _renderer(form: Format, stream: TextIO) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _of_temporal(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Says which run and which order, case or refund a line of Temporal's SDK is about."""
    told = event.pop("temporal_activity", None) or event.pop("temporal_workflow", None)
    if isinstance(told, Mapping):
        for name in _OF_TEMPORAL:
            if name in told:
                event.setdefault(name, told[name])
        event.update(numbers_of(str(told.get("workflow_id", ""))))
    return event


def _join_others() -> None:
    """Let the web server and the SDK speak through us; requests are logged by the API itself."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        other = logging.getLogger(name)
        other.handlers.clear()
        other.propagate = name != "uvicorn.access"
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It complains with a traceback whenever the SDK evicts a traced run from its cache.
    logging.getLogger("opentelemetry.context").setLevel(logging.CRITICAL)
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
