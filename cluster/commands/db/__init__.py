"""``turnstile db``: what is done to the database as a whole; a module for each group of commands."""

import typer

from cluster.commands.db import audit, keys, partitions, validate, versions

db = typer.Typer()

db.command("migrate")(versions.migrate_command)
db.command("status")(versions.status_command)
db.command("validate")(validate.validate_command)
db.command("rotate-keys")(keys.rotate_keys)
db.command("partitions")(partitions.partitions_command)
db.add_typer(audit.audit, name="audit")
