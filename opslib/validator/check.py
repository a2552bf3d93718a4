"""What a check is: a function with its facts on `@check`, and the registry of all checks.

Profiles, the audit's controls, the generated bucket and docs/checks.md are derived from these facts, so a new check is
one function in `checks/`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from opslib.validator.finding import Outcome, Severity
from opslib.validator.inspection import Inspection
from opslib.validator.profile import BuiltIn, Level, Profile, Row
from opslib.validator.wanted import Wanted, WrittenWith

Control = Literal["storage", "encryption", "access", "transport", "retention", "worm", "operation"]
CONTROLS: tuple[Control, ...] = get_args(Control)
"""The controls of the audit that rest on checks; "operation" is what a profile asks for besides."""

Run = Callable[[Inspection], Awaitable[Outcome]]
Generate = Callable[[Wanted, Profile], str]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check and its facts.

    Attributes:
        control: the control of the audit that it belongs to.
        required: whether the control has no verdict without an answer to this check.
        profiles: the built-in profiles it belongs to, with its level and source in each.
        calls: the AWS calls it may make, by name.
        fix, cli, terraform: how to mend what failed. BUCKET, ARN, REGION, DAYS, ACCOUNT, KEY and ROLE are placeholders,
            and stay where there is no value. Without `terraform`, what is wrong is not in AWS.
        generated: its part of the generated bucket: `terraform`, nothing, or what a function makes of what is wanted.
        source: where the rule comes from.
        written_with: what Genesys must write with for the check to apply; None for a check that always does.
    """

    id: str
    title: str
    severity: Severity
    control: Control
    required: bool
    profiles: Mapping[BuiltIn, Row]
    why: str
    calls: tuple[str, ...]
    fix: str
    cli: str
    terraform: str
    generated: bool | Generate
    source: str
    written_with: WrittenWith | None
    run: Run

    def generate(self, wanted: Wanted, profile: Profile) -> str:
        """Its part of the generated bucket; empty where it has none."""
        if isinstance(self.generated, bool):
            return self.terraform if self.generated else ""
        return self.generated(wanted, profile)


CHECKS: dict[str, Check] = {}
"""All checks by id, in the order in which they are shown; complete once `opslib.validator.checks` is imported."""


def check(
    id: str,
    title: str,
    severity: Severity,
    *,
    control: Control,
    required: bool = False,
    profiles: Mapping[BuiltIn, Row],
    why: str,
    calls: tuple[str, ...],
    fix: str,
    cli: str,
    terraform: str = "",
    generated: bool | Generate = True,
    source: str,
    written_with: WrittenWith | None = None,
) -> Callable[[Run], Run]:
    """Make a function a check; see `Check`. Raises ValueError for a control that does not exist, or an id in use."""
    if control not in CONTROLS:
        raise ValueError(f"check {id}: there is no control {control}; there are {', '.join(CONTROLS)}")
    if id in CHECKS:
        raise ValueError(f"there are two checks {id}")

    def register(run: Run) -> Run:
        CHECKS[id] = Check(
            id=id,
            title=title,
            severity=severity,
            control=control,
            required=required,
            profiles=profiles,
            why=why,
            calls=calls,
            fix=fix,
            cli=cli,
            terraform=terraform,
            generated=generated,
            source=source,
            written_with=written_with,
            run=run,
        )
        return run

    return register


def asked_by(source: str, *, baseline: Level | None = None, regulated: Level) -> dict[BuiltIn, Row]:
    """The rows of a check in the built-in profiles, from one source: in the baseline and in those of a regulator."""
    levels: dict[BuiltIn, Level | None] = {
        "baseline": baseline,
        "sec-17a-4": regulated,
        "mifid-ii": regulated,
        "cftc": regulated,
    }
    return {name: Row(level=level, source=source) for name, level in levels.items() if level}


def calls_of(profile: Profile, wanted: Wanted) -> frozenset[str]:
    """The AWS calls that the profile's checks may make, by name."""
    checks = (CHECKS[id] for id in profile.checks)
    return frozenset(
        call for check in checks if check.written_with in (None, wanted.written_with) for call in check.calls
    )
