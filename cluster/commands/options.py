"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file (YAML). Default: turnstile.yaml here, if there is one."),
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="Whose it is. Default: the settings' tenant.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
