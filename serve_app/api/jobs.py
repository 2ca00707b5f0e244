"""Jobs: long work that the workers do, and how far it is."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from schema.jobs import Job, Kind, State
from schema.queries import jobs
from schema.times import to_datetime
from serve_app.api import V1
from serve_app.api.backend import OpenBackend

router = APIRouter(prefix=f"{V1}/jobs", tags=["jobs"])

JobId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The job's number.")]


class NewJob(BaseModel):
    """A job to do; which arguments there are depends on its kind, and a refusal names what is wrong with them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "kind": "export",
                "arguments": {"what": "counts", "from": "2026-05-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"},
            }
        },
    )

    kind: str
    arguments: Mapping[str, Any] = {}
    key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """A second request with the same key is answered with the first one's job."""


class JobAnswer(BaseModel):
    """A job as it stands: ``progress`` is 0..1, ``result`` is there when it is done, ``error`` says why it is not."""

    id: int
    kind: Kind
    arguments: Mapping[str, Any]
    state: State
    progress: float
    message: str
    result: Mapping[str, Any] | None
    error: str | None
    attempts: int
    retries: int
    key: str | None
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobAnswer":
        """From the value."""
        return cls(
            id=job.id,
            kind=job.kind,
            arguments=job.arguments,
            state=job.state,
            progress=round(job.progress, 4),
            message=job.message,
            result=job.result,
            error=job.error,
            attempts=job.attempts,
            retries=job.retries,
            key=job.key,
            worker=job.holder,
            created_at=to_datetime(job.created_ns),
            started_at=None if job.started_ns is None else to_datetime(job.started_ns),
            finished_at=None if job.finished_ns is None else to_datetime(job.finished_ns),
        )


@router.get("", summary="List jobs")
def list_jobs(
    backend: OpenBackend,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    state: Annotated[State | None, Query(description="Only in this state.")] = None,
    before: Annotated[int | None, Query(ge=1, description="Only older ones: the last id of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=jobs.MAX_LIMIT)] = 50,
) -> list[JobAnswer]:
    """Jobs, newest first."""
    with backend.transaction() as session:
        return [JobAnswer.of(job) for job in jobs.listing(session, kind=kind, state=state, before=before, limit=limit)]


@router.post("", status_code=HTTPStatus.ACCEPTED, summary="Request a job")
def request_job(backend: OpenBackend, body: NewJob, response: Response) -> JobAnswer:
    """Store a job; a worker takes it up, and its address shows how far it is."""
    with backend.transaction() as session:
        job = jobs.request(session, body.kind, body.arguments, key=body.key)
    response.headers["Location"] = f"{V1}/jobs/{job.id}"
    return JobAnswer.of(job)


@router.get("/{job_id}", summary="Show a job")
def get_job(backend: OpenBackend, job_id: JobId) -> JobAnswer:
    """One job, with its progress and result."""
    with backend.transaction() as session:
        return JobAnswer.of(jobs.get(session, job_id))


@router.delete("/{job_id}", summary="Cancel a job")
def cancel_job(backend: OpenBackend, job_id: JobId) -> JobAnswer:
    """End a job that is still to be done; a worker that is at it stops within seconds."""
    with backend.transaction() as session:
        return JobAnswer.of(jobs.cancel(session, job_id))
