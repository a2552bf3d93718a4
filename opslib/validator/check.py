"""What a check is: a function with its facts on `@Check`, and the registry of all checks.

Profiles, the audit's controls, the generated bucket and docs/checks.md are derived from these facts, so a new check is
one function in `checks/`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, get_args

from opslib.validator.finding import Outcome, Severity
from opslib.validator.inspection import Inspection
from opslib.validator.profile import BUILT_IN, BuiltIn, Level, Profile, Row
from opslib.validator.wanted import Wanted, WrittenWith

Control = Literal["storage", "encryption", "access", "transport", "retention", "minimum", "worm", "operation"]
CONTROLS: tuple[Control, ...] = get_args(Control)
"""The controls of the audit that rest on checks; "operation" is what a profile asks for besides."""

Run = Callable[[Inspection], Awaitable[Outcome]]
Generate = Callable[[Wanted, Profile], str]


CHECKS: dict[str, "Check"] = {}
"""All checks by id, in the order in which they are shown; complete once `opslib.validator.checks` is imported."""


@dataclass
class Check:
    """A check and its facts; as a decorator, it makes a function the check.

    Attributes:
        control: the control of the audit that it belongs to.
        profiles: the built-in profiles it belongs to, with its level and source in each.
        calls: the AWS calls it may make, by name.
        elsewhere: those of them that it may make about other buckets, which the bucket's settings name.
        fix, cli, terraform: how to mend what failed. BUCKET, ARN, REGION, DAYS, ACCOUNT, KEY and ROLE are placeholders,
            and stay where there is no value. Without `terraform`, what is wrong is not in AWS.
        source: where the rule comes from.
        proves, not_proven: what PASS shows, and what it leaves open; a sentence each, for docs/checks.md.
        required: whether the control has no verdict without an answer to this check.
        generated: its part of the generated bucket: `terraform`, nothing, or what a function makes of what is wanted.
        written_with: what Genesys must write with for the check to apply; None for a check that always does.
        run: the function.

    Raises ValueError for a control that does not exist, or an id in use.
    """

    id: str
    title: str
    severity: Severity
    _: KW_ONLY
    control: Control
    profiles: Mapping[BuiltIn, Row]
    why: str
    calls: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()
    fix: str
    cli: str
    source: str
    proves: str
    not_proven: str
    terraform: str = ""
    required: bool = False
    generated: bool | Generate = True
    written_with: WrittenWith | None = None
    run: Run = field(init=False)

    def __call__(self, run: Run) -> Run:
        """Register the check that this function runs."""
        if self.control not in CONTROLS:
            raise ValueError(f"check {self.id}: there is no control {self.control}; there are {', '.join(CONTROLS)}")
        if self.id in CHECKS:
            raise ValueError(f"there are two checks {self.id}")
        self.run = run
        CHECKS[self.id] = self
        return run

    def generate(self, wanted: Wanted, profile: Profile) -> str:
        """Its part of the generated bucket; empty where it has none."""
        if isinstance(self.generated, bool):
            return self.terraform if self.generated else ""
        return self.generated(wanted, profile)


def asked_by(source: str, *, baseline: Level | None = None, regulated: Level) -> dict[BuiltIn, Row]:
    """The rows of a check in the built-in profiles, from one source: in the baseline and in those of a regulator."""
    levels = {name: baseline if name == "baseline" else regulated for name in BUILT_IN}
    return {name: Row(level=level, source=source) for name, level in levels.items() if level}


def calls_of(profile: Profile, wanted: Wanted) -> frozenset[str]:
    """The AWS calls that the profile's checks may make, by name."""
    return frozenset(call for check in _applying(profile, wanted) for call in check.calls)


def calls_elsewhere(profile: Profile, wanted: Wanted) -> frozenset[str]:
    """Those of the calls that are about buckets for logs or copies, whose names are not known beforehand."""
    return frozenset(call for check in _applying(profile, wanted) for call in check.elsewhere)


def _applying(profile: Profile, wanted: Wanted) -> list[Check]:
    checks = (CHECKS[id] for id in profile.checks)
    return [check for check in checks if check.written_with in (None, wanted.written_with)]
