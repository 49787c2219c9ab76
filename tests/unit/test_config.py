"""Settings: the example file names every key and nothing else; a wrong value names its key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bot.config import ConfigError, Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def keys_of_model(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return the dotted keys of a settings model; `*` stands for a tenant's name and a list's place."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        star = ".*" if "dict[" in str(field.annotation) or "tuple[" in str(field.annotation) else ""
        path = f"{prefix}{name}{star}"
        found |= keys_of_model(inner, f"{path}.") if inner else {path}
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for arg in getattr(annotation, "__args__", ()) if (m := _model_in(arg))), None)


def keys_of_toml(value: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, inner in value.items():
        path = f"{prefix}{'*' if prefix.endswith(('tenants.', '_groups.')) else name}"
        if isinstance(inner, dict):
            found |= keys_of_toml(inner, f"{path}.")
        elif isinstance(inner, list):
            found |= set().union(*(keys_of_toml(item, f"{path}.*.") for item in inner))
        else:
            found.add(path)
    return found


def test_the_example_names_every_key_and_nothing_else() -> None:
    assert keys_of_toml(tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))) == keys_of_model(Settings)


def test_the_example_loads() -> None:
    settings = load_settings(EXAMPLE)
    assert settings.tenants["acme"].wecom is not None
    assert settings.server.port == 8080


def test_an_environment_variable_overrides_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAOGOU_SERVER__PORT", "9000")
    monkeypatch.setenv("DAOGOU_TENANTS__ACME__WECOM__SECRET", "from-env")
    settings = load_settings(EXAMPLE)
    wecom = settings.tenants["acme"].wecom
    assert settings.server.port == 9000
    assert wecom is not None
    assert (wecom.secret.get_secret_value(), wecom.agent_id) == ("from-env", 1000002)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nport = 99999", "server.port"),
        ("[server]\nprot = 8080", "server.prot"),
        ('[schedule]\nmorning = "8 点"', "schedule.morning"),
        ('[weather]\nprovider = "moji"', "weather.provider"),
        ('[tenants.acme.wecom]\ncorp_id = "ww"', "tenants.acme.wecom.secret"),
        ("[server\n", "config"),
    ],
)
def test_a_wrong_value_names_its_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=named):
        load_settings(path)


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="找不到配置文件"):
        load_settings(tmp_path / "none.toml")


def test_secrets_do_not_show() -> None:
    assert "应用的 Secret" not in repr(load_settings(EXAMPLE))
