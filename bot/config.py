"""Settings: `config.toml`, overridden by `DAOGOU_…` environment variables; a wrong value names its key.

DAOGOU_SERVER__PORT=9000                        server.port
DAOGOU_TENANTS__ACME__WECOM__SECRET=…           tenants.acme.wecom.secret
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULT_CONFIG = Path("config.toml")


class ConfigError(Exception):
    """The configuration cannot be used; the message names file and keys."""


class Section(BaseModel):
    """A table of the TOML; an unknown key is an error, because it is usually a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


# In a TOML file an empty text is how one leaves a value out.
OptionalPath = Annotated[Path | None, BeforeValidator(_none_if_empty)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_none_if_empty)]


class ApiKey(Section):
    """A bearer key of the HTTP API and the person it acts as."""

    key: SecretStr
    tenant: str
    staff_id: int


class ServerSettings(Section):
    """Where the server listens."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    # Where platforms reach this server, for example https://bot.example.com
    public_url: str = ""
    # Seals what is kept for a while (access tokens, one-use addresses); the same on every replica.
    secret_key: OptionalSecret = None
    # Broker, counts and connections may take two more each, so that a process is gone within twenty.
    drain_seconds: float = Field(14.0, gt=0)
    api_keys: tuple[ApiKey, ...] = ()


class DatabaseSettings(Section):
    """Where the bot remembers."""

    url: SecretStr = SecretStr("sqlite+aiosqlite:///var/daogou.db")


class SpoolSettings(Section):
    """Where updates wait while the database is gone: how long it may take to commit one, and how many may wait."""

    patience_seconds: float = Field(2.0, gt=0)
    max_rows: int = Field(100_000, gt=0)


class ClusterSettings(Section):
    """What several replicas share: RabbitMQ carries the doorbell, Redis counts the sends; empty for one process."""

    broker_url: OptionalSecret = None
    redis_url: OptionalSecret = None
    # How many processes share the rate limits while Redis is gone.
    replicas: int = Field(1, gt=0)
    # How long the work of a process that died waits until another one takes it over.
    lease_seconds: float = Field(60.0, ge=1)
    # False for a process that only takes callbacks in; others answer and send.
    works: bool = True


class KnowledgeSettings(Section):
    """The vector index: a rebuildable directory owned by one process."""

    directory: Path = Path("var/chroma")
    model_directory: OptionalPath = None


class LlmSettings(Section):
    """Any OpenAI-compatible endpoint; without a key everything works by rules and templates."""

    base_url: str = "https://api.deepseek.com/v1"
    api_key: OptionalSecret = None
    model: str = "deepseek-chat"
    timeout_seconds: float = Field(20.0, gt=0)
    total_seconds: float = Field(25.0, gt=0)


class WeatherSettings(Section):
    """Who is asked for the weather. `sample` is a marked made-up forecast for the demo."""

    provider: Literal["sample", "caiyun"] = "sample"
    base_url: str = "https://api.caiyunapp.com"
    token: OptionalSecret = None
    timeout_seconds: float = Field(5.0, gt=0)


class CrmSettings(Section):
    """The CRM that creates coupons; an empty address means the mock of this server."""

    base_url: str = ""
    api_key: OptionalSecret = None
    timeout_seconds: float = Field(5.0, gt=0)
    budget_limit: int = Field(200_000, gt=0)


class ScheduleSettings(Section):
    """How often what is due is looked up, and whether this process does it."""

    enabled: bool = True
    tick_seconds: float = Field(30.0, gt=0)
    morning: str = "08:00"
    evening: str = "18:00"

    @field_validator("morning", "evening")
    @classmethod
    def _is_time(cls, value: str) -> str:
        hours, _, minutes = value.partition(":")
        if not (len(value) == 5 and hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
            raise ValueError("must be HH:MM, for example 08:00")
        return value


def _checked_aes_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9]{43}", value.get_secret_value()):
        raise ValueError("EncodingAESKey has 43 letters and digits")
    return value


class WecomSettings(Section):
    """A self-built WeCom app: corp, agent and its secret; token and AES key of the receive-message page."""

    corp_id: str
    agent_id: int
    secret: SecretStr
    token: SecretStr
    aes_key: SecretStr
    base_url: str = "https://qyapi.weixin.qq.com"
    freshness_seconds: int = Field(300, gt=0)

    @field_validator("aes_key")
    @classmethod
    def _is_aes_key(cls, value: SecretStr) -> SecretStr:
        return _checked_aes_key(value)


class AibotSettings(Section):
    """A WeCom aibot (智能机器人) in API mode: called at our address (`url`) or through a socket of ours (`socket`).

    A bot is in one of the two modes, never in both. `url` needs token and AES key, `socket` bot id and secret.
    """

    mode: Literal["url", "socket"] = "url"
    name: str = ""  # what people call it in groups, without the @
    bot_id: str = ""
    token: OptionalSecret = None
    aes_key: OptionalSecret = None
    secret: OptionalSecret = None
    socket_url: str = "wss://openws.work.weixin.qq.com"
    base_url: str = "https://qyapi.weixin.qq.com"  # the only host a message's response_url may lead to
    freshness_seconds: int = Field(300, gt=0)

    @field_validator("aes_key")
    @classmethod
    def _is_aes_key(cls, value: SecretStr | None) -> SecretStr | None:
        return _checked_aes_key(value) if value is not None else None

    @model_validator(mode="after")
    def _has_what_its_mode_needs(self) -> Self:
        needed = {"url": ("token", "aes_key"), "socket": ("bot_id", "secret")}[self.mode]
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValueError(f"mode = {self.mode} needs {' and '.join(missing)}")
        return self


class WecomGroupSettings(Section):
    """A WeCom group webhook (消息推送): the key of its address, which alone lets one post."""

    key: SecretStr
    base_url: str = "https://qyapi.weixin.qq.com"


class DingtalkGroupSettings(Section):
    """A DingTalk custom group robot: the access token of its address and the secret it is signed with."""

    access_token: SecretStr
    secret: SecretStr
    base_url: str = "https://oapi.dingtalk.com"


class DingtalkSettings(Section):
    """An internal DingTalk app with a robot, connected by Stream, or called at our address (`stream = false`)."""

    client_id: str
    client_secret: SecretStr
    robot_code: str
    base_url: str = "https://api.dingtalk.com"
    oapi_base_url: str = "https://oapi.dingtalk.com"
    stream: bool = True
    idle_seconds: float = Field(120.0, gt=0)
    # Markdown and buttons, the template that needs no work in the console.
    card_template_id: str = "1366a1eb-bc54-4859-ac88-517c56a9acb1.schema"
    # Text shown while it is written costs one API call for every step of it, so it is off.
    streaming_card: bool = False
    streaming_template_id: str = "02fcf2f4-5e02-4a85-b672-46d1f715543e.schema"
    # Below DingTalk's 20 calls a second of the free edition, shared by all replicas.
    calls_per_second: int = Field(18, gt=0)
    # Calls a month the organisation has paid for, for daogou doctor.
    monthly_calls: int = Field(5000, gt=0)


class TenantSettings(Section):
    """One chain and its accounts; group webhooks by the name one gives them here."""

    name: str = ""
    wecom: WecomSettings | None = None
    aibot: AibotSettings | None = None
    dingtalk: DingtalkSettings | None = None
    wecom_groups: dict[str, WecomGroupSettings] = Field(default_factory=dict)
    dingtalk_groups: dict[str, DingtalkGroupSettings] = Field(default_factory=dict)


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="DAOGOU_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    spool: SpoolSettings = SpoolSettings()
    cluster: ClusterSettings = ClusterSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    llm: LlmSettings = LlmSettings()
    weather: WeatherSettings = WeatherSettings()
    crm: CrmSettings = CrmSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    tenants: dict[str, TenantSettings] = Field(default_factory=dict)
    demo: bool = False
    state_directory: Path = Path("var")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, TOML file."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.model_config.get("toml_file")))


def load_settings(path: Path | None = None, **overrides: Any) -> Settings:
    """Return the settings of `path`, or of `config.toml` when it exists; `ConfigError` names a wrong key.

    A path that is given must exist; the default one may be absent.
    """
    if path is not None and not path.is_file():
        raise ConfigError(f"找不到配置文件：{path}")
    source = path or DEFAULT_CONFIG

    class FromFile(Settings):
        model_config = SettingsConfigDict(**{**Settings.model_config, "toml_file": source})

    try:
        return FromFile(**overrides)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}：{e['msg']}" for e in error.errors()]
        raise ConfigError(f"配置有误（{source}）\n  " + "\n  ".join(lines)) from error
    except ValueError as error:
        raise ConfigError(f"配置文件读不懂（{source}）：{error}") from error
