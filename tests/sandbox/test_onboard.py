"""What notebooks 03 and 06 do first on a sandbox."""

from pathlib import Path

import pytest

from opslib.onboarding.models import Onboarding
from opslib.sandbox.launch import onboard_on_sandbox
from opslib.walk.walk import Walk

from ..world import Sandbox, environment


async def test_it_is_onboarded_once_and_what_needs_consent_is_left_to_a_person(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert "3 changes applied and read back" in await onboard_on_sandbox(Walk(resume=True))
    walk = Walk(resume=True)
    assert await onboard_on_sandbox(walk) == []
    policy = walk.onboarding.policy.model_copy(update={"retention_days": 30})
    sandbox.control("DELETE", "/requests")
    (said,) = await onboard_on_sandbox(Walk(Onboarding.model_validate({**dict(walk.onboarding), "policy": policy})))
    assert said.startswith("Nothing was onboarded here")
    assert "shorter-retention" in said
    assert not [one for one in sandbox.requests() if one["method"] == "PUT"]
