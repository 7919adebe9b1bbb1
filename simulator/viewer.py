"""The page at `/`: a live view of every request and notification, with the buttons to act."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from simulator.world import World

router = APIRouter(tags=["viewer"])

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


_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
