"""Sealed columns.

Nothing that is there is touched: what the previous release wrote, and goes on writing, is sealed by ``turnstile db
rotate-keys`` when none of its processes is left.

Revision ID: 0006
Revises: 0005
"""

from alembic import op
from sqlalchemy import text

from schema.crypto import CAMERA_SOURCE, keyring
from schema.sources import without_credentials

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "alter table cameras add column source_sealed bytea"
        " constraint ck_cameras_source_sealed check (octet_length(source_sealed) > 30)"
    )


def downgrade() -> None:
    """Write the addresses back in the clear, for which the keys are needed."""
    connection = op.get_bind()
    sealed = text("select id, source, source_sealed from cameras where source_sealed is not null")
    for camera_id, shown, value in connection.execute(sealed).all():
        source = CAMERA_SOURCE.open(keyring(), value)
        if without_credentials(source) == shown:
            connection.execute(
                text("update cameras set source = :source where id = :id"), {"id": camera_id, "source": source}
            )
    op.execute("alter table cameras drop column source_sealed")
