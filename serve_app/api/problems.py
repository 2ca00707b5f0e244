"""Every refusal as one shape: problem details (RFC 9457), whose ``detail`` is one sentence that names thing and fix."""

import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from redis.exceptions import RedisError
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schema.errors import AlreadyExists, BadInput, NotFound, Retryable
from schema.sources import redact

MEDIA_TYPE = "application/problem+json"
_AWAY = "the store does not answer for now: try again in a second"

_log = structlog.get_logger(__name__)


class Complaint(BaseModel):
    """One thing wrong with a request: where (``query.from``, ``body.lines.door``) and what."""

    where: str
    detail: str


class Problem(BaseModel):
    """Problem details (RFC 9457); the kind is told by ``status`` alone, so ``type`` is always ``about:blank``."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "there is no camera 'lobby': GET /api/v1/cameras lists them",
                "instance": "/api/v1/cameras/lobby",
            }
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    complaints: tuple[Complaint, ...] = ()
    checks: dict[str, Any] | None = None


def problem_response(
    request: Request,
    status: int,
    detail: str,
    *,
    complaints: Sequence[Complaint] = (),
    checks: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Answer ``request`` with a problem."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        complaints=tuple(complaints),
        checks=None if checks is None else dict(checks),
    )
    body = problem.model_dump(mode="json", exclude_none=True, exclude=None if complaints else {"complaints"})
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def status_of(error: BadInput) -> int:
    """404 for what is not there, 409 for a name that is taken, 422 for the rest."""
    if isinstance(error, NotFound):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, AlreadyExists):
        return HTTPStatus.CONFLICT
    return HTTPStatus.UNPROCESSABLE_ENTITY


def complaints_of(errors: Sequence[Mapping[str, Any]]) -> list[Complaint]:
    """Validation errors as sentences, without the values given: one of them may be a source with its password."""
    return [
        Complaint(
            where=".".join(str(part) for part in error["loc"]),
            detail=str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "should be"),
        )
        for error in errors
    ]


def install(app: FastAPI) -> None:
    """Make ``app`` answer every 4xx and 5xx as a problem."""

    @app.exception_handler(BadInput)
    async def bad_input(request: Request, error: BadInput) -> JSONResponse:
        return problem_response(request, status_of(error), str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        complaints = complaints_of(error.errors())
        detail = "; ".join(f"{complaint.where}: {complaint.detail}" for complaint in complaints[:3])
        return problem_response(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, complaints=complaints)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = f"there is nothing at {request.url.path}: /docs lists what there is"
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.method} is not possible here: /docs lists what is"
        else:
            detail = error.detail
        return problem_response(request, error.status_code, detail, headers=error.headers)

    async def away(request: Request, error: Exception) -> JSONResponse:
        _log.warning("The store did not answer", path=request.url.path, error=type(error).__name__)
        return problem_response(request, HTTPStatus.SERVICE_UNAVAILABLE, _AWAY, headers={"Retry-After": "1"})

    @app.exception_handler(IntegrityError)
    async def overtaken(request: Request, _error: IntegrityError) -> JSONResponse:
        detail = "somebody changed the same thing at this moment: look at it and try again"
        return problem_response(request, HTTPStatus.CONFLICT, detail)

    for kind in (Retryable, RedisError):
        app.add_exception_handler(kind, away)
    app.add_middleware(AnswerFailures)


class AnswerFailures:
    """ASGI middleware that answers what nobody expected with a problem, and logs it without passwords.

    It stands inside of the framework's own last resort, which would hand the exception on to the server's log as it
    is: a failed statement quotes the row, and a row may hold a source with its password.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer for it if that fails before an answer began."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def note_begin(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, note_begin)
        except Exception:  # noqa: BLE001 - the last resort
            _log.error("A request failed unexpectedly", path=scope["path"], traceback=redact(traceback.format_exc()))
            if not begun:
                detail = "something failed on our side: the log of the API says what"
                answer = problem_response(Request(scope), HTTPStatus.INTERNAL_SERVER_ERROR, detail)
                await answer(scope, receive, send)
