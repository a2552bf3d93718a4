"""The lessons of notebook 05: each trouble shows its error, is mended, and none can be had on a live org."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from opslib import errors
from opslib.audit.facts import load
from opslib.errors import InvalidInput, LedgerError
from opslib.sandbox.lessons import TROUBLES, Lessons

from ..world import without_settings

# What the step ends with, and words of its cause; None where the trouble heals by itself.
EXPECTED: dict[str, tuple[type[errors.OpslibError], str] | None] = {
    "wrong-secret": (errors.AuthenticationFailed, "invalid_client"),
    "revoked-token": None,
    "missing-scope": (errors.RolledBack, "webhook:write"),
    "rate-limit": None,
    "long-rate-limit": (errors.RateLimited, "Retry-After: 600"),
    "bad-content": (errors.RolledBack, "cannot be kept in this division"),
    "no-bucket": (errors.BucketNotFound, "404"),
    "wrong-region": (errors.BucketWrongRegion, "S3 says it is in us-east-1"),
    "no-permission": (errors.BucketAccessDenied, "s3:ListBucket"),
    "kms-key": (errors.BucketUnfit, "the key is disabled"),
    "lifecycle": (errors.BucketUnfit, "rule tidy-up"),
}


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ, without_settings() | {"OPSLIB_HOME": str(tmp_path / "mine")}, clear=True):
        yield


@pytest.mark.slow
async def test_each_trouble_shows_its_error_and_is_mended(tmp_path: Path) -> None:
    """In the step that meets it, with cause and fix; afterwards the step is done. The user's workspace sees nothing."""
    assert EXPECTED.keys() == TROUBLES.keys()
    lessons = Lessons()
    try:
        for name, expected in EXPECTED.items():
            await lessons.provoke(name)
            result = lessons.walk.result(TROUBLES[name].step)
            assert result, name
            assert (type(result.error) if result.error else None) == (expected[0] if expected else None), name
            if expected and result.error:
                assert expected[1] in result.error.cause, name
                assert result.error.fix, name
            assert (await lessons.mend(name)).state == "done", name
        with pytest.raises(LedgerError, match="holds no walk"):  # lessons are no walk that an audit would show
            load(Path(os.environ["OPSLIB_HOME"]))
    finally:
        await lessons.aclose()
    assert lessons.sandbox.process.returncode == 0
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    "configured",
    [
        {"OPSLIB_REGION": "eu-central-1"},
        {"OPSLIB_API_URL": "https://api.mypurecloud.com"},
        {"OPSLIB_API_URL": "https://api.mypurecloud.com", "OPSLIB_SANDBOX_BUCKET": "b"},
        {"OPSLIB_API_URL": "http://127.0.0.1:9"},
    ],
)
def test_a_live_org_is_refused(configured: dict[str, str]) -> None:
    """Before a sandbox is started, with the fix; a gateway on this machine is no sandbox."""
    with mock.patch.dict(os.environ, configured):
        before = dict(os.environ)
        with pytest.raises(InvalidInput, match="for the sandbox only") as caught:
            Lessons()
        assert "OPSLIB_API_URL and OPSLIB_REGION" in caught.value.fix
        assert dict(os.environ) == before


async def test_beside_a_sandbox_they_have_their_own(tmp_path: Path) -> None:
    """So a fault of a lesson does not meet the work in another notebook."""
    other = {"OPSLIB_API_URL": "http://127.0.0.1:9", "OPSLIB_SANDBOX_BUCKET": "b"}
    with mock.patch.dict(os.environ, other):
        lessons = Lessons()
        try:
            assert lessons.walk.settings.api_url == lessons.sandbox.info["api_url"]
            assert lessons.walk.settings.home != tmp_path / "mine"
        finally:
            await lessons.aclose()
