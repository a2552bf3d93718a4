"""What a check found, and the shape that every check has."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from opslib.validator.aws import Evidence
from opslib.validator.inspection import Inspection

Word = Literal["PASS", "FAIL", "WARN", "UNKNOWN", "not_checked"]
Severity = Literal["critical", "high", "medium", "low"]


@dataclass(frozen=True)
class Outcome:
    """A check's answer: the word, and one sentence that says why. `fix` stands in place of the check's own."""

    word: Word
    why: str
    fix: str = ""


ASK_AGAIN = "Ask again; until then nothing is known."

Run = Callable[[Inspection], Awaitable[Outcome]]


@dataclass(frozen=True)
class Check:
    """One unit. `calls` are the AWS calls it may make, by name; `source` is where the rule comes from.

    `fix`, `cli` and `terraform` say how to mend what failed. In them BUCKET, ARN, REGION, DAYS, ACCOUNT, KEY and ROLE
    stand for the values at hand, and stay where there is none.
    """

    id: str
    title: str
    severity: Severity
    why: str
    calls: tuple[str, ...]
    fix: str
    cli: str
    terraform: str
    source: str
    run: Run


@dataclass(frozen=True)
class Finding:
    """One check's answer for one bucket, with the calls it rests on.

    `actions` are the IAM actions that the check needs, `action` is the one that was refused. `source` is the
    profile's, `rule` the check's own.
    """

    check: str
    title: str
    severity: Severity
    verdict: Word
    cause: str
    risk: str
    fix: str
    cli: str
    terraform: str
    source: str
    rule: str
    actions: tuple[str, ...]
    action: str = ""
    evidence: list[Evidence] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The fields by name; plain JSON values."""
        return asdict(self) | {"actions": list(self.actions)}


CHECKS: dict[str, Check] = {}


def check(
    id: str,
    title: str,
    severity: Severity,
    *,
    why: str,
    calls: tuple[str, ...],
    fix: str,
    cli: str,
    source: str,
    terraform: str = "",
) -> Callable[[Run], Run]:
    """Make a function a check, known by its id. Without `terraform`, what is wrong is not in AWS."""

    def add(run: Run) -> Run:
        CHECKS[id] = Check(id, title, severity, why, calls, fix, cli, terraform, source, run)
        return run

    return add


def passed(why: str) -> Outcome:
    """Shown by an answer."""
    return Outcome("PASS", why)


def failed(why: str) -> Outcome:
    """Shown to be wrong. Whether that fails the bucket or warns is the profile's to say."""
    return Outcome("FAIL", why)


def warned(why: str) -> Outcome:
    """Not wrong in any profile, and worth a look."""
    return Outcome("WARN", why)


def unknown(why: str, fix: str = "") -> Outcome:
    """Asked, and not to be known from the answer; or not answered."""
    return Outcome("UNKNOWN", why, fix)


def not_checked(why: str) -> Outcome:
    """Does not apply, or nothing to check it with was given."""
    return Outcome("not_checked", why)
