from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from opslib.auth import GenesysAuthManager
from opslib.env_file import UnsafePlace, open_to_others
from opslib.errors import InvalidInput
from opslib.settings import REGIONS, Settings, check_aws_secret, checked_base_url


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_URL", "LOGIN_URL", "CATALOGUE_URL", "REGION", "CLIENT_ID", "CLIENT_SECRET", "HOME"):
        monkeypatch.delenv(f"OPSLIB_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.mypurecloud.com", "https"),
        ("https://api.mypurecloud.com.evil.example", "no Genesys Cloud region"),
        ("https://evil.example/api.mypurecloud.com", "no Genesys Cloud region"),
        ("https://evilmypurecloud.com", "no Genesys Cloud region"),
        ("https://api.evilusw2.pure.cloud", "no Genesys Cloud region"),
        ("https://user:pass@api.mypurecloud.com", "password"),
        ("https://api.mypurecloud.com@evil.example", "password"),
        ("https://@api.mypurecloud.com", "password"),
        ("https://api.mypurecloud.com?x=1", "scheme and host"),
        ("https://api.mypurecloud.com#x", "scheme and host"),
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
    assert checked_base_url("https://gateway.XX/", name="x", allow_any_host=True) == "https://gateway.XX"
    assert Settings.load(api_url="https://gateway.XX//", allow_any_host=True).api_base == "https://gateway.XX"


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
    assert caught.value.fix == "correct OPSLIB_DEADLINE_S in the environment"
    monkeypatch.delenv("OPSLIB_DEADLINE_S")
    Path(".env").write_text("OPSLIB_DEADLINE_S=soonish-canary\n")
    with pytest.raises(InvalidInput, match=r"correct OPSLIB_DEADLINE_S in \.env \(/"):
        Settings.load()
    with pytest.raises(InvalidInput, match="correct OPSLIB_DEADLINE_S in an argument"):
        Settings.load(deadline_s="soonish")


SECRET = "settings-canary-of-the-environment"
GUARDED = [
    "OPSLIB_LOGIN_URL=https://login.mypurecloud.com",
    "OPSLIB_API_URL=http://127.0.0.1:9",
    "OPSLIB_CATALOGUE_URL=https://evil.example",
    "OPSLIB_ALLOW_ANY_HOST=true",
    "opslib_login_url=https://login.mypurecloud.com",
    "export OPSLIB_LOGIN_URL='https://login.mypurecloud.com'",
]


@pytest.mark.parametrize("line", GUARDED)
def test_a_dotenv_does_not_send_a_secret_from_elsewhere(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment, of an argument, or one that is still to be typed; also where .env has another one beside."""
    Path(".env").write_text(f"{line}\nOPSLIB_REGION=us-east-1\n")
    with pytest.raises(InvalidInput, match=r"\.env sets OPSLIB_[A-Z_]+, and it holds no client secret: whoever"):
        Settings.load()
    with pytest.raises(InvalidInput, match="the client secret comes from an argument"):
        Settings.load(client_secret=SECRET)
    with pytest.raises(InvalidInput, match=r"is not taken from \.env"):
        GenesysAuthManager("id", SECRET, "org")
    monkeypatch.setenv("OPSLIB_CLIENT_SECRET", SECRET)
    for own in (
        "",
        "OPSLIB_CLIENT_SECRET=a-decoy-of-the-same-file\n",
        "OPSLIB_CLIENT_SECRET=${OPSLIB_CLIENT_SECRET}\n",
    ):
        Path(".env").write_text(f"{line}\n{own}")
        with pytest.raises(InvalidInput, match="the client secret comes from the environment") as caught:
            Settings.load()
        assert line.split("=")[0].split()[-1].upper() in caught.value.cause
        assert str(Path.cwd() / ".env") in caught.value.cause
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("line", GUARDED)
def test_a_dotenv_with_its_own_secret_may_say_where_it_goes(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its author knows the secret. A URL of the environment counts, whatever .env says beside it."""
    Path(".env").write_text(f"{line}\nOPSLIB_CLIENT_SECRET=settings-canary-of-the-file\n")
    settings = Settings.load()
    assert settings.sources()["client_secret"] == ".env"
    Path(".env").write_text(f"{line}\n")
    name, _, value = line.split()[-1].partition("=")
    monkeypatch.setenv(name.upper(), value.strip("'"))
    assert Settings.load(client_secret=SECRET).sources()[name.lower().removeprefix("opslib_")] == "the environment"


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_aws_secret_from_elsewhere_does_not_go_to_an_api_that_only_a_dotenv_names(
    slash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stands in the same file may; so may any where the environment names the API, or another one is asked."""
    here, secret = "https://gateway.XX", SecretStr("aws-secret-of-the-environment")
    own = Path(".env")
    own.write_text(f"OPSLIB_API_URL={here}{slash}\nOTHER=aws-secret-of-the-file\n")
    for api in (here, f"{here}/"):
        with pytest.raises(InvalidInput, match="is not sent to the API that"):
            check_aws_secret(api, secret)
    check_aws_secret(here, SecretStr("aws-secret-of-the-file"))
    check_aws_secret("https://api.mypurecloud.de", secret)
    own.write_text("OTHER=x\n")
    check_aws_secret(here, secret)
    own.write_text(f"OPSLIB_API_URL={here}\n")
    monkeypatch.setenv("OPSLIB_API_URL", here)
    check_aws_secret(here, secret)


def test_a_dotenv_that_allows_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """To say no does no harm, and where no secret is used, its own one is enough."""
    Path(".env").write_text("OPSLIB_ALLOW_ANY_HOST=false\n")
    assert not Settings.load(client_secret=SECRET).allow_any_host
    Path(".env").write_text("OPSLIB_API_URL=http://127.0.0.1:9\nOPSLIB_CLIENT_SECRET=settings-canary-of-the-file\n")
    assert Settings.load(client_secret="").api_base == "http://127.0.0.1:9"


def test_a_dotenv_takes_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`${NAME}` stays what it is: filled in, it would send any variable to a host of the file's choice."""
    monkeypatch.setenv("SOME_TOKEN", "settings-canary-token")
    own = "OPSLIB_LOGIN_URL=http://127.0.0.1:9\nOPSLIB_CLIENT_SECRET=${SOME_TOKEN}\nOPSLIB_CLIENT_ID=$SOME_TOKEN\n"
    Path(".env").write_text(own)
    settings = Settings.load()
    assert settings.client_secret.get_secret_value() == "${SOME_TOKEN}"
    assert settings.client_id == "$SOME_TOKEN"


def test_each_setting_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyword counts before the environment, that before .env; an empty path is none."""
    Path(".env").write_text("OPSLIB_REGION=eu-central-1\nOPSLIB_TIMEOUT_S=5\nOPSLIB_CLIENT_ID=of-the-file\n")
    monkeypatch.setenv("OPSLIB_CLIENT_ID", "of-the-environment")
    monkeypatch.setenv("OPSLIB_BACKEND", "platform")
    monkeypatch.setenv("OPSLIB_HOME", "")
    settings = Settings.load(deadline_s=7)
    sources = settings.sources()
    assert sources["region"] == sources["timeout_s"] == ".env"
    assert sources["client_id"] == sources["backend"] == "the environment"
    assert sources["deadline_s"] == "an argument"
    assert sources["home"] == sources["client_secret"] == "the default"
    assert settings.home != Path()


def test_a_bad_url_says_which_source_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment, or .env."""
    Path(".env").write_text("OPSLIB_LOGIN_URL=https://evil.example\nOPSLIB_CLIENT_SECRET=settings-canary\n")
    with pytest.raises(InvalidInput, match=r"correct OPSLIB_LOGIN_URL, which comes from \.env"):
        Settings.load()
    monkeypatch.setenv("OPSLIB_LOGIN_URL", "https://evil.example")
    with pytest.raises(InvalidInput, match="correct OPSLIB_LOGIN_URL, which comes from the environment"):
        Settings.load()


@pytest.mark.parametrize(("owner", "risky"), [(0, False), (4241, False), (4242, True), (1, True)])
def test_what_another_user_owns_is_open_to_him(owner: int, risky: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator, who can change anything, counts for nothing."""
    monkeypatch.setattr("os.geteuid", lambda: 4241)
    monkeypatch.setattr(Path, "stat", lambda path: SimpleNamespace(st_mode=0o100600, st_uid=owner))
    said = (f"x belongs to another user (number {owner}), who can change it", "use one of your own")
    assert open_to_others(Path("x")) == (said if risky else None)


def test_a_dotenv_that_everybody_can_write_gives_a_warning() -> None:
    """With what to do; one that only its owner and a group can write gives none."""
    file = Path(".env")
    file.write_text("OPSLIB_REGION=eu-central-1\n")
    file.chmod(0o664)
    Settings.load()
    file.chmod(0o646)
    with pytest.warns(UnsafePlace, match=r"every user of this machine can write .*/\.env; look .*chmod o-w"):
        Settings.load()
