"""The tables, one file an area. Importing this package registers all of them with ``Base.metadata``."""

from schema.tables.alerts import AlertRow
from schema.tables.analytics import AnalyticsRow
from schema.tables.audit import AuditChainRow, AuditLogRow, AuditOriginRow
from schema.tables.base import Base
from schema.tables.cameras import CameraRow, LeaseRow, ZoneRow
from schema.tables.counts import (
    CameraEventRow,
    CountingResultRow,
    CrossingRow,
    OutboxCrossingsRow,
    OutboxRow,
    ZoneTotalsRow,
)
from schema.tables.files import EvidenceRow, FileRow
from schema.tables.identities import UserRow, UserSessionRow
from schema.tables.jobs import JobRow
from schema.tables.models import ModelLogRow, ModelRow
from schema.tables.streams import CoverageRow, StreamRow
from schema.tables.tenants import TenantRow
from schema.tables.tiers import ArchiveRow, PackedDayRow

__all__ = [
    "AlertRow",
    "AnalyticsRow",
    "ArchiveRow",
    "AuditChainRow",
    "AuditLogRow",
    "AuditOriginRow",
    "Base",
    "CameraEventRow",
    "CameraRow",
    "CountingResultRow",
    "CoverageRow",
    "CrossingRow",
    "EvidenceRow",
    "FileRow",
    "JobRow",
    "LeaseRow",
    "ModelLogRow",
    "ModelRow",
    "OutboxCrossingsRow",
    "OutboxRow",
    "PackedDayRow",
    "StreamRow",
    "TenantRow",
    "UserRow",
    "UserSessionRow",
    "ZoneRow",
    "ZoneTotalsRow",
]
