"""What goes wrong at the simulated WeChat Pay, and how fast its time runs."""

from nicegui import ui

from api.console import simulator
from api.console.simulator import SimulatorAway
from api.console.visitor import Visitor
from api.console.widgets.basic import notify, secondary, tag

SCALES = (1, 20, 60)
OFTEN_TRIED = (
    "reply_lost",
    "timeout_done",
    "system_error_done",
    "refund_ends_change",
    "refund_ends_close",
    "refund_slow",
    "not_enough",
    "notify_lost",
    "notify_duplicate",
    "notify_forged",
)


class Faults:
    """The next call of a kind goes wrong as chosen."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._body = tag("div", classes="stack tight")

    async def open(self) -> None:
        """Show what can go wrong, and what will."""
        self._body.clear()
        with self._body:
            try:
                told = await simulator.get(self._visitor, "faults")
                clock = await simulator.get(self._visitor, "clock")
            except SimulatorAway as away:
                tag("p", self._visitor.t("sandbox.away", reason=str(away)), classes="problem")
                return
            self._choose({one["fault"]: one for one in told["table"]})
            self._armed(told["armed"])
            self._speed(clock["scale"])

    def _choose(self, table: dict[str, dict[str, object]]) -> None:
        t = self._visitor.t
        options = {name: t(f"fault.{name}") for name in OFTEN_TRIED if name in table}
        box = ui.select(options, label=t("sandbox.fault"), value=next(iter(options)))
        box.props("outlined dense options-dense").classes("field")
        box.props["aria-label"] = t("sandbox.fault")

        async def arm() -> None:
            calls = table[box.value]["calls"]
            call = "refund" if "refund" in str(calls) else ""
            with ui.context.client.content:
                try:
                    await simulator.post(self._visitor, "faults", fault=box.value, call=call)
                    notify(t("sandbox.armed_now"), good=True)
                except SimulatorAway as away:
                    notify(str(away), good=False)
            await self.open()

        secondary(t("sandbox.arm"), arm)

    def _armed(self, armed: list[dict[str, object]]) -> None:
        t = self._visitor.t
        if not armed:
            tag("p", t("sandbox.nothing_armed"), classes="muted small")
            return
        with tag("ul", classes="lines"):
            for rule in armed:
                words = self._visitor.said("fault", str(rule["fault"]))
                tag("li", words, classes="line")

        async def clear() -> None:
            await simulator.clear_faults(self._visitor)
            await self.open()

        secondary(t("sandbox.clear"), clear)

    def _speed(self, scale: float) -> None:
        t = self._visitor.t
        tag("p", t("sandbox.clock"), classes="dialog-question")
        options = {one: t("sandbox.times", scale=one) for one in SCALES}
        choice = ui.radio(options, value=int(scale) if scale in SCALES else None).props("inline")
        choice.props["aria-label"] = t("sandbox.clock")

        async def set_scale() -> None:
            await simulator.post(self._visitor, "clock", scale=choice.value)

        choice.on_value_change(set_scale)
