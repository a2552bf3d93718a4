from pathlib import Path

import pytest

from opslib.errors import InvalidInput
from opslib.settings import REGIONS, Settings, checked_base_url


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_URL", "LOGIN_URL", "REGION", "CLIENT_SECRET", "HOME"):
        monkeypatch.delenv(f"OPSLIB_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.mypurecloud.com", "https"),
        ("https://api.mypurecloud.com.evil.example", "no Genesys Cloud region"),
        ("https://evil.example/api.mypurecloud.com", "no Genesys Cloud region"),
        ("https://user:pass@api.mypurecloud.com", "password"),
        ("https://api.mypurecloud.com@evil.example", "password"),
        ("https://api.mypurecloud.com?x=1", "scheme and host"),
        ("javascript:alert(1)", "scheme and host"),
        ("https://[::1", "cannot be read"),
        ("", "scheme and host"),
        ("http://169.254.169.254", "https"),
    ],
)
def test_hosts_that_must_not_see_secrets_are_refused(url: str, why: str) -> None:
    """Only https to a Genesys region, or loopback, without consent."""
    with pytest.raises(InvalidInput, match=why):
        checked_base_url(url, name="OPSLIB_API_URL")


@pytest.mark.parametrize("domain", REGIONS.values())
def test_regions_and_loopback_are_accepted(domain: str) -> None:
    """Every region's API host and any loopback port are fine; another host only with consent."""
    assert checked_base_url(f"https://api.{domain}/", name="x") == f"https://api.{domain}"
    assert checked_base_url("http://127.0.0.1:8080", name="x") == "http://127.0.0.1:8080"
    assert checked_base_url("https://gateway.example", name="x", allow_any_host=True) == "https://gateway.example"


def test_region_by_name_or_domain() -> None:
    """A region may be given as AWS names it or as its domain; there are 18."""
    assert len(REGIONS) == 18
    assert Settings.load(region="eu-central-1").api_base == "https://api.mypurecloud.de"
    assert Settings.load(region="mypurecloud.de").login_base == "https://login.mypurecloud.de"
    with pytest.raises(InvalidInput, match="OPSLIB_REGION"):
        Settings.load(region="atlantis-1")


def test_a_bad_url_is_named_with_its_own_cause() -> None:
    """Not wrapped in the words of another library."""
    with pytest.raises(InvalidInput, match="OPSLIB_LOGIN_URL is not usable") as caught:
        Settings.load(login_url="https://evil.example")
    assert caught.value.cause.startswith("evil.example belongs to no")


def test_no_org_is_a_clear_error() -> None:
    """Without URL and region the fix names the variable and the sandbox."""
    with pytest.raises(InvalidInput, match="opslib sandbox"):
        _ = Settings.load().api_base


def test_dotenv_is_read_and_secrets_are_hidden(tmp_path: Path) -> None:
    """.env works; the secret shows in no repr."""
    Path(".env").write_text("OPSLIB_CLIENT_SECRET=dotenv-canary-77\nOPSLIB_API_URL=http://127.0.0.1:9\n")
    settings = Settings.load()
    assert settings.client_secret.get_secret_value() == "dotenv-canary-77"
    assert "dotenv-canary-77" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad environment variable is named, its value is not shown."""
    monkeypatch.setenv("OPSLIB_DEADLINE_S", "soonish-canary")
    with pytest.raises(InvalidInput, match="OPSLIB_DEADLINE_S") as caught:
        Settings.load()
    assert "soonish-canary" not in str(caught.value)
