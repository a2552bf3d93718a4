"""A plan is approved elsewhere by a second key, and only an approval of just that plan lets it be applied."""

import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from opslib.audit.controls import results
from opslib.audit.exceptions import register
from opslib.audit.facts import load
from opslib.audit.words import key_words
from opslib.cli.app import main
from opslib.ledger.signing import Signer
from opslib.router.apply import Applier
from opslib.router.approval import Approval, Org, PlanFile, Planned, _signed_bytes
from opslib.router.plan import Change, Plan, Undoes

from ..world import WEBHOOKS, Api, Sandbox, environment, without_settings, write_onboarding

CHANGING = ("PUT", "POST", "DELETE", "PATCH")
Said = tuple[int, str, str]


class Desk:
    """Somebody's machine, with a workspace and a key of their own; each command in this process."""

    def __init__(self, env: dict[str, str], key: Path, patch: pytest.MonkeyPatch, read: Callable[[], Any]) -> None:
        self.env, self.key, self._patch, self._read = {**env, "OPSLIB_SIGNING_KEY": str(key)}, key, patch, read

    @property
    def public_key(self) -> str:
        return Signer.load(self.key).public_key

    def __call__(self, *words: str | Path, **env: str) -> Said:
        """Exit code, stdout and stderr."""
        with self._patch.context() as patch:
            for name in [*os.environ]:
                patch.delenv(name)
            for name, value in {**self.env, **env}.items():
                patch.setenv(name, value)
            try:
                main([*map(str, words)])
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return (code, *self._read())


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    return lambda: tuple(capsys.readouterr())


@pytest.fixture
def file(sandbox: Sandbox, tmp_path: Path) -> Path:
    return write_onboarding(tmp_path / "target.yaml", sandbox)


@pytest.fixture
def engineer(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any) -> Desk:
    monkeypatch.chdir(tmp_path)
    env = without_settings() | environment(sandbox, tmp_path / "home")
    return Desk(env, tmp_path / "keys" / "engineer.pem", monkeypatch, read)


@pytest.fixture
def approver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any) -> Desk:
    """Another machine: a home of its own and nothing else in its environment."""
    env = {"HOME": str(tmp_path / "elsewhere"), "PATH": os.environ["PATH"]}
    return Desk(env, tmp_path / "keys" / "approver.pem", monkeypatch, read)


@pytest.fixture
def plan(engineer: Desk, file: Path, api: Api, tmp_path: Path) -> Path:
    """The plan's file; the org is as it was."""
    assert engineer("plan", file, "--out", tmp_path / "plan.json")[0] == 2
    return tmp_path / "plan.json"


def approved(approver: Desk, plan: Path, *words: str) -> Path:
    code, _, err = approver("approve", plan, "--yes", *words)
    assert code == 0, err
    return plan.with_name("plan.approval.json")


def written(sandbox: Sandbox) -> list[str]:
    """The writes to the org since the log was emptied."""
    asked = [one for one in sandbox.requests() if one["method"] in CHANGING]
    return [f"{one['method']} {one['path']}" for one in asked if not one["path"].endswith("/oauth/token")]


@pytest.fixture
def listed(approver: Desk) -> dict[str, str]:
    """The setting that requires an approval by the approver's key."""
    return {"OPSLIB_APPROVERS": approver.public_key}


def controls(engineer: Desk, tmp_path: Path) -> dict[str, str]:
    """The verdict of each control, from the ledger alone."""
    facts = load(tmp_path / "home", own_key=engineer.public_key)
    return {result.id: result.word for result in results(facts)}


def resigned(approver: Desk, approval: Path, **changes: Any) -> Path:
    """Another statement, signed by the approver."""
    statement = Approval.model_validate_json(approval.read_bytes()).statement.model_copy(update=changes)
    signature = Signer.load(approver.key).sign(_signed_bytes(statement))
    approval.write_bytes(Approval(statement=statement, signature=signature).text())
    return approval


def test_a_listed_key_approves_elsewhere_and_the_ledger_alone_shows_it(
    engineer: Desk, approver: Desk, plan: Path, file: Path, sandbox: Sandbox, tmp_path: Path, listed: dict[str, str]
) -> None:
    """Exit 0 all the way; the whole approval is in the ledger, where its signature is verified again."""
    code, out, err = engineer("apply", file, "--yes", "--approval", approved(approver, plan), **listed)
    assert (code, err) == (0, "")
    assert len(written(sandbox)) == 3
    assert controls(engineer, tmp_path)["separation_of_duties"] == "PASS"
    code, out, _ = engineer(
        "apply", file, "--yes", "--approval", plan.with_name("plan.approval.json"), "--json", **listed
    )
    assert (code, json.loads(out)["applied"]) == (0, False)  # nothing left to do


def test_approving_needs_no_org_no_network_and_no_workspace(
    approver: Desk, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty environment, with a home of its own, without sockets, beside a .env that every other command refuses:
    only a key is made, which nobody else may read."""

    def refused(*_: object) -> None:
        raise AssertionError("a socket was asked for")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refused)
    (tmp_path / ".env").write_text("OPSLIB_API_URL=https://evil.example\nOPSLIB_DEADLINE_S=never\n")
    home = tmp_path / "elsewhere"
    del approver.env["OPSLIB_SIGNING_KEY"]
    code, out, err = approver("approve", plan, "--yes")
    assert (code, err) == (0, "")
    assert "+ create target T (t-1)" in out
    made = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    assert [Path(path).name for path in made] == ["signing_key.pem", "signing_key.pub"]
    assert not [path for path in home.rglob("*") if path.name == "opslib"]
    assert (home / made[0]).stat().st_mode & 0o777 == 0o600


def test_the_words_are_those_of_the_plan(engineer: Desk, approver: Desk, plan: Path, file: Path) -> None:
    """Just as `opslib plan` shows it, with the org, and who says to have made it."""
    shown = engineer("plan", file)[1].partition("Next:")[0]
    out = approver("approve", plan, "--yes")[1]
    assert out.startswith(shown)
    assert "org Sandbox (" in out
    assert "as that machine says" in out


DELETE = Change(action="delete", kind="target", id="t-1", name="T", before={"a": 1}, after=None)
ROTATE = Change(action="update", kind="target", id="t-1", name="T", before={}, after={}, rotates=True)


@pytest.mark.parametrize(
    ("changes", "undoes", "command"),
    [
        ((DELETE,), Undoes(run_id="r-1", entry=1, checksum="0" * 64), "undo --run r-1"),
        ((DELETE,), None, "offboard FILE"),
        ((DELETE, ROTATE), None, "apply FILE --rotate-credentials"),
        ((DELETE, ROTATE.model_copy(update={"rotates": False})), None, "apply FILE"),
    ],
)
def test_the_next_command_carries_out_that_plan(
    changes: tuple[Change, ...], undoes: Undoes | None, command: str, tmp_path: Path, approver: Desk
) -> None:
    """Not always `apply`."""
    planned = Planned(plan=Plan(where="https://api.example", changes=changes, undoes=undoes), org=Org(), target="T")
    (tmp_path / "plan.json").write_bytes(PlanFile.of(planned, None).text())
    out = approver("approve", tmp_path / "plan.json", "--yes")[1]
    assert out.endswith(f"runs: opslib {command} --approval plan.approval.json\n")


def test_nobody_is_asked_elsewhere_than_on_a_terminal(approver: Desk, plan: Path) -> None:
    """Without --yes nothing is signed, and no key is made: exit code 1."""
    code, _, err = approver("approve", plan)
    assert code == 1
    assert "needs --yes" in err
    assert not approver.key.exists()
    assert not plan.with_name("plan.approval.json").exists()


def test_no_file_is_written_over(engineer: Desk, approver: Desk, plan: Path, file: Path) -> None:
    """Neither the plan nor the approval; nothing is asked of the org either."""
    approval, before = approved(approver, plan), plan.read_bytes()
    assert engineer("plan", file, "--out", plan)[0] == 1
    kept = approval.read_bytes()
    assert approver("approve", plan, "--yes")[0] == 1
    assert (plan.read_bytes(), approval.read_bytes()) == (before, kept)


def test_no_secret_is_in_the_files(approver: Desk, plan: Path, sandbox: Sandbox) -> None:
    content = plan.read_text() + approved(approver, plan).read_text()
    for name in ("client_secret", "aws_secret_access_key"):
        assert sandbox[name] not in content


def forged(approval: Path, approver: Desk) -> Path:
    approval.write_text(approval.read_text().replace('"reason":""', '"reason":"as agreed"'))
    return approval


REFUSED: dict[str, tuple[str, Callable[[Path, Desk], Path]]] = {
    "forged": ("signature does not fit", forged),
    "expired": (
        "expired at",
        lambda approval, approver: resigned(
            approver, approval, approved_at="2026-01-01T00:00:00.000Z", expires_at="2026-01-08T00:00:00.000Z"
        ),
    ),
    "too long": (
        "not 1 to 90 days",
        lambda approval, approver: resigned(approver, approval, expires_at="2999-01-01T00:00:00.000Z"),
    ),
    "from the future": (
        "a clock here says",
        lambda approval, approver: resigned(
            approver, approval, approved_at="2998-12-30T00:00:00.000Z", expires_at="2999-01-01T00:00:00.000Z"
        ),
    ),
    "of another place": (
        "its API address is",
        lambda approval, approver: resigned(approver, approval, where="https://api.mypurecloud.de"),
    ),
    "of another target": ("its target is", lambda approval, approver: resigned(approver, approval, target="U")),
}


def test_what_is_known_before_is_refused_without_a_call(
    engineer: Desk, approver: Desk, plan: Path, file: Path, sandbox: Sandbox, listed: dict[str, str]
) -> None:
    """Forged, expired, too long, early or foreign, with a list and without: exit code 1, cause and fix, and not one
    request."""
    approval = approved(approver, plan)
    good = approval.read_text()
    sandbox.control("DELETE", "/requests")
    for number, (cause, spoil) in enumerate(REFUSED.values()):
        approval.write_text(good)
        setting = listed if number % 2 else {}
        words = ("apply", file, "--yes", "--json", "--approval", spoil(approval, approver))
        code, out, _ = engineer(*words, **setting)
        error = json.loads(out)
        assert (code, error["error"]) == (1, "ApprovalRefused")
        assert cause in error["cause"]
        assert error["fix"]
    approval.write_text(good)
    code, out, _ = engineer("undo", "--yes", "--json", "--approval", forged(approval, approver))
    assert (code, json.loads(out)["cause"]) == (1, "its signature does not fit: it was changed or forged")
    assert sandbox.requests() == []


def test_a_key_that_is_not_listed_or_applies_is_refused_without_a_call(
    engineer: Desk, approver: Desk, plan: Path, file: Path, sandbox: Sandbox, listed: dict[str, str], tmp_path: Path
) -> None:
    """Where a list requires a second key; its own key is refused though it is listed."""
    stranger = Signer.load(tmp_path / "keys" / "stranger.pem").public_key
    approval = approved(approver, plan)
    own = tmp_path / "own.json"
    assert approver("approve", plan, "--yes", "--key", engineer.key, "--out", own)[0] == 0
    sandbox.control("DELETE", "/requests")
    for given, setting, cause in (
        (approval, stranger, "is not one whose approval counts"),
        (own, f"{approver.public_key} {engineer.public_key}", "is the one that applies the plan"),
    ):
        code, out, _ = engineer("apply", file, "--yes", "--json", "--approval", given, OPSLIB_APPROVERS=setting)
        assert code == 1
        assert cause in json.loads(out)["cause"]
    assert sandbox.requests() == []


def test_another_plan_or_org_is_refused_before_a_write(
    engineer: Desk, approver: Desk, plan: Path, file: Path, sandbox: Sandbox
) -> None:
    """The checksum, the org's own answer, and what else was shown are compared once the plan is made again."""
    approval = approved(approver, plan)
    good = Approval.model_validate_json(approval.read_bytes()).statement
    for changes, cause in (
        ({"checksum": "0" * 64}, "its checksum is"),
        ({"org": Org(id=str(uuid4()), name="Other")}, "its org is Other"),
        ({"shown": "0" * 64}, "warnings or notes"),
    ):
        resigned(approver, approval, **{**good.model_dump(), "org": good.org, **changes})
        code, out, _ = engineer("apply", file, "--yes", "--json", "--approval", approval)
        assert code == 1
        assert cause in json.loads(out)["cause"]
    resigned(approver, approval, **{**good.model_dump(), "org": good.org})
    file.write_text(file.read_text().replace("retention_days: 365", "retention_days: 400"))
    assert engineer("apply", file, "--yes", "--approval", approval)[0] == 1
    assert written(sandbox) == []


@pytest.mark.parametrize(
    "words", [("apply",), ("apply", "--rotate-credentials"), ("onboard",), ("offboard",)], ids=" ".join
)
def test_ones_own_consent_does_not_suffice_where_a_second_key_is_required(
    words: tuple[str, ...], engineer: Desk, file: Path, api: Api, sandbox: Sandbox, listed: dict[str, str]
) -> None:
    """In no command that changes the org; the fix says how to get an approval, and nothing is written."""
    if words != ("apply",) and words != ("onboard",):
        assert engineer("apply", file, "--yes")[0] == 0
    sandbox.control("DELETE", "/requests")
    consent = ("--allow", "delete", "--reason", "r") if words == ("offboard",) else ()
    code, out, _ = engineer(*words, file, "--yes", "--json", *consent, **listed)
    assert (code, json.loads(out)["error"]) == (1, "ApprovalRefused")
    assert "opslib approve plan.json" in json.loads(out)["fix"]
    assert written(sandbox) == []


def test_a_removal_is_approved_like_any_other_plan(
    engineer: Desk, approver: Desk, file: Path, api: Api, sandbox: Sandbox, tmp_path: Path, listed: dict[str, str]
) -> None:
    """Its consent needs a reason; reason, key and end are those of the exception, and no other consent is needed."""
    assert engineer("apply", file, "--yes")[0] == 0
    plan = tmp_path / "plan.json"
    assert engineer("plan", file, "--removal", "--out", plan, **listed)[0] == 2
    code, _, err = approver("approve", plan, "--yes")
    assert (code, "needs a reason" in err) == (1, True)
    approval = approved(approver, plan, "--reason", "moved away", "--expires-days", "2")
    assert engineer("offboard", file, "--yes", "--approval", approval, **listed)[0] == 0
    facts = load(tmp_path / "home")
    (exception,) = [one for one in register(facts) if one.name == "delete"]
    assert exception.reason == "moved away"
    assert exception.by.startswith(f"key {key_words(Signer.load(approver.key).key_id)}, ")
    assert (exception.until - datetime.now(UTC).date()).days == 2
    assert controls(engineer, tmp_path)["separation_of_duties"] == "PASS"


def test_an_approval_is_for_one_apply(
    engineer: Desk, approver: Desk, plan: Path, file: Path, api: Api, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Without a list it is used, and the control is WARN; what was taken back since is not applied again with it."""
    approval = approved(approver, plan)
    assert engineer("apply", file, "--yes", "--approval", approval)[0] == 0
    assert controls(engineer, tmp_path)["separation_of_duties"] == "WARN"
    assert engineer("offboard", file, "--yes", "--allow", "delete", "--reason", "r")[0] == 0
    sandbox.control("DELETE", "/requests")
    code, _, err = engineer("apply", file, "--yes", "--approval", approval)
    assert (code, "it was used already" in err) == (1, True)
    assert written(sandbox) == []


def test_an_apply_that_was_approved_can_be_finished(
    engineer: Desk,
    approver: Desk,
    plan: Path,
    file: Path,
    sandbox: Sandbox,
    tmp_path: Path,
    listed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a stop, by the approval in the ledger; not where by then other keys are required."""
    approval = approved(approver, plan)
    with monkeypatch.context() as patch:
        patch.setattr(Applier, "_tell", lambda self, done, total, words: self.stop() if done else None)
        assert engineer("apply", file, "--yes", "--approval", approval, **listed)[0] == 3
    sandbox.control("DELETE", "/requests")
    code, _, err = engineer("resume", OPSLIB_APPROVERS=engineer.public_key)
    assert (code, "opslib rollback" in err, written(sandbox)) == (3, True, [])
    assert engineer("resume", **listed)[0] == 0
    assert written(sandbox) == [f"PUT {WEBHOOKS}/w-1"]
    assert controls(engineer, tmp_path)["separation_of_duties"] == "PASS"
