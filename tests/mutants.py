"""Breaks what keeps people safe, one small change at a time (a mutant), and says which changes no test notices.

    make mutants                                # about half an hour on two cores
    .venv/bin/python -m tests.mutants --report  # only what came of it

mutmut makes the mutants of the functions in `LINES` and runs the tests that pyproject.toml names. What came of it is in
docs/mutants.md: the table is written by this, and each mutant that survives needs an answer there, by hand.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "mutants.md"
_MUTMUT = [sys.executable, "-m", "mutmut"]
_TABLE = re.compile(r"(?<=<!-- score -->\n).*(?=<!-- /score -->)", re.DOTALL)
_ANSWER = re.compile(r"^\| `([\w.]+)` \| `(.*?)` \| (.+) \|$", re.MULTILINE)

# What each safety line is made of: module and functions. mutmut leaves decorated functions out, such as properties.
LINES: dict[str, tuple[str, ...]] = {
    "consent": (
        "onboarding.models Consent.covers check_retention",
        "walk.context WalkContext.needs_consent",
        "walk.steps _approve",
        "walk.consent agrees agrees_by_name agreed_to _last_day",
        "router.unsafe_changes unsafe_changes shrinks",
        "router.plan checksum_of",
    ),
    "redaction": ("redact *",),
    "URLs, hosts and .env": (
        "settings is_loopback checked_base_url check_aws_secret _in_environment Settings._check_env_file "
        "Settings._base",
        "auth GenesysAuthManager._addresses",
        "env_file open_to_others",
    ),
    "redirects and environment": ("genesys.transport ByHost.__init__ ByHost.handle_async_request _pool http_client",),
    "Retry-After": ("genesys.retry *", "genesys.server_time http_date answered_at"),
    "files and their modes": (
        "files *",
        "ledger.signing _read _create",
        "ledger.ledger Ledger.__init__ _create",
    ),
    "read-back": (
        "router.apply Applier._write Applier._read_back Applier._shows Applier._same Applier._stays",
        "router.differences same_revision is_older _revisions origin_of",
        "genesys.polling poll_until",
    ),
    "rollback": ("router.apply Applier._backwards Applier._undo Applier._give_up",),
    "chain and head": (
        "ledger.chain Checkpoint.text Checkpoint.digest Head.text Head.signed chain_hash is_continued _Walked.follow "
        "_check_unsigned _check_signed _check_anchors _text",
        "ledger.proof *",
        "ledger.signing verify_signature _bytes",
        "ledger.ledger Ledger._checked_head Ledger._refuse_other_key",
    ),
    "retention": (
        "genesys.retention Maximum.cap",
        "validator.lifecycle When.day too_early too_early_later removal_day",
    ),
    "policy evaluation": (
        "validator.policy covers decision may _denied_to _allowed_to",
        "validator.conditions _joined _decide _among",
        "validator.parties _tied _is_fixed _is_narrow",
    ),
}


class Survivor(NamedTuple):
    """A change that no test noticed, as docs/mutants.md names it."""

    function: str
    change: str


def functions() -> Iterator[tuple[str, str, str]]:
    """Safety line, module and function; `*` is every function of the module."""
    for line, parts in LINES.items():
        for part in parts:
            module, *names = part.split()
            yield from ((line, f"opslib.{module}", name) for name in names)


def answers() -> dict[Survivor, str]:
    """Why it is no harm that a mutant survives, as the page says."""
    return {Survivor(name, change): why for name, change, why in _ANSWER.findall(PAGE.read_text("utf-8"))}


def main() -> None:
    if "--report" not in sys.argv:
        _run()
    states = {name: state for name, state in _results() if _line_of(name)}
    survivors = {name: _survivor(name) for name, state in states.items() if state not in ("killed", "timeout")}
    known = answers()
    answered = {name for name, one in survivors.items() if one in known}
    _write(*(Counter(map(_line_of, names)) for names in (states, survivors, answered)))
    for one in survivors.values():
        if one not in known:
            print(f"survived, and has no answer: | `{one.function}` | `{one.change}` | |")
    for one in known.keys() - set(survivors.values()):
        print(f"is answered, and does not survive: {one.function}: {one.change}")
    sys.exit(len(answered) < len(survivors))


def _run() -> None:
    """In processes that import the mutated copy."""
    patterns = [f"{module}.{_mangled(name)}__mutmut_*" for _, module, name in functions()]
    copy = ROOT / "mutants"
    copy.mkdir(exist_ok=True)  # Python forgets a folder on its path that was not there when it began
    environment = os.environ | {"PYTHONPATH": str(copy)}
    subprocess.run([*_MUTMUT, "run", "--max-children", "2", *patterns], cwd=ROOT, env=environment, check=True)


def _mangled(function: str) -> str:
    """As mutmut names it: x_function, xǁClassǁmethod."""
    if function == "*":
        return "x*"
    owner, _, name = function.rpartition(".")
    return f"xǁ{owner}ǁ{name}" if owner else f"x_{name}"


def _plain(mutant: str) -> str:
    """The function's name in Python."""
    module, _, name = mutant.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{name.removeprefix('xǁ').replace('ǁ', '.') if 'ǁ' in name else name.removeprefix('x_')}"


def _line_of(mutant: str) -> str:
    """Its safety line; empty where it is in none."""
    function = _plain(mutant)
    return next((line for line, module, name in functions() if fnmatchcase(function, f"{module}.{name}")), "")


def _results() -> Iterator[tuple[str, str]]:
    said = subprocess.run([*_MUTMUT, "results", "--all", "true"], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in said.stdout.splitlines():
        name, _, state = line.strip().partition(": ")
        yield name, state


def _survivor(mutant: str) -> Survivor:
    shown = subprocess.run([*_MUTMUT, "show", mutant], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in shown.splitlines() if re.match(r"[-+](?![-+]{2})", line)]
    words = " ".join(f"{line[0]} {line[1:].strip()}" for line in lines)
    return Survivor(_plain(mutant), words.replace("|", "¦").replace("`", "'"))


def _write(made: "Counter[str]", survived: "Counter[str]", answered: "Counter[str]") -> None:
    counts = {line: (made[line], made[line] - survived[line], survived[line], answered[line]) for line in LINES}
    counts["all"] = (made.total(), made.total() - survived.total(), survived.total(), answered.total())
    table = "| safety line | mutants | killed | survived | of these answered |\n|---|--:|--:|--:|--:|\n"
    table += "".join(f"| {line} | {' | '.join(map(str, numbers))} |\n" for line, numbers in counts.items())
    PAGE.write_text(_TABLE.sub(lambda _: table, PAGE.read_text("utf-8")), "utf-8")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """As a plugin: no test that needs a sandbox, which would be started for each mutant."""
    needs = [item for item in items if "shared" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in needs]
    config.hook.pytest_deselected(items=needs)


if __name__ == "__main__":
    main()
