"""The audit trail: who was refused what, and who read whose personal data."""

from datetime import UTC, datetime

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError

from api.auth import Forbidden, Principal
from api.context import Context, address_of
from api.problems import database_away
from db import audit
from db.tables import AuditEntry

__all__ = ["address_of", "install", "note"]

SUBJECT_MAX = 300


async def note(
    context: Context, principal: Principal, action: str, outcome: str, subject: str, address: str
) -> None:
    """Write one line; `outcome` is refused, read, done or failed."""
    entry = AuditEntry(
        at=datetime.now(UTC),
        actor=principal.name,
        role=principal.role,
        action=action,
        outcome=outcome,
        # PostgreSQL keeps no null character, and a refusal must not go unwritten for one.
        subject=subject[:SUBJECT_MAX].replace("\0", "\ufffd"),
        address=address,
    )
    await context.write(lambda session: audit.add(session, entry))


def install(app: FastAPI) -> None:
    """Every refusal for want of permission is written down before it is answered."""

    @app.exception_handler(Forbidden)
    async def _forbidden(request: Request, forbidden: Forbidden) -> JSONResponse:
        said = f"{request.method} {request.url.path}"
        try:
            await note(
                request.app.state.context,
                forbidden.principal,
                forbidden.action,
                "refused",
                said,
                address_of(request),
            )
        except DBAPIError:
            return database_away().response()
        return forbidden.response()
