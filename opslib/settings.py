"""What a user configures: keywords, environment variables `OPSLIB_…`, a .env file; a secret also in the keyring."""

from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from opslib.credentials import kept_secret
from opslib.errors import InvalidInput
from opslib.redact import remember

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

# The most that is read of one answer (bytes), also after unpacking. A page of 100 policies has less than 1 MB; the
# objects that Python makes of JSON can take thirty times its size.
MAX_ANSWER_BYTES = 8 * 1024 * 1024

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


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
    if parts.username or parts.password or "@" in parts.netloc:
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


def _bad_url(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{name} is not usable", cause=why, fix=f"correct {name}; nothing was sent")


class Settings(BaseSettings):
    """The configuration of one session. Secrets are SecretStr and are hidden from every output.

    Raises InvalidInput (through `load`) when a value is wrong. `home` holds ledger.sqlite3; `signing_key` is the file
    of the key that signs it, in a folder of its own; `catalogue_url` is where the data lake lists the events it
    received; `onboarding` is the file that notebooks work on; `sandbox_…` are set by the sandbox.
    """

    model_config = SettingsConfigDict(env_prefix="OPSLIB_", env_file=".env", extra="ignore", frozen=True)

    api_url: str | None = Field(default=None, title="API URL", description="Only for a gateway or the sandbox.")
    login_url: str | None = Field(default=None, title="Login URL", description="Where tokens are issued, if elsewhere.")
    region: str | None = Field(default=None, title="Genesys region")
    org_id: str = Field(default="", title="Organisation id", description="Where it is a GUID, other orgs are refused.")
    client_id: str = Field(default="", title="OAuth client id")
    client_secret: SecretStr = Field(default=SecretStr(""), title="OAuth client secret")
    backend: Literal["storage-targets", "platform"] = "storage-targets"
    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("opslib"))
    # Named apart: on macOS and Windows a program's folders for data and configuration are one.
    signing_key: Path = Field(default_factory=lambda: platformdirs.user_config_path("opslib-keys") / "signing_key.pem")
    catalogue_url: str | None = None
    onboarding: Path | None = None
    sandbox_bucket: str = ""
    sandbox_role_arn: str = ""
    sandbox_external_id: str = ""
    allow_any_host: bool = False
    log_level: Literal["debug", "info", "warning"] | None = None
    deadline_s: float = Field(default=DEFAULT_DEADLINE_S, gt=0)
    timeout_s: float = Field(default=DEFAULT_TIMEOUT_S, gt=0)

    @classmethod
    def load(cls, **values: object) -> "Settings":
        """Settings from keywords, then environment, then .env. Raises InvalidInput naming the variable."""
        try:
            return cls(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            if isinstance(cause := (first.get("ctx") or {}).get("error"), InvalidInput):
                raise cause from None
            name = "OPSLIB_" + "_".join(str(part) for part in first["loc"]).upper()
            raise InvalidInput(
                f"{name} is not usable",
                cause=str(first["msg"]),
                fix=f"correct {name} in the environment or .env",
            ) from None
        except (OSError, UnicodeError) as error:
            raise InvalidInput(
                ".env cannot be read", cause=str(error), fix="make it a text file in UTF-8, or remove it"
            ) from None

    @model_validator(mode="before")
    @classmethod
    def _ask_the_keyring(cls, values: dict[str, Any]) -> dict[str, Any]:
        """For the secret of a client that is named, where no other source has it."""
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
            raise ValueError(f"unknown region {value!r}; known: {', '.join(REGIONS)}")
        return domain

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        for name in ("api_url", "login_url", "catalogue_url"):
            if url := getattr(self, name):
                anywhere = self.allow_any_host or name == "catalogue_url"
                checked_base_url(url, name=f"OPSLIB_{name.upper()}", allow_any_host=anywhere)
        remember(self.client_secret)
        return self

    @property
    def api_base(self) -> str:
        """Where the API is, without a trailing slash. Raises InvalidInput when neither URL nor region is set."""
        return self._base("api", self.api_url)

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
