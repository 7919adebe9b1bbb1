"""Charts that read well on light and on dark."""

from typing import Any

from nicegui import ui

from api.console.widgets.basic import tag

GREY = "#7d8896"
COLOURS = ["#16a066", "#3d7ff0", "#e0962b", "#9a6be0", "#d9534f", "#35b6c4"]
_AXIS = {"axisLabel": {"color": GREY}, "axisLine": {"lineStyle": {"color": GREY}}}
_GRID = {"left": 8, "right": 16, "top": 36, "bottom": 4, "containLabel": True}
_SPLIT = {"splitLine": {"lineStyle": {"color": GREY, "opacity": 0.2}}}


def chart(label: str, options: dict[str, Any]) -> None:
    """One chart; `label` is what a reader who can't see it hears."""
    shared = {
        "color": COLOURS,
        "textStyle": {"fontFamily": "inherit"},
        "legend": {"textStyle": {"color": GREY}, "top": 0},
        "tooltip": {"trigger": "axis", "confine": True},
        "grid": _GRID,
        "aria": {"enabled": True},
    }
    with tag("div", classes="chart").props('role="img"') as frame:
        frame.props["aria-label"] = label
        ui.echart(shared | options)


def bars(names: list[str], series: list[dict[str, Any]], *, lying: bool = False) -> dict[str, Any]:
    """Bars side by side; lying ones have their names at the left."""
    names_axis = _AXIS | {"type": "category", "data": names}
    values = [
        _AXIS
        | _SPLIT
        | {"type": "value", "name": one.get("unit", ""), "nameTextStyle": {"color": GREY}}
        for one in series
        if one.get("own_axis", True)
    ]
    for further in values[1:]:
        further["splitLine"] = {"show": False}
    drawn = [
        {
            "type": one.get("type", "bar"),
            "name": one["name"],
            "data": one["data"],
            "barMaxWidth": 28,
            ("xAxisIndex" if lying else "yAxisIndex"): one.get("axis", 0),
            "itemStyle": {"borderRadius": 3},
        }
        for one in series
    ]
    if lying:
        return {"yAxis": names_axis | {"inverse": True}, "xAxis": values, "series": drawn}
    return {"xAxis": names_axis, "yAxis": values, "series": drawn}


def ring(parts: list[tuple[str, int]]) -> dict[str, Any]:
    """Shares of a whole."""
    return {
        "tooltip": {"trigger": "item", "confine": True},
        "legend": {"textStyle": {"color": GREY}, "bottom": 0, "type": "scroll"},
        "series": [
            {
                "type": "pie",
                "radius": ["48%", "72%"],
                "center": ["50%", "44%"],
                "label": {"color": GREY, "formatter": "{b} {d}%"},
                "data": [{"name": name, "value": value} for name, value in parts],
            }
        ],
    }
