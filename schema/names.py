"""Every name that two parts of the system must agree on, once.

Changing a name of something durable (a queue, an exchange, a Redis key) orphans what lies there under the old one.
"""

# Ray
RAY_NAMESPACE = "turnstile"
SUPERVISOR_ACTOR = "turnstile-supervisor"
RELAY_ACTOR = "turnstile-relay"


def worker_actor(number: int) -> str:
    """The camera worker with this number, counted from 0."""
    return f"turnstile-worker-{number}"


def job_actor(number: int) -> str:
    """The job worker with this number, counted from 0."""
    return f"turnstile-jobs-{number}"


def counter_actor(shard: int) -> str:
    """The counting actor of this shard, counted from 0."""
    return f"turnstile-counter-{shard}"


# Ray Serve
DETECTOR_APP = "detector"
DETECTOR_DEPLOYMENT = "Detector"
API_APP = "api"
API_DEPLOYMENT = "Api"


# Redis: the channel and all keys are in schema.cache.families.

# RabbitMQ
EVENTS_EXCHANGE = "turnstile.events"
"""Topic exchange; the routing key is ``crossing.<camera_id>.<rule_id>`` and the like."""
DEAD_LETTER_EXCHANGE = "turnstile.dead-letters"
DEAD_LETTER_QUEUE = "turnstile.dead-letters"
CROSSINGS_QUEUE = "turnstile.crossings"
ALERTS_EXCHANGE = "turnstile.alerts"
"""Topic exchange; the routing key is ``<severity>.<type>``."""
ALERTS_QUEUE = "turnstile.alerts"
JOBS_EXCHANGE = "turnstile.jobs"
"""Direct exchange; the routing key is the job's kind."""


def jobs_queue(kind: str) -> str:
    """Where jobs of a kind wait for a worker."""
    return f"turnstile.jobs.{kind}"


# Metrics. Labels are camera, line and direction at most: never a track, never a time. Ray's own exporter puts ``ray_``
# in front of these.
CROSSINGS_TOTAL = "turnstile_crossings_total"
RECONNECTS_TOTAL = "turnstile_reconnects_total"
FRAMES_TOTAL = "turnstile_frames_total"
FRAMES_SKIPPED_TOTAL = "turnstile_frames_skipped_total"
FRAMES_STILL_TOTAL = "turnstile_frames_still_total"
FRAME_AGE_SECONDS = "turnstile_frame_age_seconds"
COVERAGE_RATIO = "turnstile_coverage_ratio"
DETECTOR_INFERENCE_SECONDS = "turnstile_detector_inference_seconds"
DETECTOR_RETRIES_TOTAL = "turnstile_detector_retries_total"
STORE_RETRIES_TOTAL = "turnstile_store_retries_total"
FLUSH_LAG_SECONDS = "turnstile_flush_lag_seconds"
PICTURES_STORED_TOTAL = "turnstile_pictures_stored_total"
PICTURES_DROPPED_TOTAL = "turnstile_pictures_dropped_total"
PICTURES_WAITING = "turnstile_pictures_waiting"
JOURNAL_BYTES = "turnstile_journal_bytes"
JOBS_TOTAL = "turnstile_jobs_total"
JOB_SECONDS = "turnstile_job_seconds"
OUTBOX_WAITING = "turnstile_outbox_waiting"
READS_TOTAL = "turnstile_reads_total"
REPLICA_LAG_SECONDS = "turnstile_replica_lag_seconds"
