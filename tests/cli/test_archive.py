"""`opslib archive verify` as a process: what it prints, notes and writes, on the sandbox's recordings."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.archive.reasons import WORDS

from ..audit.ledgers import rows
from ..forks import opslib
from ..world import Sandbox, environment, running, without_settings, write_onboarding

Verify = Callable[..., "subprocess.CompletedProcess[str]"]
WITHIN = ("--prefix", "recordings/voice", "--now", "2026-02-15T00:00:00Z")


@pytest.fixture(scope="module", params=[False, True], ids=["faultless", "planted"])
def world(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, bool]]:
    with running("--seed", "5", "--recordings", "60", *(["--planted"] if request.param else [])) as sandbox:
        yield sandbox, request.param


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, world: tuple[Sandbox, bool]) -> Path:
    return tmp_path_factory.mktemp("archive")


@pytest.fixture(scope="module")
def env(world: tuple[Sandbox, bool], home: Path) -> dict[str, str]:
    """Routing is on, so the recordings are there."""
    env = without_settings() | environment(world[0], home / "workspace")
    assert opslib(env, "onboard", write_onboarding(home / "target.yaml", world[0]), "--yes").returncode == 0
    return env


@pytest.fixture(scope="module")
def verify(world: tuple[Sandbox, bool], env: dict[str, str]) -> Verify:
    sandbox, _ = world
    return lambda *more: opslib(
        env, "archive", "verify", "--expected", sandbox["expected_file"], "--bucket", sandbox["bucket"], *more
    )


@pytest.mark.slow
def test_the_answer_is_a_table_a_document_lists_and_an_entry(
    world: tuple[Sandbox, bool], verify: Verify, home: Path, env: dict[str, str]
) -> None:
    """The same figures in all of them, and in the audit that is made next."""
    _, planted = world
    word, code = ("FAIL", 1) if planted else ("PASS", 0)
    done = verify("--json", "--out", home / "lists", *WITHIN)
    assert (done.returncode, done.stderr) == (code, "")
    answer = json.loads(done.stdout)
    assert answer["verdict"] == word
    counts = answer["counts"]
    assert counts["expected"] == 60 == counts["arrived"] + counts["missing"] + counts["not_due"]
    missing = (home / "lists" / "missing.csv").read_text().splitlines()
    assert len(missing) - 1 == counts["missing"] == len(answer["missing"])

    shown = verify(*WITHIN)
    assert shown.returncode == code
    assert f"{counts['arrived']} of {counts['arrived'] + counts['missing']} recordings that were due" in shown.stdout

    noted = [json.loads(body) for (body,) in rows(home / "workspace", _ENTRIES)]
    assert [entry["answer"]["counts"] for entry in noted] == [counts, counts]
    assert opslib(env, "audit", "--out", home / "out").returncode == 0
    report = json.loads((home / "out" / "report.json").read_text())
    (control,) = [one for one in report["controls"] if one["id"] == "recordings"]
    assert (control["word"], control["why"].split(",")[0]) == (word, _summary(counts))


@pytest.mark.slow
def test_why_explains_what_was_verified_last(
    world: tuple[Sandbox, bool], verify: Verify, home: Path, env: dict[str, str]
) -> None:
    """Each with its reason, as a table and a document; exit code 0 where nothing is missing."""
    sandbox, planted = world
    verified = json.loads(verify("--json", *WITHIN).stdout)
    told = opslib(env, "archive", "why", "--json")
    answer = json.loads(told.stdout)
    assert (told.returncode, told.stderr) == (int(planted), "")
    assert answer["verification"]["missing"] == len(answer["missing"]) == verified["counts"]["missing"]
    shown = opslib(env, "archive", "why", "--within-days", "7")
    assert shown.returncode == int(planted)
    if not planted:
        assert (answer["reasons"], answer["requests"]) == ({}, 0)
        assert "nothing is missing" in shown.stdout
        return
    truth = json.loads(Path(sandbox["truth_file"]).read_text())
    assert answer["reasons"] == verified["why"]["reasons"] == {
        name: len(truth[name]) for name in WORDS if truth.get(name)
    }  # fmt: skip
    assert all(one["recording_id"] in shown.stdout for one in answer["missing"])
    assert "at risk: 1 that Genesys deletes within 7 days" in shown.stdout


_ENTRIES = "SELECT body FROM entries WHERE kind = 'archive.verified' ORDER BY seq"


def _summary(counts: dict[str, Any]) -> str:
    return f"{counts['arrived']} of {counts['arrived'] + counts['missing']} recordings that were due arrived"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--since", "2026-01-31"], "has no offset"),
        (["--until", "yesterday"], "is not a time"),
        (["--within-hours", "0"], "within-hours"),
        (["--bucket", "no-such-bucket-anywhere-1"], "bucket"),
        (["--expected", "/dev/null"], "not a regular file"),
        (["--expected", "analytics"], "--since"),
    ],
)
def test_what_cannot_be_asked_is_an_error_with_a_fix(verify: Verify, options: list[str], words: str) -> None:
    done = verify(*WITHIN, *options)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
