"""Errors as callers see them: `application/problem+json` with a stable `code`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from domain.refusals import Code, Refused

NOT_FOUND = frozenset(
    {
        Code.ORDER_NOT_FOUND,
        Code.CASE_NOT_FOUND,
        Code.REFUND_NOT_FOUND,
        Code.COUPON_NOT_FOUND,
        Code.MERCHANT_NOT_FOUND,
        Code.RECONCILIATION_NOT_FOUND,
    }
)
WRONG_INPUT = frozenset(
    {
        Code.INVALID_FIELD,
        Code.REASON_REQUIRED,
        Code.RESPONSIBILITY_REQUIRED,
        Code.IDEMPOTENCY_KEY_REUSED,
    }
)
RETRY_AFTER_S = 2
CODES = {
    400: "unreadable_body",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
}


class ProblemResponse(JSONResponse):
    """A problem as an answer."""

    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        """JSON; half a character that a caller sent, and nothing can carry, is a question mark."""
        return json.dumps(content, ensure_ascii=False).encode(errors="replace")


class Problem(Exception):
    """An answer that is not what was asked for."""

    def __init__(
        self, status: int, code: str, detail: str, *, field: str = "", **extra: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after_s = RETRY_AFTER_S if status == 503 else 0
        self.code = code
        self.detail = detail
        self.extra = extra | ({"field": field} if field else {})

    def body(self) -> dict[str, Any]:
        """The problem as JSON."""
        said = {"type": "about:blank", "title": self.code.replace("_", " "), "status": self.status}
        return said | {"code": self.code, "detail": self.detail} | self.extra

    def response(self) -> JSONResponse:
        """The problem as an answer; one that will pass says when to come again."""
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return ProblemResponse(self.body(), self.status, headers)


class TooMany(Problem):
    """One address does something too often."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(429, "too_many_failures", detail)
        self.retry_after_s = retry_after_s


def of_refusal(refused: Refused) -> Problem:
    """404 for what is not there, 422 for what makes no sense, 409 for what may not be now."""
    status = 404 if refused.code in NOT_FOUND else 422 if refused.code in WRONG_INPUT else 409
    return Problem(status, refused.code, refused.detail, field=refused.field, **refused.extra)


def temporal_away() -> Problem:
    """Nobody takes commands now; nothing changed, or it will go on under the same key."""
    detail = "commands are not taken at the moment: repeat with the same Idempotency-Key"
    return Problem(503, "temporal_unavailable", detail)


def database_away() -> Problem:
    """The tables can't be reached."""
    return Problem(503, "database_unavailable", "the database is away: try again")


def broken(request_id: str) -> Problem:
    """A fault of ours; what it was is in the log, under this number."""
    detail = f"something broke here: the log says what, under {request_id}"
    return Problem(500, "internal_error", detail, request_id=request_id)


def install(app: FastAPI) -> None:
    """Every error of this application leaves as a problem."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(Refused)
    async def _refused(_: Request, refused: Refused) -> JSONResponse:
        return of_refusal(refused).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _of_validation(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        code = CODES.get(error.status_code, "http_error")
        answer = Problem(error.status_code, code, str(error.detail)).response()
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(DataError)
    async def _unkeepable(_: Request, error: DataError) -> JSONResponse:
        detail = "a value that the tables can't hold, such as a null character"
        return Problem(422, Code.INVALID_FIELD, detail).response()

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    async def _database(_: Request, error: Exception) -> JSONResponse:
        return database_away().response()


def _of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    fields = [
        {"field": _name(error["loc"]), "reason": error["msg"].removeprefix("Value error, ")}
        for error in errors
    ]
    first = fields[0]
    detail = f"{first['field']}: {first['reason']}"
    return Problem(422, Code.INVALID_FIELD, detail, field=first["field"], errors=fields)


def _name(location: Sequence[object]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(parts) or "body"
