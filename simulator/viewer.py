"""The page at `/`: a live view of every request and notification, with the buttons to act."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from simulator.clock import rfc3339
from simulator.faults import armed
from simulator.world import World

router = APIRouter(tags=["viewer"])

ROWS_SHOWN = 20
PAGE = Path(__file__).parent / "static" / "viewer.html"


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The viewer; it asks the control side for everything it shows."""
    return FileResponse(PAGE, media_type="text/html", headers=_HEADERS)


@router.get("/_control/settings")
async def settings_to_paste(request: Request) -> dict[str, str]:
    """The settings a client pastes to use this simulator."""
    world: World = request.app.state.world
    given = world.settings
    return {
        "WECHAT_BASE_URL": str(request.base_url).rstrip("/"),
        "WECHAT_APPID": given.appid,
        "WECHAT_MCH_ID": given.mch_id,
        "WECHAT_API_KEY": given.api_key,
    }


@router.get("/_control/overview")
async def overview(request: Request) -> dict[str, object]:
    """What the page shows beside the exchanges: clock, balance, and the latest of each kind."""
    world: World = request.app.state.world
    return {
        "scale": world.clock.scale,
        "now": rfc3339(world.clock.now()),
        "balance": world.store.balance(),
        "orders": _latest(world, "SELECT out_trade_no, total_fee, state FROM orders"),
        "refunds": _latest(
            world, "SELECT out_refund_no, out_trade_no, refund_fee, state, money_moves FROM refunds"
        ),
        "notifications": _latest(
            world, "SELECT id, kind, number, state, attempts, fault FROM notifications"
        ),
        "faults": [f"{rule.fault} {rule.call} {rule.number}".strip() for rule in armed(world)],
    }


def _latest(world: World, sql: str) -> list[dict[str, object]]:
    rows = world.store.rows(f"{sql} ORDER BY rowid DESC LIMIT {ROWS_SHOWN}")
    return [dict(row) for row in rows]


_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
