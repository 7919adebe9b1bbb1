"""A table whose rows are told apart by a key: what did not change is left alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from api.console.widgets.basic import tag
from db.views import View


@dataclass(frozen=True)
class Column:
    """A heading, and what a cell of a row shows below it; `classes` such as `right`."""

    title: str
    cell: Callable[[View], object]
    classes: str = ""


class Grid:
    """Rows on a wide screen, cards on a phone."""

    def __init__(self, columns: Sequence[Column], key: str, label: str) -> None:
        self._columns = columns
        self._key = key
        self._rows: dict[str, tuple[View, TextElement]] = {}
        self._picked = ""
        with tag("div", classes="grid-scroll").props('tabindex="0" role="region"') as region:
            region.props["aria-label"] = label
            with tag("table", classes="grid"):
                with tag("thead"), tag("tr"):
                    for column in columns:
                        tag("th", column.title, classes=column.classes).props('scope="col"')
                self._body = tag("tbody")

    def show(self, views: Sequence[View]) -> None:
        """These rows, in this order."""
        wanted = {str(view[self._key]): view for view in views}
        for gone in self._rows.keys() - wanted.keys():
            self._rows.pop(gone)[1].delete()
        for index, (key, view) in enumerate(wanted.items()):
            row = self._row(key, view)
            if self._body.default_slot.children[index] is not row:
                row.move(target_index=index)

    def pick(self, key: str) -> None:
        """Mark one row, and only that."""
        for known, (_, row) in self._rows.items():
            if known == key:
                row.classes(add="is-picked").props('aria-selected="true"')
                ui.run_javascript(f'getHtmlElement({row.id})?.scrollIntoView({{block: "nearest"}})')
            elif known == self._picked:
                row.classes(remove="is-picked").props(remove="aria-selected")
        self._picked = key

    def _row(self, key: str, view: View) -> TextElement:
        known = self._rows.get(key)
        if known is not None and known[0] == view:
            return known[1]
        if known is None:
            with self._body:
                row = tag("tr")
        else:
            row = known[1]
            row.clear()
        with row:
            for column in self._columns:
                cell = tag("td", classes=column.classes)
                cell.props["data-label"] = column.title
                with cell, tag("div", classes="cell"):
                    column.cell(view)
        self._rows[key] = (view, row)
        return row
