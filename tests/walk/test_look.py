"""The bucket is looked at once more right before an apply goes on: what it lost meanwhile ends that."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opslib import errors
from opslib.audit import controls
from opslib.audit.deeds import of_apply
from opslib.audit.facts import load
from opslib.audit.headline import headline
from opslib.onboarding.models import Consent
from opslib.walk.walk import Walk

from ..forks import opslib
from ..world import Api, Sandbox, environment, without_settings
from .test_steps import OBJECTS, cancel_in_the_policy, onboarding, puts, up_to

REASON = "the policy is put back tonight"
RECOVERY = ("resume", "accept")


@pytest.fixture(autouse=True)
def home(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


@pytest.fixture
def lose_policy(sandbox: Sandbox) -> Iterator[Callable[[], object]]:
    """Takes the bucket's policy away, which refuses plain HTTP; put back afterwards."""
    place, s3 = {"Bucket": sandbox["bucket"]}, sandbox.s3()
    policy = s3.get_bucket_policy(**place)["Policy"]
    yield lambda: s3.delete_bucket_policy(**place)
    s3.put_bucket_policy(**place, Policy=policy)


async def interrupted(sandbox: Sandbox) -> None:
    """An apply that was cut off in its second change, and whose program has ended."""
    async with Walk(onboarding(sandbox)) as walk:
        await cancel_in_the_policy(walk, sandbox)
    sandbox.control("DELETE", "/faults")


def in_the_org(api: Api) -> list[int]:
    return [api("GET", f"{path}/{id}").status_code for path, id in OBJECTS]


def words(home: Path) -> dict[str, str]:
    return {result.id: result.word for result in controls.results(load(home))}


async def test_resume_does_not_finish_over_a_bucket_that_lost_its_policy(
    sandbox: Sandbox, api: Api, home: Path, lose_policy: Any
) -> None:
    """Exit code 3, cause and fix, and no write; with the policy back, it is finished."""
    await interrupted(sandbox)
    policy = sandbox.s3().get_bucket_policy(Bucket=sandbox["bucket"])["Policy"]
    lose_policy()
    sandbox.control("DELETE", "/requests")
    env = without_settings() | environment(sandbox, home)
    for more in ((), ("--accept",), ("--allow", "failed-validation")):
        refused = opslib(env, "resume", "--json", *more)
        said = json.loads(refused.stdout)
        assert (refused.returncode, said["error"], said["title"]) == (
            3,
            "HalfDone",
            "The bucket does not pass its validation",
        )
        assert "right before the resume: " in said["cause"]
        for words_of in ('--allow failed-validation --reason "…"', "`opslib rollback`", "Nothing more was written"):
            assert words_of in said["fix"]
    assert puts(sandbox) == 0
    found = words(home)
    assert (found["transport"], found["routing"]) == ("FAIL", "FAIL")
    assert headline(load(home)).word == "LEFT HALF-DONE"
    sandbox.s3().put_bucket_policy(Bucket=sandbox["bucket"], Policy=policy)
    assert opslib(env, "resume").returncode == 0
    assert in_the_org(api) == [200] * 3
    found = words(home)
    assert {found[name] for name in ("storage", "transport", "retention", "age", "approval")} == {"PASS"}


async def test_consent_to_finish_it_all_the_same_is_an_exception(
    sandbox: Sandbox, api: Api, home: Path, lose_policy: Any
) -> None:
    """By name and with a reason; the audit shows who agreed, why and until when, and the verdict stays FAIL."""
    await interrupted(sandbox)
    lose_policy()
    env = without_settings() | environment(sandbox, home) | {"LOGNAME": "third"}
    until = (datetime.now(UTC).date() + timedelta(days=7)).isoformat()
    agreed = opslib(env, "resume", "--allow", "failed-validation", "--reason", REASON, "--until", until)
    assert agreed.returncode == 0, agreed.stderr
    assert in_the_org(api) == [200] * 3
    facts = load(home)
    (exception,) = headline(facts).exceptions
    assert (exception.name, exception.reason, exception.state) == ("failed-validation", REASON, "in force")
    assert (exception.by.split()[0], exception.until) == ("third", date.fromisoformat(until))
    found = {result.id: result for result in controls.results(facts)}
    assert (found["transport"].word, found["approval"].word, found["exceptions"].word) == ("FAIL", "PASS", "PASS")
    assert found["transport"].exceptions == (exception.tag,)
    deeds = [(deed.what.split(", in run")[0], deed.actor.user) for deed in of_apply(facts, 1)]
    assert ("consented to failed-validation", "third") in deeds


@pytest.mark.parametrize("name", RECOVERY)
async def test_the_onboarding_of_the_apply_counts_not_the_present_one(
    sandbox: Sandbox, lose_policy: Any, name: str
) -> None:
    """As it was chosen when the apply began, also where the walk that finishes it is for another bucket."""
    await interrupted(sandbox)
    lose_policy()
    async with Walk(onboarding(sandbox, target={"bucket": "another-bucket"})) as walk:
        with pytest.raises(errors.ConsentMissing, match="does not pass"):
            await walk.run(name)
        (looked,) = walk.journal.entries("bucket.looked")
    assert looked.data["bucket"] == sandbox["bucket"]
    assert [row["check"] for row in looked.data["data"]["findings"] if row["verdict"] == "FAIL"] == ["tls-only"]


async def test_what_takes_away_asks_nothing_of_the_bucket(sandbox: Sandbox, api: Api, lose_policy: Any) -> None:
    """A rollback, and a resume of one that had begun."""
    await interrupted(sandbox)
    lose_policy()
    async with Walk(onboarding(sandbox)) as walk:
        sandbox.control("POST", "/faults", {"method": "DELETE", "path_regex": "targets", "status": 403})
        with pytest.raises(errors.HalfDone):
            await walk.run("rollback")
        sandbox.control("DELETE", "/faults")
        assert walk.unfinished
        assert walk.unfinished.rolling_back
        assert (await walk.run("resume")).summary.startswith("The rollback that had begun is finished")
        assert list(walk.journal.entries("bucket.looked")) == []
    assert in_the_org(api) == [404] * 3


async def test_in_the_notebook_one_validates_and_approves_again(sandbox: Sandbox, api: Api, lose_policy: Any) -> None:
    """The target's name, typed for what was shown before, agrees to nothing that was found since."""
    async with Walk(onboarding(sandbox)) as walk:
        walk.consent = Consent(confirm="T", reason=REASON)
        await cancel_in_the_policy(walk, sandbox)
        sandbox.control("DELETE", "/faults")
        walk.consent = Consent(confirm="T", reason=REASON)
        lose_policy()
        with pytest.raises(errors.ConsentMissing, match="does not pass") as caught:
            await walk.run("resume")
        assert "in the notebook: validate the bucket and approve again" in caught.value.fix
        with pytest.raises(errors.BucketUnfit):
            await walk.run("validate_bucket")
        assert (await walk.run("approve")).data["unsafe"] == ["failed-validation"]
        assert (await walk.run("resume")).summary == "The apply is finished"
    assert in_the_org(api) == [200] * 3


async def test_a_typed_name_agrees_to_no_bucket_that_fails_after_the_approval(
    sandbox: Sandbox, api: Api, lose_policy: Any
) -> None:
    """The same of an apply: it was typed for the plan as it stood there."""
    async with Walk(onboarding(sandbox)) as walk:
        await up_to(walk, "approve")
        walk.consent = Consent(confirm="T", reason=REASON)
        await walk.run("approve")
        lose_policy()
        with pytest.raises(errors.ConsentMissing, match="does not pass"):
            await walk.run("apply")
        with pytest.raises(errors.BucketUnfit):
            await walk.run("validate_bucket")
        await walk.run("approve")
        assert (await walk.run("apply")).data == {"changes": 3}
    assert in_the_org(api) == [200] * 3


async def test_an_agreement_that_has_ended_counts_no_more(
    sandbox: Sandbox, lose_policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The approval named a day, and the apply is begun on the next one."""
    lose_policy()
    today = datetime.now(UTC).date()
    monkeypatch.setattr("opslib.walk.consent._today", lambda: today)
    async with Walk(onboarding(sandbox)) as walk:
        for name in ("connect", "validate_bucket", "plan"):
            await walk._run_or_leave_to_approve(name)
        walk.consent = Consent(allow=("failed-validation",), reason=REASON, until=today)
        await walk.run("approve")
        with monkeypatch.context() as patch:
            patch.setattr("opslib.walk.consent._today", lambda: today + timedelta(days=1))
            with pytest.raises(errors.ConsentMissing, match="does not pass"):
                await walk.run("apply")
        assert (await walk.run("apply")).data == {"changes": 3}
