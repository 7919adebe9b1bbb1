"""The console's pages put together; only importing this loads NiceGUI."""

import importlib
from functools import cache

from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui

from api.console import account, door, exports, frame

PAGES = (
    "queue",
    "cases",
    "case",
    "orders",
    "order",
    "refunds",
    "statement",
    "reconciliation",
    "ledger",
    "statistics",
    "audit",
    "account",
    "sandbox",
)


@cache
def build() -> FastAPI:
    """The door with the pages behind it; NiceGUI has one set of pages in a process."""
    made = FastAPI(openapi_url=None)
    door.install(made)
    made.include_router(exports.router)
    made.include_router(account.router)
    door.answer_strangers(pages)
    pages.on_page_exception(frame.broken)
    for name in PAGES:
        importlib.import_module(f"api.console.pages.{name}")
    pages.colors(primary="#0a7d4b", positive="#0a7d4b", negative="#b3261e")
    ui.run_with(
        made,
        title="",
        favicon=door.STATIC / "favicon.svg",
        tailwind=False,
        reconnect_timeout=30,
        show_welcome_message=False,
    )
    return made
