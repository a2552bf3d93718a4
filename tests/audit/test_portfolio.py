"""`opslib audit --all`: one page over every target of a ledger."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opslib.audit import exports
from opslib.audit.as_pdf import Paper
from opslib.audit.folder import write_audit
from opslib.audit.manifest import check_audit, write_manifest
from opslib.audit.portfolio import folder as portfolio_folder
from opslib.audit.portfolio import portfolio as portfolio_module
from opslib.audit.portfolio.folder import FILES, write_portfolio
from opslib.audit.portfolio.names import folder_name
from opslib.audit.report import AuditReport
from opslib.audit.runs import Target
from opslib.audit.verify import verify
from opslib.cli.app import cli
from opslib.errors import InvalidInput, LedgerError
from opslib.ledger import ledger as ledger_module
from opslib.ledger.chain import Verification
from opslib.ledger.moment import utc_text
from opslib.ledger.signing import Signer
from opslib.router.plan import Change, Plan
from opslib.settings import Settings
from opslib.walk.walk import Walk

from ..hostile import WIPE
from ..walk.test_steps import onboarding as onboarding_of
from ..world import Sandbox, environment, own_key
from .ledgers import WHERE, Story, bodies, rows, strict_report

# When AWS was asked, in every finding of the test's.
AWS_ASKED = "2026-11-24T08:00:00.000Z"
TODAY = datetime(2026, 11, 27, tzinfo=UTC)


class Clock:
    """What the ledger takes for the time: a millisecond passes with each entry."""

    def __init__(self) -> None:
        self.now = TODAY

    def __call__(self) -> str:
        self.now += timedelta(milliseconds=1)
        return utc_text(self.now)

    def days_ago(self, days: int) -> None:
        self.now = TODAY - timedelta(days=days)


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(ledger_module, "utc_now", clock)
        yield clock


class Targets(Story):
    """Walks to several targets."""

    def of(self, name: str, id: str = "", org: str = "o-1", bucket: str = "", days: int = 1827, **more: Any) -> str:
        """One walk; `unsafe` and a reason as in Story.approve, and verdicts of checks. Returns the run's id."""
        id, bucket = id or name.lower(), bucket or f"b-{name.lower()}"
        unsafe, reason, verdicts = more.pop("unsafe", ()), more.pop("reason", ""), more
        parts = {
            "target": {"id": id, "name": name, "bucket": bucket, "retention_days": days},
            "policy": {"id": f"p-{id}", "name": "P", "retention_days": days},
            "webhook": {"id": f"w-{id}", "name": "W"},
        }
        self.again().given = {**self.given, "onboarding": {**parts, "profile": "mifid-ii"}}
        doctor = {"clock_skew_s": 0, "client": {"id": "c-1"}, "organization": {"name": f"Org {org}"}}
        self.step("connect", data={"api_url": WHERE, "org_id": org, "doctor": doctor})
        report = strict_report(at=self.now(), **verdicts) | {"bucket": bucket, "retention_days": days}
        self.look(report)
        body = {**bodies(days)["target"], "name": name, "configuration": {"bucket": bucket, "region": "us-east-1"}}
        made = Change(action="create", kind="target", id=id, name=name, before=None, after=body, unsafe=tuple(unsafe))
        plan = Plan(where=WHERE, changes=(made,))
        self.plan(plan)
        self.approve(plan, unsafe, org=org, reason=reason)
        self.apply(plan, report=report)
        return self.run.id


def written(home: Path, out: Path, **range_: Any) -> dict[str, Any]:
    """portfolio.json of a portfolio that was just written."""
    write_portfolio(out, home=home, signing_key=own_key(), **{"as_of": TODAY, **range_})
    found: dict[str, Any] = json.loads((out / "portfolio.json").read_text())
    return found


def names(document: dict[str, Any]) -> list[str]:
    return [row["target"]["name"] for row in document["targets"]]


@pytest.fixture(scope="module")
def home(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five targets, not in order: old and fresh evidence, a FAIL, an exception that has expired, one renamed, and one
    that has the same name and id in another org."""
    clock.days_ago(120)
    targets = Targets(tmp_path_factory.mktemp("portfolio") / "home")
    targets.of("Expired", unsafe=["shorter-retention"], reason="it is old", versioning="WARN")
    clock.days_ago(40)
    targets.of("Stale")
    targets.of("Before", id="renamed", bucket="first")
    clock.days_ago(9)
    targets.of("Twin")
    clock.days_ago(8)
    targets.of("Twin", org="o-2", bucket="b-other", tls_only="FAIL")
    clock.days_ago(2)
    targets.of("After", id="renamed", bucket="second", days=1900)
    targets.again("archive").archive(verdict="WARN", bucket="second", missing=4, arrived=96)
    clock.days_ago(1)
    targets.of("Expired", versioning="WARN")
    return targets.home


@pytest.fixture(scope="module")
def out(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portfolio-out") / "out"
    written(home, folder)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each target's files, only report.json and the manifest are written."""

    def write(new: Path, report: AuditReport, signer: Signer, _: Paper) -> None:
        (new / "report.json").write_text(exports.report_json(report.facts, report.before))
        write_manifest(new, report.facts.run_id, report.facts.extent()[1], report.facts.ledger, signer)

    monkeypatch.setattr(portfolio_folder, "write_files", write)


@pytest.fixture
def document(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "portfolio.json").read_text())
    return found


def row_of(document: dict[str, Any], name: str, org: str = "o-1") -> dict[str, Any]:
    (row,) = [one for one in document["targets"] if one["target"]["name"] == name and one["target"]["org"] == org]
    return dict(row)


def test_the_worst_comes_first_and_then_the_oldest_evidence(document: dict[str, Any]) -> None:
    """The bucket that fails; what is stale cannot be decided; an archive with gaps, an expired exception, the rest."""
    rows = [(row["verdict"], row["target"]["name"], row["age_days"]) for row in document["targets"]]
    assert rows == [
        ("FAIL", "Twin", 7),
        ("UNKNOWN", "Stale", 39),
        ("WARN", "After", 1),
        ("WARN", "Expired", 0),
        ("PASS", "Twin", 8),
    ]
    assert document["verdict_counts"] == {"FAIL": 1, "UNKNOWN": 1, "WARN": 2, "PASS": 1, "not checked": 0}
    assert document["evidence"] == {"limit_days": 30, "with_evidence": 5, "stale": 1}
    assert row_of(document, "Stale")["is_stale"]


def test_exceptions_and_recordings_are_those_of_their_target(document: dict[str, Any]) -> None:
    """The exception of an earlier walk, expired since; the archive of the bucket that the target has now."""
    (expired,) = row_of(document, "Expired")["exceptions"]
    assert (expired["name"], expired["state"], expired["days_left"]) == ("shorter-retention", "expired", -30)
    assert document["exceptions"] == {"count": 1, "expired": 1, "ending_soon": 0}
    assert row_of(document, "After")["recordings"]["arrived"] == 96
    assert document["recordings"] == {"targets_measured": 1, "arrived": 96, "due": 100}
    assert [row["recordings"] for row in document["targets"] if row["target"]["name"] != "After"] == [None] * 4


def test_a_target_keeps_its_past_under_a_new_name_and_in_a_new_bucket(out: Path, document: dict[str, Any]) -> None:
    """One row, with both walks; its report compares them in values."""
    row = row_of(document, "After")
    assert [walk["at"][:10] for walk in row["walks"]] == ["2026-10-18", "2026-11-25"]
    assert "Before" not in names(document)
    page = (out / row["folder"] / "audit.html").read_text()
    assert "Compared with the previous walk, run" in page
    for was, is_now in (("Before", "After"), ("first", "second"), ("1827", "1900")):
        assert re.search(rf">{was}</td><td[^>]*>{is_now}</td>", page)


def test_two_targets_are_never_mixed(out: Path, document: dict[str, Any]) -> None:
    """Name, id and the API's address are the same; org and bucket are not: neither's walk counts for the other."""
    mine, other = row_of(document, "Twin"), row_of(document, "Twin", "o-2")
    assert mine["folder"] != other["folder"]
    assert [len(row["walks"]) for row in (mine, other)] == [1, 1]
    for row in (mine, other):
        report = json.loads((out / row["folder"] / "report.json").read_text())
        assert report["title"] == f"Call recordings of Org {row['target']['org']}, routed to S3"
        assert report["bucket"]["bucket"] == row["bucket"]
        assert report["compared_with"] is None


def test_the_page_has_the_facts_of_the_json(out: Path, document: dict[str, Any]) -> None:
    """Row by row, in the same order; the verdicts of the trend in words, and a link to each folder that is there."""
    page = (out / "portfolio.html").read_text()
    rows = re.findall(r'<tr role="row".*?</tr>', page)[1:]
    assert len(rows) == len(document["targets"])
    for html, row in zip(rows, document["targets"], strict=True):
        text = re.sub(r"<wbr>", "", html)
        assert f'href="{row["folder"]}/audit.html"' in text
        assert (out / row["folder"] / "audit.html").exists()
        assert f"<strong>{row['verdict']}</strong>" in text
        words = [walk["verdict"] for walk in row["walks"]]
        assert f"oldest first: {', '.join(words)}" in text
        for said in (row["target"]["name"], row["org"]["name"], row["bucket"], row["rule"]["profile"], row["why"]):
            assert said in text
        age = "less than a day" if row["age_days"] == 0 else f"{row['age_days']} day"
        assert age in text
    assert "expired, 30 days" in page
    assert "4 missing" in page


def test_a_row_says_what_its_own_report_says(out: Path, document: dict[str, Any]) -> None:
    """Verdict, rule, age and exceptions are those of the folder behind the link."""
    for row in document["targets"]:
        report = json.loads((out / row["folder"] / "report.json").read_text())
        assert report["verdict"]["verdict"] == row["verdict"] == row["walks"][-1]["verdict"]
        assert (report["run"]["id"], report["evidence_age_days"]) == (row["run"], row["age_days"])
        assert report["rule"]["days"] == row["rule"]["days"]


@pytest.mark.usefixtures("quick")
def test_the_ledger_is_verified_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many targets there are, and portfolio.json says what was found."""
    asked = list[Path]()

    def counting(path: Path) -> Verification:
        asked.append(path)
        return verify(path)

    monkeypatch.setattr(portfolio_module, "verify", counting)
    found = written(home, tmp_path / "out")
    assert (len(asked), found["ledger"]["state"]) == (1, "intact")
    assert found["ledger"]["last_entry_used"] == found["ledger"]["entries"]


@pytest.mark.usefixtures("quick")
def test_a_range_has_its_beginning_and_not_its_end(home: Path, tmp_path: Path) -> None:
    """A walk that began at --since counts, one that began at --until does not, to the millisecond."""
    begun = datetime.fromisoformat(row_of(written(home, tmp_path / "all"), "Twin", "o-2")["at"])
    one = timedelta(milliseconds=1)
    assert names(written(home, tmp_path / "1", since=begun, until=begun + timedelta(days=1))) == ["Twin"]
    assert names(written(home, tmp_path / "2", since=begun + one)) == ["After", "Expired"]
    until = written(home, tmp_path / "3", until=begun)
    assert sorted(names(until)) == ["Before", "Expired", "Stale", "Twin"]
    ((first,),) = rows(home, "SELECT min(seq) FROM entries WHERE at = ?", utc_text(begun))
    assert until["ledger"]["last_entry_used"] == first - 1


@pytest.mark.usefixtures("quick")
def test_a_portfolio_of_the_past_does_not_know_what_came_later(home: Path, tmp_path: Path) -> None:
    """Nothing at or after --until is used, ages are as of then, and the exception had not expired."""
    until = TODAY - timedelta(days=38)
    found = written(home, tmp_path / "out", until=until)
    row = row_of(found, "Stale")
    assert (row["verdict"], row["age_days"], row["is_stale"]) == ("PASS", 1, False)
    assert row_of(found, "Before")["recordings"] is None
    (exception,) = row_of(found, "Expired")["exceptions"]
    assert exception["state"] == "in force"
    for file in (tmp_path / "out").rglob("report.json"):
        times = re.findall(r'"(20\d\d-\d\d-\d\dT[^"]*Z)"', file.read_text())
        assert max(set(times) - {AWS_ASKED}) < utc_text(until)


def test_a_range_without_a_walk_says_so(home: Path, tmp_path: Path) -> None:
    """Where the walks are is said, and nothing is written; nor is it where the range ends before it begins."""
    with pytest.raises(LedgerError, match="no walk since 2027-01-01") as caught:
        written(home, tmp_path / "out", since=datetime(2027, 1, 1, tzinfo=UTC))
    assert "2026-07-30" in caught.value.cause
    for until in (TODAY, TODAY - timedelta(days=1)):
        with pytest.raises(InvalidInput, match="no time in it"):
            written(home, tmp_path / "out", since=TODAY, until=until)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
def test_names_that_would_act_are_harmless(clock: Clock, tmp_path: Path) -> None:
    """As folders, as links, as HTML and as JSON; names that differ by capitals only have two folders."""
    hostile = ["../../etc", "/", "..", "CON", "<script>alert(1)</script>", WIPE, "x" * 300, "a:b\\c", "Same", "SAME"]
    targets = Targets(tmp_path / "home")
    for place, name in enumerate(hostile):
        targets.of(name, id=f"id-{place}-{name[:5]}", bucket="b")
    found = written(targets.home, tmp_path / "out")
    folders = [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert len({name.lower() for name in folders}) == len(hostile)
    assert all(re.fullmatch(r"[a-z0-9-]{18,60}", name) for name in folders)
    assert sorted(row["folder"] for row in found["targets"]) == sorted(folders)
    page = (tmp_path / "out" / "portfolio.html").read_text()
    assert "<script" not in page
    assert "\x1b" not in page
    assert check_audit(tmp_path / "out").intact


def test_a_folder_has_the_same_name_each_time_and_never_anothers() -> None:
    """It depends on what the target is, not on how often or beside what it is written."""
    one = Target("live", "o", "storage-targets", "t")
    kinds = [one, one._replace(environment="sandbox"), one._replace(backend="platform"), one._replace(org="p")]
    assert len({folder_name(target, "Voice") for target in kinds}) == len(kinds)
    assert folder_name(one, "Voice") == folder_name(one, "Voice") == "voice-" + folder_name(one, "VOICE")[-16:]


@pytest.mark.usefixtures("quick")
def test_a_target_that_cannot_be_audited_does_not_stop_the_others(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed with its error, as UNKNOWN, without a folder; the portfolio is whole without it."""
    write = portfolio_folder.write_files

    def but_one(new: Path, report: AuditReport, signer: Any, paper: Paper) -> None:
        if report.facts.wanted["target"]["name"] == "Stale":
            raise KeyError("title")
        write(new, report, signer, paper)

    monkeypatch.setattr(portfolio_folder, "write_files", but_one)
    found = written(home, tmp_path / "out")
    row = row_of(found, "Stale", "o-1")
    assert (row["verdict"], row["error"], row["folder"]) == ("UNKNOWN", "KeyError: 'title'.", "")
    assert len([path for path in (tmp_path / "out").iterdir() if path.is_dir()]) == 4
    assert "KeyError" in (tmp_path / "out" / "portfolio.html").read_text()
    assert check_audit(tmp_path / "out").intact


def _change(path: Path) -> None:
    path.write_text(path.read_text() + " ")


def _exchange(one: Path, other: Path) -> None:
    for name in [path.name for path in one.iterdir()]:
        shutil.copy(other / name, one / name)


def test_verify_finds_what_was_changed_in_any_folder(out: Path, tmp_path: Path) -> None:
    """In the portfolio's own files, in a target's, a folder that is gone, and one with another target's audit in it."""
    folders = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert check_audit(out, check_audit(out).key).state == "intact"
    wrong = {
        "portfolio.json was changed": lambda at: _change(at / "portfolio.json"),
        f"{folders[0]}: report.json was changed": lambda at: _change(at / folders[0] / "report.json"),
        f"{folders[1]} is missing": lambda at: shutil.rmtree(at / folders[1]),
        f"{folders[2]}/manifest.json was changed": lambda at: _exchange(at / folders[2], at / folders[0]),
        "note.txt is not part of": lambda at: (at / "note.txt").write_text("x"),
    }
    for number, (reason, act) in enumerate(wrong.items()):
        copy = tmp_path / str(number)
        shutil.copytree(out, copy)
        act(copy)
        found = check_audit(copy)
        assert (found.state, reason in found.reason) == ("broken", True), found.reason
    assert not check_audit(out, "ed25519:" + "0" * 64).intact


@pytest.mark.usefixtures("quick")
def test_an_earlier_portfolio_is_replaced_as_a_whole(home: Path, out: Path, tmp_path: Path) -> None:
    """A target that is not in the new one leaves no folder behind; what else is there is not touched."""
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    (copy / "notes").mkdir()
    written(home, copy, since=TODAY - timedelta(days=3))
    assert len([path for path in copy.iterdir() if path.is_dir()]) == 3
    assert check_audit(copy).intact
    assert any("notes" in point for point in check_audit(copy).not_proved)
    assert not list(copy.glob(".part-*"))


def test_a_failure_on_the_way_leaves_the_earlier_portfolio(
    home: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a full disk while the last target is written."""
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(portfolio_folder, "write_files", full)
    with pytest.raises(OSError, match="No space"):
        written(home, copy)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_nothing_else_is_replaced(home: Path, out: Path, tmp_path: Path) -> None:
    """Neither an audit, nor a folder of the name of a target; nor is an audit written over a portfolio."""
    (folder,) = [path for path in out.iterdir() if path.name.startswith("stale")]
    shutil.copytree(folder, tmp_path / "audit")
    (tmp_path / "other" / folder.name).mkdir(parents=True)
    for name in ("audit", "other"):
        before = sorted((tmp_path / name).rglob("*"))
        with pytest.raises(InvalidInput, match="cannot be written"):
            written(home, tmp_path / name)
        assert sorted((tmp_path / name).rglob("*")) == before
    with pytest.raises(InvalidInput, match="portfolio"):
        write_audit(out, home=home, signing_key=own_key())


@pytest.mark.usefixtures("quick")
def test_the_command_line_writes_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day is its midnight in UTC; exit code 0 whatever the verdict; what cannot be meant is refused."""
    monkeypatch.setenv("OPSLIB_HOME", str(home))
    out = tmp_path / "out"
    words = ["audit", "--all", "--since", "2026-11-19", "--until", "2026-11-25T08:00:00+02:00", "--out", str(out)]
    run = CliRunner().invoke(cli, [*words, "--json"])
    assert run.exit_code == 0, run.output
    answer = json.loads(run.stdout)
    assert answer["files"] == list(FILES)
    assert [row["name"] for row in answer["targets"]] == ["Twin", "After"]
    assert (json.loads((out / "portfolio.json").read_text())["until"]) == "2026-11-25T06:00:00.000Z"
    for wrong in (["--since", "2026-02-30"], ["--since", "1764000000000"], ["--until", "soon"], ["--run", "x"]):
        assert CliRunner().invoke(cli, ["audit", "--all", *wrong, "--out", str(out)]).exit_code != 0
    assert CliRunner().invoke(cli, ["audit", "--since", "2026-11-01", "--out", str(out)]).exit_code != 0


async def test_three_targets_of_a_sandbox(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As real walks write them: each is a target of its own, tagged as a sandbox's, and the folder is intact."""
    for name, value in environment(sandbox, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    for number in range(3):
        parts = {"target": {"id": f"t-{number}", "name": f"Target {number}"}, "policy": {"id": f"p-{number}"}}
        async with Walk(onboarding_of(sandbox, **parts)) as walk:
            for step in ("connect", "validate_bucket", "plan", "approve", "apply"):
                await walk.run(step)
    settings = Settings.load()
    found = write_portfolio(tmp_path / "out", home=settings.home, signing_key=settings.signing_key)
    assert sorted(row.name for row in found.rows) == ["Target 0", "Target 1", "Target 2"]
    assert not any(row.error for row in found.rows)
    assert found.sandboxes == 3
    assert (tmp_path / "out" / "portfolio.html").read_text().count(">SANDBOX<") == 3
    assert check_audit(tmp_path / "out").intact


@pytest.mark.usefixtures("quick")
def test_who_writes_meanwhile_disturbs_nothing(clock: Clock, tmp_path: Path) -> None:
    """A walk goes on while the portfolio is made, which tells what the ledger was when it began."""
    targets, entries = Targets(tmp_path / "home"), list[int]()
    targets.of("Voice")

    def write(*_: object) -> None:
        entries.append(targets.run.append("note", {}).seq)

    found = write_portfolio(tmp_path / "out", home=targets.home, signing_key=own_key(), as_of=TODAY, tell=write)
    assert [row.error for row in found.rows] == [""]
    assert found.source.ledger.entries == found.source.last_seq == entries[0] - 1
