"""What the audit once said and was not so: each again through the command line, on the sandbox."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from opslib.audit.facts import load
from opslib.ledger.database import FILE_NAME

from ..forks import opslib
from ..world import POLICIES, Api, Sandbox, environment, policy, without_settings, write_onboarding


class Desk:
    """An engineer's workspace and onboarding file, and the command line."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.home, self.out = folder / "home", folder / "out"
        self.file = write_onboarding(folder / "target.yaml", sandbox)
        self.env = without_settings() | environment(sandbox, self.home)

    def __call__(self, *words: str | Path, code: int = 0) -> str:
        ended = opslib(self.env, *map(str, words))
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def audit(self) -> dict[str, str]:
        """The word of each control, and of the whole."""
        self("audit", "--out", self.out)
        self.report: dict[str, Any] = json.loads((self.out / "report.json").read_text())
        return {one["id"]: one["word"] for one in self.report["controls"]}

    def why(self, control: str) -> str:
        return next(one["why"] for one in self.report["controls"] if one["id"] == control)

    def page(self) -> str:
        """Every file for people and programs."""
        return "".join((self.out / name).read_text() for name in ("audit.html", "report.json", "findings.csv"))


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path) -> Desk:
    return Desk(sandbox, tmp_path)


@pytest.fixture
def deleting(sandbox: Sandbox) -> Iterator[Callable[[], object]]:
    place = {"Bucket": sandbox["bucket"]}
    rule = {"ID": "save-money", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    yield lambda: sandbox.s3().put_bucket_lifecycle_configuration(**place, LifecycleConfiguration={"Rules": [rule]})
    sandbox.s3().delete_bucket_lifecycle(**place)


def test_what_opslib_changes_saw_counts(desk: Desk, api: Api) -> None:
    """The policy is off and keeps one day: no PASS for the routing, and not ACTIVE, without a recheck."""
    desk("onboard", desk.file, "--yes")
    off = policy(name="P", storageTargetId="t-1", enabled=False, retentionPeriodDays=1)
    assert api("PUT", f"{POLICIES}/p-1", off).is_success
    desk("changes")
    words = desk.audit()
    assert (words["since_then"], words["routing"], desk.report["routing_state"]) == ("FAIL", "FAIL", "UNKNOWN")
    assert "enabled: yes → no" in desk.why("since_then")


def test_a_bucket_that_a_later_walk_found_unfit_counts(desk: Desk, deleting: Callable[[], object]) -> None:
    """For the walk before it, too, which passed."""
    desk("onboard", desk.file, "--yes")
    run_id = load(desk.home).run_id
    deleting()
    desk("apply", desk.file, "--yes", code=1)
    desk("audit", "--run", run_id, "--out", desk.out)
    words = {one["id"]: one["word"] for one in json.loads((desk.out / "report.json").read_text())["controls"]}
    assert (words["retention"], words["transport"]) == ("FAIL", "PASS")


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_is_wrong_is_a_doubt(desk: Desk, sandbox: Sandbox, days: int) -> None:
    """The org's answers are dated otherwise: what depends on the time is UNKNOWN, and says why."""
    date = format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True)
    sandbox.control("POST", "/faults", {"path_regex": "^/api/", "headers": {"Date": date}})
    desk("onboard", desk.file, "--yes")
    words = desk.audit()
    assert {words[name] for name in ("clock", "retention", "age")} == {"UNKNOWN"}
    assert " days apart" in desk.why("clock")
    assert desk.report["compliance_status"] != "PASS"


def test_no_sentence_denies_a_write_that_was_sent(desk: Desk) -> None:
    """With nothing to apply, the policy is still written once, to see its event; samples.csv has it."""
    desk("onboard", desk.file, "--yes")
    desk("onboard", desk.file, "--yes")
    desk.audit()
    assert ",PUT," in (desk.out / "samples.csv").read_text()
    for untrue in ("no write was sent", "before anything was written", "nothing was written"):
        assert untrue not in desk.page().lower()


def test_a_refused_plan_is_no_failed_approval(desk: Desk) -> None:
    """It was refused, as it should be; nothing was applied that an approval could be missing for."""
    desk("onboard", desk.file, "--yes")
    desk.file.write_text(desk.file.read_text().replace("365", "30"))
    desk("apply", desk.file, "--yes", code=1)
    words = desk.audit()
    assert (words["approval"], words["routing"], "FAIL" in words.values()) == ("not checked", "UNKNOWN", False)


def test_a_changed_entry_takes_the_word_of_all_that_rests_on_it(desk: Desk) -> None:
    """The answer about the bucket was edited: of the bucket nothing is known, and of what came before it, all."""
    desk("apply", desk.file, "--yes")
    with closing(sqlite3.connect(desk.home / FILE_NAME)) as db, db:
        db.execute("UPDATE entries SET body = replace(body, '404', '200') WHERE kind = 'bucket.looked'")
    words = desk.audit()
    rest = ("storage", "encryption", "access", "transport", "retention", "worm", "operation", "routing")
    assert {words[name] for name in rest} == {"UNKNOWN"}
    assert (words["record"], words["connection"]) == ("FAIL", "PASS")
    assert (desk.report["compliance_status"], desk.report["routing_state"]) != ("PASS", "ACTIVE")
