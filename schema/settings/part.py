"""What every part of the settings shares."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from schema.settings.given import UNKNOWN_KEY


class Part(BaseModel):
    """Frozen, and every unknown key is refused with the known one that is most like it."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            for key in cast(Mapping[Any, Any], given):
                if key not in cls.model_fields:
                    near = get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.5)
                    fix = f"did you mean '{near[0]}'?" if near else f"known here are {', '.join(cls.model_fields)}"
                    raise PydanticCustomError(UNKNOWN_KEY, "unknown key '{key}': {fix}", {"key": str(key), "fix": fix})
        return cast(Any, given)
