"""The walk's one order, whoever runs it: a bucket that fails its validation is refused at `approve`."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.onboarding.models import Consent
from opslib.walk.walk import Walk

from .. import forks
from ..world import Sandbox, environment, without_settings, write_onboarding
from .test_steps import onboarding

REASON = "the bucket moves tonight"
COMMANDS = (("apply", "--yes"), ("onboard", "--yes"))


@pytest.fixture(autouse=True)
def rule(sandbox: Sandbox) -> Iterator[None]:
    """One that somebody made to save money, and that makes the bucket unfit."""
    rule = {"ID": "save-money", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    sandbox.s3().put_bucket_lifecycle_configuration(Bucket=sandbox["bucket"], LifecycleConfiguration={"Rules": [rule]})
    yield
    sandbox.s3().delete_bucket_lifecycle(Bucket=sandbox["bucket"])


@pytest.fixture
async def unfit(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(onboarding(sandbox)) as walk:
        yield walk


def writes(sandbox: Sandbox) -> list[str]:
    """What Genesys was asked to change."""
    asked = [(request["method"], request["path"]) for request in sandbox.requests()]
    return [path for method, path in asked if method != "GET" and path.startswith("/api/")]


def opslib(sandbox: Sandbox, folder: Path, *words: str) -> Any:
    """One command on an onboarding file."""
    file = write_onboarding(folder / "target.yaml", sandbox)
    env = without_settings() | environment(sandbox, folder / "home")
    return forks.opslib(env, words[0], file, *words[1:])


async def test_an_unfit_bucket_is_refused_at_approve_with_its_own_fix_first(unfit: Walk, sandbox: Sandbox) -> None:
    """Mending the bucket comes before consenting to it; the plan was made, and nothing was written."""
    with pytest.raises(errors.ConsentMissing) as caught:
        await unfit.run_all()
    validation = unfit.result("validate_bucket")
    assert validation
    assert isinstance(validation.error, errors.BucketUnfit)
    assert caught.value.fix.startswith(validation.error.fix)
    assert '--allow failed-validation --reason "…"' in caught.value.fix
    assert [unfit.state(name) for name in ("plan", "approve", "apply")] == ["done", "failed", "waiting"]
    assert writes(sandbox) == []


@pytest.mark.parametrize("consent", [Consent(allow=("failed-validation",)), Consent(confirm="T")])
async def test_consent_to_an_unfit_bucket_without_a_reason_is_not_enough(
    unfit: Walk, sandbox: Sandbox, consent: Consent
) -> None:
    """Whether it is given by name, or by typing the target's name."""
    with pytest.raises(errors.ConsentMissing):
        await unfit.run_all(consent)
    assert writes(sandbox) == []


async def test_an_unfit_bucket_is_allowed_by_name_with_a_reason(unfit: Walk) -> None:
    """Every step runs; the validation stays failed, and the approval has the reason."""
    results = await unfit.run_all(Consent(allow=("failed-validation",), reason=REASON))
    assert [(result.step, result.state) for result in results[:5]] == [
        ("connect", "done"),
        ("validate_bucket", "failed"),
        ("plan", "done"),
        ("approve", "done"),
        ("apply", "done"),
    ]
    approval = next(iter(unfit.journal.entries("approval"))).data
    assert (approval["unsafe"], approval["reason"]) == (["failed-validation"], REASON)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_the_commands_refuse_an_unfit_bucket_alike(sandbox: Sandbox, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Exit code 1, with the bucket's fix before the consent; the same for a consent without a reason."""
    for consent in ([], ["--allow", "failed-validation"]):
        refused = opslib(sandbox, tmp_path, *command, *consent)
        assert refused.returncode == 1
        _, fix = refused.stderr.split("Fix: ", 1)
        assert 0 < fix.index("opslib check-bucket") < fix.index('--allow failed-validation --reason "…"')
    assert writes(sandbox) == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_the_commands_allow_an_unfit_bucket_alike(sandbox: Sandbox, tmp_path: Path, command: tuple[str, ...]) -> None:
    """By name and with a reason."""
    done = opslib(sandbox, tmp_path, *command, "--allow", "failed-validation", "--reason", REASON)
    assert (done.returncode, len(writes(sandbox)) >= 3) == (0, True)
