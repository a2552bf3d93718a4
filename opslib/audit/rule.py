"""The rule that a run is judged by: a profile, and how many days recordings must stay."""

from dataclasses import dataclass

from opslib.audit.facts import Facts
from opslib.audit.looks import judging


@dataclass(frozen=True)
class Rule:
    """`days` is what is asked for now: the profile's minimum, or where it has none, the onboarding's own retention;
    `is_own` says the latter. `stated` is the onboarding's retention. None where nothing says it."""

    profile: str
    title: str
    as_of: str
    source: str
    days: int | None
    stated: int | None
    is_own: bool
    most: int | None = None

    @property
    def words(self) -> str:
        """The profile with the days.

        >>> Rule("mifid-ii", "", "", "", 1827, 1827, False).words
        'mifid-ii, 1,827 days'
        """
        if self.is_own:
            return f"{self.profile} and the onboarding's own {days_words(self.days)}"
        return f"{self.profile}, {days_words(self.days)}"

    @property
    def sentence(self) -> str:
        """What the rule asks, with its source."""
        asked = f"keep recordings at least {days_words(self.days)}"
        if self.is_own:
            return f"Profile {self.profile} (as of {self.as_of}) sets no minimum. The onboarding itself says: {asked}."
        return f"{self.title} (profile {self.profile}, as of {self.as_of}): {asked}. Source: {self.source}."


def rule_of(facts: Facts) -> Rule | None:
    """None where neither a look at the bucket nor an onboarding says by what to judge."""
    look = judging(facts.looks, facts.wanted)
    report, onboarding = look.report if look else None, facts.wanted
    if report is None and not onboarding:
        return None
    found = report or {}
    bounds = found.get("rule") or {}  # older ledgers do not have it
    stated = found.get("retention_days") or (onboarding.get("target") or {}).get("retention_days")
    least = bounds.get("min_days")
    profile = str(found.get("profile") or onboarding.get("profile", "baseline"))
    title, as_of, source = found.get("title", profile), found.get("as_of", "not known"), bounds.get("source", "–")
    return Rule(profile, title, as_of, source, least or stated, stated, least is None, bounds.get("max_days"))


def days_words(days: int | None) -> str:
    """A number of days as people read it."""
    return "days not known" if days is None else f"{days:,} day{'s' * (days != 1)}"
