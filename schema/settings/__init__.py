"""All settings, checked at start, or nothing starts. No other part reads the environment or YAML.

Settings come from three places, later ones winning: the defaults, a YAML file, and the environment, where
``TURNSTILE_API__PORT=9000`` sets ``api.port``. A YAML value may take a secret from the environment: ``${NAME}``.
"""

from schema.settings.cameras import CameraSettings, LineSettings, RuleSettings
from schema.settings.keys import KEYS_FILE_VARIABLE, KEYS_VARIABLE, NamedKeys, named_keys
from schema.settings.running import (
    ApiSettings,
    DetectorSettings,
    EvidenceSettings,
    JobSettings,
    StorageSettings,
    WorkerSettings,
)
from schema.settings.settings import Settings, load_settings

__all__ = [
    "KEYS_FILE_VARIABLE",
    "KEYS_VARIABLE",
    "ApiSettings",
    "CameraSettings",
    "DetectorSettings",
    "EvidenceSettings",
    "JobSettings",
    "LineSettings",
    "NamedKeys",
    "RuleSettings",
    "Settings",
    "StorageSettings",
    "WorkerSettings",
    "load_settings",
    "named_keys",
]
