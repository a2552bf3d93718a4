"""docs/checks.md says what the checks are. Remake it: .venv/bin/python -m tests.validator.test_docs"""

import re
from pathlib import Path

from opslib.validator.aws_calls import actions_of
from opslib.validator.checks import CHECKS
from opslib.validator.profile import BUILT_IN
from opslib.validator.profile_loader import load_profile

DOCS = Path(__file__).parents[2] / "docs"
HEAD = """\
# The checks of a bucket

This page is made from the checks themselves; a test compares them. In a profile's column, FAIL fails the bucket and
WARN is a warning; a dash: the profile does not ask. What each check found, why it matters, how to mend it and where the
rule is from stand in its finding: `opslib check-bucket BUCKET --json`, or the card of notebook 01.

A check reads settings at one moment. So PASS shows that the setting is right then, and no more than is said here.

"""


def as_page() -> str:
    """The page as it should be."""
    lines = [f"| check | severity | {' | '.join(BUILT_IN)} |", f"|---|---|{'---|' * len(BUILT_IN)}"]
    for check in CHECKS.values():
        levels = " | ".join(check.profiles[name].level if name in check.profiles else "–" for name in BUILT_IN)
        lines.append(f"| `{check.id}`: {check.title} | {check.severity} | {levels} |")
    lines += ["", "| check | what PASS proves | what it does not prove |", "|---|---|---|"]
    lines += [f"| `{check.id}` | {check.proves} | {check.not_proven} |" for check in CHECKS.values() if check.proves]
    lines += ["", "| check | AWS calls | IAM actions | source |", "|---|---|---|---|"]
    for check in CHECKS.values():
        calls, actions = ", ".join(check.calls) or "none", ", ".join(f"`{one}`" for one in actions_of(check.calls))
        lines.append(f"| `{check.id}` | {calls} | {actions or 'none'} | {check.source} |")
    return HEAD + "\n".join(lines) + "\n"


def test_the_page_is_up_to_date() -> None:
    """A check that is added or changed is documented."""
    assert (DOCS / "checks.md").read_text(encoding="utf-8") == as_page()


def test_the_page_on_compliance_says_what_the_profiles_say() -> None:
    """The same periods, and only checks that there are; its example is a valid profile."""
    text = (DOCS / "compliance.md").read_text(encoding="utf-8")
    for name in BUILT_IN:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        least = load_profile(name).retention.min_days
        assert least is None or f"({least} days)" in row
    named = {word for line in text.splitlines() if line.startswith("|") for word in re.findall(r"`([a-z-]+)`", line)}
    assert named - set(BUILT_IN) <= set(CHECKS)


def test_its_example_is_a_profile(tmp_path: Path) -> None:
    """As it stands on the page."""
    (example,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "compliance.md").read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "ours.yaml"
    file.write_text(example, encoding="utf-8")
    assert load_profile(str(file)).retention.max_days == 90


if __name__ == "__main__":
    (DOCS / "checks.md").write_text(as_page(), encoding="utf-8")
