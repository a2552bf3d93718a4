"""What a check answers, and the finding that a report makes of it."""

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, get_args

from opslib.validator.aws import Evidence
from opslib.verdict import Verdict

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The gravest first."""

NOT_ASKED = "not asked"
"""How the cause begins of a check that was not asked because one cause stopped all of them."""

ASK_AGAIN = "Ask again; until then nothing is known."


@dataclass(frozen=True)
class Outcome:
    """A check's answer: the verdict, and one sentence that says why. `fix`, where given, replaces the check's own,
    and leaves out its command and Terraform."""

    verdict: Verdict
    why: str
    fix: str = ""


@dataclass(frozen=True)
class Finding:
    """One check's answer for one bucket, with the calls it rests on.

    `actions` are the IAM actions that the check needs, `action` is the one that was refused. `source` is the
    profile's, `rule` the check's own.
    """

    check: str
    title: str
    severity: Severity
    verdict: Verdict
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


passed = partial(Outcome, "PASS")
"""Shown by an answer."""

failed = partial(Outcome, "FAIL")
"""Shown to be wrong. The profile decides whether that fails the bucket or warns."""

warned = partial(Outcome, "WARN")
"""Not wrong in any profile, and worth a look."""

unknown = partial(Outcome, "UNKNOWN")
"""Asked, and the answer does not tell; or not answered."""

not_checked = partial(Outcome, "not_checked")
"""Does not apply, or lacks an input."""
