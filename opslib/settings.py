"""What a user configures: keywords, environment variables `OPSLIB_…`, a .env file; a secret also in the keyring."""

import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from opslib.credentials import kept_secret
from opslib.env_file import env_file_path, env_file_values, warn_if_open_to_others
from opslib.errors import InvalidInput
from opslib.redact import remember
from opslib.suggestion import did_you_mean

# The 18 regions: AWS region -> domain (developer.genesys.cloud, "Platform API").
REGIONS = {
    "us-east-1": "mypurecloud.com",
    "us-west-2": "usw2.pure.cloud",
    "us-east-2": "use2.us-gov-pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
}

# Long enough for one whole rate-limit window of 60 s and the work after it.
DEFAULT_DEADLINE_S = 90.0
DEFAULT_TIMEOUT_S = 20.0

# How old what an audit rests on may be.
DEFAULT_EVIDENCE_DAYS = 30

_PREFIX = "OPSLIB_"
# What decides where a secret goes, or whose answers are believed.
_URLS = ("api_url", "login_url", "catalogue_url")
_PATHS = ("home", "signing_key", "onboarding")
# Variables of ours that are read elsewhere.
_NOT_SETTINGS = (
    "OPSLIB_ENV_FILE",
    "OPSLIB_AUTO_RUN",
    "OPSLIB_SANDBOX_EXPECTED_FILE",
    "OPSLIB_SANDBOX_TRUTH_FILE",
)

# The most that is read of one answer (bytes), also after unpacking. A page of 100 policies has less than 1 MB; the
# objects that Python makes of JSON can take thirty times its size.
MAX_ANSWER_BYTES = 8 * 1024 * 1024

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


ENVIRONMENT, ENV_FILE, KEYRING, ARGUMENT, DEFAULT = (
    "the environment",
    ".env",
    "the keyring",
    "an argument",
    "the default",
)


def is_loopback(host: str | None) -> bool:
    return host in _LOOPBACK


def checked_base_url(url: str, *, name: str, allow_any_host: bool = False) -> str:
    """A base URL that secrets may be sent to, without a trailing slash.

    Raises InvalidInput for anything but https, credentials in the URL, or a host that is neither in a Genesys
    region nor loopback (plain http is for loopback only), unless `allow_any_host` is set.
    """
    import httpx  # here: the settings are read also where nothing is sent

    try:
        parts, as_sent = urlsplit(url), httpx.URL(url)
        host, _ = parts.hostname, parts.port
    except (ValueError, httpx.InvalidURL) as error:
        raise _bad_url(name, f"it cannot be read ({error})") from None
    if host and as_sent.host != host:
        raise _bad_url(name, "its host can be read in two ways")
    if "@" in parts.netloc:
        raise _bad_url(name, "it holds a user name or password")
    if parts.query or parts.fragment or not host:
        raise _bad_url(name, "it must be scheme and host only, such as https://api.mypurecloud.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise _bad_url(name, "secrets travel over https only (http is for loopback)")
    known = any(host == domain or host.endswith(f".{domain}") for domain in REGIONS.values())
    if not (known or is_loopback(host) or allow_any_host):
        raise _bad_url(
            name, f"{host} belongs to no Genesys Cloud region; if it is meant, set OPSLIB_ALLOW_ANY_HOST=true"
        )
    return url.rstrip("/")


def check_aws_secret(api_base: str, secret: SecretStr) -> None:
    """Raises InvalidInput for a secret from elsewhere that would go to an API whose URL only a .env names."""
    values = env_file_values()
    theirs = _from_env_file().get("api_url", "").rstrip("/") == api_base.rstrip("/")
    if theirs and not _in_environment("api_url") and secret.get_secret_value() not in values.values():
        raise InvalidInput(
            "The AWS key is not sent to the API that .env names",
            cause=f"{env_file_path()} sets OPSLIB_API_URL and does not hold the target's secret access key",
            fix="if you know the URL to be right, set OPSLIB_API_URL in the environment; nothing was sent",
        )


def _bad_url(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{name} is not usable", cause=why, fix=f"correct {name}; nothing was sent")


def _variable(field: str) -> str:
    return f"{_PREFIX}{field.upper()}"


def _from_env_file() -> dict[str, str]:
    """The settings that .env holds, by field."""
    return {
        name.lower().removeprefix(_PREFIX.lower()): value
        for name, value in env_file_values().items()
        if name.upper().startswith(_PREFIX)
    }


def _given_in(field: str, arguments: Iterable[str]) -> str:
    """Where the value of a setting stands that was just refused."""
    if field in arguments:
        return ARGUMENT
    return ENVIRONMENT if _in_environment(field) else f"{ENV_FILE} ({env_file_path()})"


def _why(problem: Any) -> str:
    """pydantic's words, with the name that was probably meant; no other value is shown, it may be a secret."""
    why = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] != "literal_error":
        return why
    names = get_args(Settings.model_fields[problem["loc"][0]].annotation)
    return f"{why}.{did_you_mean(str(problem['input']), [*_flat(names)])}".rstrip(".")


def _flat(names: Iterable[Any]) -> Iterable[str]:
    """The names of a Literal, also of one that may be missing."""
    for name in names:
        yield from [name] if isinstance(name, str) else get_args(name)


def _in_environment(field: str) -> bool:
    return _variable(field) in map(str.upper, os.environ)


def _same(name: str, raw: str, value: object) -> bool:
    """Whether a variable's text is a setting's value."""
    if name == "region":
        return REGIONS.get(raw, raw) == value
    try:
        adapter = TypeAdapter[Any](Settings.model_fields[name].annotation or str)
        return bool(adapter.validate_python(raw) == value)
    except ValidationError:
        return False


def default_home(*, sandbox: bool) -> Path:
    """The workspace where OPSLIB_HOME names none: one for live orgs, and one for sandboxes."""
    home = platformdirs.user_data_path("opslib")
    return home / "sandbox" if sandbox else home


def signing_key_of_environment() -> Path:
    """The file of the signing key where only the environment counts: no .env, and no setting that an org needs."""
    named = os.environ.get(_variable("signing_key"))
    return Path(named) if named else _default_signing_key()


def _default_signing_key() -> Path:
    # Named apart: on macOS and Windows a program's folders for data and configuration are one.
    return platformdirs.user_config_path("opslib-keys") / "signing_key.pem"


def _names_live_org(known: dict[str, Any]) -> bool:
    """Whether these settings name an org that is not a sandbox. Without an org, opslib works on a sandbox."""
    url = known.get("api_url")
    return bool(url or known.get("region")) and not _is_sandbox(url, known.get("sandbox_bucket"))


def _is_sandbox(api_url: str | None, bucket: str | None) -> bool:
    """Whether the org is on this machine and named its bucket. Anything else is live."""
    with suppress(ValueError):  # a URL that cannot be read is refused later
        return bool(bucket and api_url and is_loopback(urlsplit(api_url).hostname))
    return False


def unknown_settings() -> list[tuple[str, str, str]]:
    """Variables that look like settings and are none: each with what was probably meant, and where it stands."""
    known = [*map(_variable, Settings.model_fields), *_NOT_SETTINGS]
    places = ((ENVIRONMENT, os.environ), (ENV_FILE, env_file_values()))
    return [
        (name, did_you_mean(name.upper(), known), place)
        for place, values in places
        for name in sorted(values)
        if name.upper().startswith(_PREFIX) and name.upper() not in known
    ]


class UnknownSetting(UserWarning):
    """A variable begins with OPSLIB_ and means nothing."""


def _warn_of_unknown_settings() -> None:
    for name, meant, place in unknown_settings():
        # Always from here, so that Python shows it once, whoever loads the settings.
        warnings.warn(f"{name}, in {place}, is not a setting of opslib.{meant}", UnknownSetting, stacklevel=1)


class Settings(BaseSettings):
    """The configuration of one session. Secrets are SecretStr and are hidden from every output.

    Raises InvalidInput (through `load`) when a value is wrong. `home` holds ledger.sqlite3; `signing_key` is the file
    of the key that signs it, in a folder of its own; `catalogue_url` is where the data lake lists the events it
    received; `onboarding` is the file that notebooks work on; `approvers` are the public keys of which one must approve
    each plan, or a file of them; `sandbox_…` are set by the sandbox.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    api_url: str | None = Field(default=None, title="API URL", description="Only for a gateway or the sandbox.")
    login_url: str | None = Field(default=None, title="Login URL", description="Where tokens are issued, if elsewhere.")
    region: str | None = Field(default=None, title="Genesys region")
    org_id: str = Field(default="", title="Organisation id", description="Where it is a GUID, other orgs are refused.")
    client_id: str = Field(default="", title="OAuth client id")
    client_secret: SecretStr = Field(default=SecretStr(""), title="OAuth client secret")
    backend: Literal["storage-targets", "platform"] = "storage-targets"
    sandbox_bucket: str = ""
    home: Path = Field(default_factory=lambda known: default_home(sandbox=not _names_live_org(known)))
    signing_key: Path = Field(default_factory=_default_signing_key)
    catalogue_url: str | None = None
    onboarding: Path | None = None
    sandbox_role_arn: str = ""
    sandbox_external_id: str = ""
    allow_any_host: bool = False
    log_level: Literal["debug", "info", "warning"] | None = None
    deadline_s: float = Field(default=DEFAULT_DEADLINE_S, gt=0)
    timeout_s: float = Field(default=DEFAULT_TIMEOUT_S, gt=0)
    evidence_days: int = Field(default=DEFAULT_EVIDENCE_DAYS, ge=1)
    approvers: str = ""

    @classmethod
    def load(cls, **values: object) -> "Settings":
        """Settings from keywords, then environment, then .env. Raises InvalidInput naming the variable and its source.

        Warns (UnsafePlace) of a .env that others can write, and (UnknownSetting) of a variable that is none of ours.
        """
        warn_if_open_to_others(env_file_path())
        try:
            _warn_of_unknown_settings()
            return cls(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            if isinstance(cause := (first.get("ctx") or {}).get("error"), InvalidInput):
                raise cause from None
            field = "_".join(str(part) for part in first["loc"])
            name, where = _variable(field), _given_in(field, values)
            raise InvalidInput(f"{name} is not usable", cause=_why(first), fix=f"correct {name} in {where}") from None
        except (OSError, UnicodeError) as error:
            raise InvalidInput(
                ".env cannot be read", cause=str(error), fix="make it a text file in UTF-8, or remove it"
            ) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """pydantic's own reader of .env fills `${NAME}` in from the environment: any secret, to be sent anywhere."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _from_env_file())

    @model_validator(mode="before")
    @classmethod
    def _ask_the_keyring(cls, values: dict[str, Any]) -> dict[str, Any]:
        """For the secret of a client that is named, where no other source has it. An empty path is none."""
        values = {name: value for name, value in values.items() if value != "" or name not in _PATHS}
        client = values.get("client_id")
        if client and not values.get("client_secret") and (secret := kept_secret(client)):
            return {**values, "client_secret": secret}
        return values

    @field_validator("region")
    @classmethod
    def _region_to_domain(cls, value: str | None) -> str | None:
        if not value:
            return None
        domain = REGIONS.get(value, value)
        if domain not in REGIONS.values():
            meant = did_you_mean(value, [*REGIONS, *REGIONS.values()])
            raise ValueError(f"unknown region {value!r}.{meant} Known: {', '.join(REGIONS)}")
        return domain

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        for name in _URLS:
            if url := getattr(self, name):
                anywhere = self.allow_any_host or name == "catalogue_url"
                try:
                    checked_base_url(url, name=_variable(name), allow_any_host=anywhere)
                except InvalidInput as error:
                    error.fix = f"correct {_variable(name)}, which comes from {self.sources()[name]}; nothing was sent"
                    raise
        remember(self.client_secret)
        self._check_env_file()
        return self

    def _check_env_file(self) -> None:
        """A folder's .env must not send a secret from elsewhere to a place of its own choice."""
        own, secret = _from_env_file(), self.client_secret.get_secret_value()
        settable = [name for name in (*_URLS, "allow_any_host") if own.get(name) and getattr(self, name)]
        if not settable or (own.get("client_secret") and secret in ("", own["client_secret"])):
            return
        sources = self.sources()
        names = [_variable(name) for name in settable if sources[name] == ENV_FILE]
        if names:
            whose = (
                f"the client secret comes from {sources['client_secret']}" if secret else "it holds no client secret"
            )
            raise InvalidInput(
                f"{names[0]} is not taken from .env",
                cause=f"{env_file_path()} sets {', '.join(names)}, and {whose}: whoever wrote that file could "
                "have your secret sent to them",
                fix=f"if you know the value to be right, set {names[0]} in the environment, or keep "
                "OPSLIB_CLIENT_SECRET in the same .env and nowhere else; nothing was sent",
            )

    def sources(self) -> dict[str, str]:
        """Where each setting comes from: `the environment`, `.env`, `the keyring`, `an argument`, or `the default`."""
        environment = {name.upper(): value for name, value in os.environ.items()}
        given = {
            ENVIRONMENT: {name: environment.get(_variable(name), "") for name in Settings.model_fields},
            ENV_FILE: _from_env_file(),
        }
        return {name: self._source(name, given) for name in Settings.model_fields}

    def _source(self, name: str, given: dict[str, dict[str, str]]) -> str:
        value = getattr(self, name)
        if name not in self.model_fields_set or value in (None, "", SecretStr("")):
            return DEFAULT
        for source, values in given.items():
            if values.get(name) and _same(name, values[name], value):
                return source
        if name == "client_secret" and kept_secret(self.client_id) == value:
            return KEYRING
        return ARGUMENT

    @property
    def on_sandbox(self) -> bool:
        """Whether the org is a sandbox. Anything else is live."""
        return _is_sandbox(self.api_url, self.sandbox_bucket)

    @property
    def api_base(self) -> str:
        """Where the API is, without a trailing slash. Raises InvalidInput when neither URL nor region is set."""
        return self._base("api", self.api_url)

    @property
    def is_local(self) -> bool:
        """Whether the API is on this machine, as a sandbox's is; else what is done reaches an org."""
        return is_loopback(urlsplit(self.api_url or "").hostname)

    @property
    def login_base(self) -> str:
        """Where tokens are issued; the API URL also serves them on a gateway that has no login host."""
        return self._base("login", self.login_url or self.api_url)

    def _base(self, host: str, url: str | None) -> str:
        if url:
            return url.rstrip("/")
        if self.region:
            return f"https://{host}.{self.region}"
        raise InvalidInput(
            "No Genesys Cloud org is configured",
            cause="neither OPSLIB_REGION nor OPSLIB_API_URL is set",
            fix="set OPSLIB_REGION (such as us-east-1), or start the sandbox: opslib sandbox",
        )
