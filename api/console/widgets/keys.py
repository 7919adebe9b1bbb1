"""Keys that people press to work faster."""

from nicegui.events import KeyEventArguments

from api.console.widgets.dialog import OPEN


def pressed(event: KeyEventArguments) -> str:
    """The key that went down by itself on the page; empty for anything else."""
    held = event.modifiers
    if not event.action.keydown or held.ctrl or held.alt or held.meta:
        return ""
    if event.client.storage.get(OPEN):
        return ""
    return str(event.key.name)
