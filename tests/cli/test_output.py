"""What a terminal gets, and what a pipe gets: colour, progress and line breaks are for people who look on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from opslib.cli.app import cli

from .. import terminal
from ..children import started
from ..forks import opslib
from ..terminal import STYLE
from ..world import TARGETS, Sandbox, target

ESCAPE = "\x1b"


def test_colour_is_for_a_terminal(env: dict[str, str], file: Path) -> None:
    """None with NO_COLOR or on a terminal that has none, and none in a pipe; the words are the same."""
    coloured = terminal.opslib(env, "plan", file)
    assert STYLE.search(coloured.raw)
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        said = terminal.opslib(env | plain, "plan", file)
        assert (STYLE.search(said.raw), said.text) == (None, coloured.text)
    assert STYLE.search(terminal.opslib(env | {"NO_COLOR": ""}, "plan", file).raw)
    piped = opslib(env, "plan", file)
    assert ESCAPE not in piped.stdout + piped.stderr
    assert piped.stdout.split() == coloured.text.split()


def test_progress_is_for_a_terminal(env: dict[str, str], sandbox: Sandbox) -> None:
    """It is written over, and is gone in the end; a pipe gets the answer only."""
    command = ["check-bucket", sandbox["bucket"], "--retention-days", "365"]
    assert re.search(r"\d+ of \d+ checks", terminal.opslib(env, *command).raw)
    piped = opslib(env, *command)
    assert (piped.stderr, re.search(r"\d+ of \d+ checks", piped.stdout)) == ("", None)


@pytest.mark.slow
def test_a_walk_says_which_step_runs(env: dict[str, str], file: Path) -> None:
    """On a terminal; what stays there in the end is what a pipe gets."""
    said = terminal.opslib(env, "onboard", file, "--yes")
    for title in ("Connect …", "Plan …", "Apply: "):
        assert f"\r{ESCAPE}[K{title}" in said.raw
    assert not re.search(r"\r\x1b\[K[^\r\x1b]+$", said.raw)
    again = opslib(env, "onboard", file, "--yes")
    assert (again.returncode, again.stderr, "…" in again.stdout) == (0, "", False)


@pytest.mark.parametrize("columns", [72, 80])
def test_no_word_breaks_at_the_edge(env: dict[str, str], sandbox: Sandbox, tmp_path: Path, columns: int) -> None:
    """Nor does a field's path, but between its parts: no line is wider than the terminal, on either API."""
    env = env | {"OPSLIB_BACKEND": "platform"}
    file = tmp_path / "p.yaml"
    assert opslib(env, "init", file).returncode == 0
    piped = opslib(env, "plan", file, "--paths").stdout
    paths = re.findall(r"^ {8}(\S+)$", piped, re.MULTILINE)
    assert max(map(len, paths)) > 70
    seen = terminal.opslib(env, "plan", file, "--paths", columns=columns).text
    lines = [line for line in seen.splitlines() if not line.startswith("Next: ")]  # to be copied as one line
    assert [line for line in lines if len(line) >= columns] == []
    words = set(seen.split())
    for path in paths:
        if path not in words:
            parts = re.findall(r"[^.]+\.?", path)
            pieces = {"".join(parts[a:b]) for a in range(len(parts)) for b in range(a + 1, len(parts) + 1)}
            assert "".join(word for word in seen.split() if word in pieces).count(path), path
    asked = terminal.opslib(env, "apply", file, answers=["n"], columns=columns).text
    assert "[y/N]" in asked
    assert [line for line in asked.splitlines() if len(line) >= columns] == []


@pytest.mark.parametrize("name", cli.commands)
def test_help_breaks_no_name_at_its_hyphens(name: str) -> None:
    """They are copied; and no line is wider than 80 columns."""
    context = cli.commands[name].make_context(name, [], resilient_parsing=True, terminal_width=80)
    lines = context.get_help().splitlines()
    assert [line for line in lines if line.endswith("-") or "\N{NON-BREAKING HYPHEN}" in line or len(line) > 80] == []


def test_a_plan_is_in_people_s_words(env: dict[str, str], file: Path) -> None:
    """Days with their unit, and no name of the API's; `--paths` adds that. What comes next is a line to copy."""
    said = opslib(env, "plan", file).stdout
    assert "    delete after 365 days\n" in said
    assert "retentionPeriodDays" not in said
    assert said.endswith(f"\nNext: opslib apply {file}\n")
    assert "    delete after 365 days\n        retentionPeriodDays\n" in opslib(env, "plan", file, "--paths").stdout
    assert opslib(env, "apply", file, "--yes").returncode == 0
    assert "Next:" not in opslib(env, "plan", file).stdout
    file.write_text(file.read_text().replace("retention_days: 365", "retention_days: 364"))
    said = opslib(env, "plan", file).stdout
    assert "    delete after 365 days → 364 days\n" in said
    assert said.endswith(f'\nNext: opslib apply {file} --allow shorter-retention --reason "…"\n')


def test_a_server_s_name_acts_on_no_terminal(env: dict[str, str], file: Path, sandbox: Sandbox) -> None:
    """In the plan, and in the question: the org's own name stands there."""
    assert sandbox.api()("PUT", f"{TARGETS}/t-1", target(name="T\x1b[2J")).is_success
    subject = {"organization": {"id": "o", "name": "\x1b[2J\r"}, "OAuthClient": {"id": "c", "name": "n"}}
    sandbox.control("POST", "/faults", {"path_regex": "/tokens/me$", "status": 200, "body": subject})
    env = env | {"OPSLIB_ORG_ID": ""}
    file.write_text(
        file.read_text().replace("region: us-east-1, ", "region: us-east-1, path_prefix: recordings/voice, ")
    )
    consent = ("--allow", "bucket-change", "--allow", "credential-change", "--reason", "a test")
    said = terminal.opslib(env, "apply", file, *consent, answers=["n"])
    assert f"{ESCAPE}[2J" not in said.raw
    assert said.text.count("U+001B[2J") >= 2


def test_an_output_that_cannot_be_written_is_no_defect(env: dict[str, str], file: Path) -> None:
    """A closed stdout is nobody to talk to; of a full disk stderr says so, also with --json."""
    command = [sys.executable, "-m", "opslib.cli"]
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *command, "where"]
    with started(closed, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    with (
        Path("/dev/full").open("w") as full,
        started([*command, "plan", str(file), "--json"], env=env, stdout=full, stderr=subprocess.PIPE, text=True) as it,
    ):
        said = it.communicate()[1]
    assert (it.returncode, "No space left" in said, "Traceback" in said) == (1, True, False)
