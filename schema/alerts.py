"""What somebody should look into."""

from typing import Final, Literal, get_args

Severity = Literal["critical", "warning", "info", "debug"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
