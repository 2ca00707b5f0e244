"""Gathers settings from a YAML file and the environment, and words what is wrong with them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from schema.errors import BadInput

PREFIX = "TURNSTILE_"
CONFIG_VARIABLE = "TURNSTILE_CONFIG"
DEFAULT_FILE = Path("turnstile.yaml")
UNKNOWN_KEY = "unknown_key"
"""The type of error that names, in its context, a ``key`` that no setting has."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEYS = {
    "postgres_dsn",
    "postgres_owner_dsn",
    "postgres_replica_dsns",
    "redis_url",
    "amqp_url",
    "source",
    "keys",
    "access_key",
    "secret_key",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a person gave: nested values, the file they came from, and which keys the environment set."""

    values: dict[str, Any]
    file: Path | None
    variables: Mapping[tuple[str, ...], str]

    def sentence(self, error: ValidationError) -> str:
        """The first complaint as one sentence that names the place, the key and the fix, and shows no secret."""
        first = error.errors(include_url=False)[0]
        keys = tuple(str(key) for key in first["loc"])
        wrong = (*keys, first["ctx"]["key"]) if "ctx" in first and first["type"] == UNKNOWN_KEY else keys
        variable = next((name for place, name in self.variables.items() if wrong[: len(place)] == place), None)
        where = variable or (str(self.file) if self.file else "settings")
        key = "" if variable or not keys else f"{'.'.join(keys)}: "
        if first["type"] == "missing":
            return f"{where}: {'.'.join(keys)} is missing: add it"
        if first["type"] == "model_type":
            return f"{where}: {key}needs keys of its own, not {first['input']!r}"
        if first["type"] in ("value_error", UNKNOWN_KEY):
            return f"{where}: {key}{first['msg'].removeprefix('Value error, ')}"
        wish = first["msg"].replace("Input should be", "should be")
        shown = "" if _SECRET_KEYS & set(keys) else f", not {first['input']!r}"
        return f"{where}: {key}{wish}{shown}"


def read_settings(path: Path | None, env: Mapping[str, str]) -> Given:
    """Merge file and environment, secrets filled in.

    Raises:
        BadInput: the file is missing, is not YAML, repeats a key, or wants a variable that is not set.
    """
    file = _choose_file(path, env)
    values = {} if file is None else _read(file, env)
    variables: dict[tuple[str, ...], str] = {}
    for variable, value in env.items():
        if variable.startswith(PREFIX) and variable != CONFIG_VARIABLE and value:
            keys = tuple(variable.removeprefix(PREFIX).lower().split("__"))
            variables[keys] = variable
            _put(values, keys, value, variable)
    return Given(values=values, file=file, variables=variables)


def _choose_file(path: Path | None, env: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if named := env.get(CONFIG_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _put(values: dict[str, Any], keys: tuple[str, ...], value: str, variable: str) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise BadInput(f"{variable}: '{key}' holds no further keys: set {PREFIX}{key.upper()} instead")
        values = cast(dict[str, Any], inner)
    values[keys[-1]] = value


def _read(file: Path, env: Mapping[str, str]) -> dict[str, Any]:
    try:
        tree: Any = _Loader(file.read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise BadInput(
            f"settings file {file} cannot be read ({error.strerror}): give the path of a YAML file"
        ) from None
    except UnicodeDecodeError:
        raise BadInput(f"settings file {file} is not UTF-8 text: give the path of a YAML file") from None
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInput(f"settings file {file} is not valid YAML{line}: {error.problem}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise BadInput(f"settings file {file} holds no keys: write lines like 'model: auto'")
    return {key: _fill(value, env, file, str(key)) for key, value in cast(dict[str, Any], tree).items()}


def _fill(value: Any, env: Mapping[str, str], file: Path, key: str) -> Any:
    if isinstance(value, dict):
        inner = cast(dict[Any, Any], value)
        return {name: _fill(part, env, file, f"{key}.{name}") for name, part in inner.items()}
    if isinstance(value, list):
        return [_fill(part, env, file, key) for part in cast(list[Any], value)]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if name not in env:
            raise BadInput(f"{file}: {key} wants the environment variable {name}, which is not set: export it")
    return _VARIABLE.sub(lambda match: env[match[1]], value)


class _Loader(yaml.SafeLoader):
    """Refuses a repeated key, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is given twice: give each name once", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
