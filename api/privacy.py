"""Personal data: whole for those whose work needs it, masked for all others."""

from api.auth import Principal
from db.views import View

SHORT = 8


def masked(openid: str) -> str:
    """Enough to tell two buyers apart, not enough to address one."""
    if len(openid) <= SHORT:
        return f"{openid[:1]}…"
    return f"{openid[:4]}…{openid[-2:]}"


def of_order(principal: Principal, view: View) -> View:
    """An order as this caller may see it by itself."""
    if principal.may("personal_data.read"):
        return view
    return view | {"openid": masked(view["openid"])}


def of_list(principal: Principal, views: list[View]) -> list[View]:
    """Orders as this caller may see them in numbers: only the shop knows its buyers anyway."""
    if principal.role == "shop":
        return views
    return [view | {"openid": masked(view["openid"])} for view in views]
