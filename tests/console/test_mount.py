"""The console costs nothing until somebody opens it, and can be left to another process."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from settings import Settings
from simulator import defaults

ROOT = Path(__file__).parents[2]
MAKES_AN_APP = f"""
import sys
from api.app import create_app
from settings import Settings
create_app(Settings(
    _env_file=None, WECHAT_APPID={defaults.APPID!r}, WECHAT_MCH_ID={defaults.MCH_ID!r},
    WECHAT_API_KEY={defaults.API_KEY!r},
))
print([name for name in sys.modules if name.split(".")[0] in ("nicegui", "socketio")])
"""


def test_an_api_that_nobody_opens_the_console_of_never_loads_it() -> None:
    said = subprocess.run(
        [sys.executable, "-c", MAKES_AN_APP], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/sign-in"])
async def test_a_process_that_leaves_it_to_another_says_404(path: str) -> None:
    settings = Settings(
        _env_file=None,
        CONSOLE=False,
        WECHAT_APPID=defaults.APPID,
        WECHAT_MCH_ID=defaults.MCH_ID,
        WECHAT_API_KEY=defaults.API_KEY,
    )
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        assert (await client.get(path)).status_code == 404
