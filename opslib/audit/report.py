"""The report of one run, section by section. Each is made from the ledger alone."""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from opslib.audit.as_html import section_html
from opslib.audit.contents import TITLES, number
from opslib.audit.document import Block, Section
from opslib.audit.facts import Facts, load, walks_before
from opslib.audit.headline import headline
from opslib.audit.sections import (
    appendix,
    bucket,
    changes,
    comparison,
    controls,
    cover,
    frameworks,
    not_proven,
    open_items,
    recordings,
    sign_off,
    still_so,
    verdict,
    who,
)
from opslib.html import Html
from opslib.ledger.database import FILE_NAME
from opslib.ledger.signing import existing_public_key
from opslib.settings import Settings

# A run on the sandbox that comes with the project, so that the page can be looked at before there is one's own.
RECORDED = Path(__file__).with_name("recorded") / FILE_NAME


@dataclass(frozen=True)
class AuditReport:
    """The audit of one run, and the run that it is compared with, if any."""

    facts: Facts
    before: Facts | None = None
    recorded: bool = False

    @classmethod
    def open(
        cls,
        run_id: str | None = None,
        home: Path | None = None,
        *,
        compare_with: str | None = None,
        signing_key: Path | None = None,
        as_of: datetime | None = None,
    ) -> "AuditReport":
        """The audit of a run in the workspace, by default its last walk, compared with the walk before or the one
        named.

        The ledger should be signed with `signing_key`, by default the setting's; the report says when it is not.
        `as_of` is the moment that it speaks of, by default now: what the ledger knows may be too old by then.
        Only where neither run nor workspace is named and there is no walk yet, the recorded example is shown.
        """
        workspace = home or Settings.load().home
        recorded = not (home or run_id or _has_walk(workspace / FILE_NAME))
        own_key = None if recorded else existing_public_key(signing_key or Settings.load().signing_key)
        # The recorded example does not get old.
        is_example = recorded or workspace.resolve() == RECORDED.parent.resolve()
        moment = as_of or (None if is_example else datetime.now(UTC))
        days = Settings.load().evidence_days
        facts = load(RECORDED if recorded else workspace, run_id, own_key, as_of=moment, evidence_days=days)
        return cls(facts, comparison.earlier(facts, compare_with), recorded)

    def sections(self) -> list[Section]:
        """All of them, in the order in which they are read."""
        return [self.section(name) for name in TITLES]

    def section(self, name: str) -> Section:
        """One of `opslib.audit.contents.TITLES`."""
        return Section(name, number(name), TITLES[name], _BLOCKS[name](self), on_paper=name == "sign_off")

    @property
    def title(self) -> str:
        """What kind of run it was, and whose recordings it is about."""
        return headline(self.facts).title

    def show(self, name: str) -> Html:
        """A section, for a notebook."""
        return section_html(self.section(name))


def _has_walk(ledger: Path) -> bool:
    return ledger.exists() and bool(walks_before(ledger, sys.maxsize))


@cache
def notebook_hash() -> str:
    """SHA-256 of the source of notebook 02, which shows these sections one by one, as `sha256sum` gives it."""
    # In an installed package it stands beside this file; in a checkout, in notebooks/.
    packaged = Path(__file__).with_name("02_audit_report.py")
    file = packaged if packaged.exists() else Path(__file__).parents[2] / "notebooks" / ".source" / packaged.name
    return hashlib.sha256(file.read_bytes()).hexdigest()


# Each section of TITLES.
_BLOCKS: Mapping[str, Callable[[AuditReport], Sequence[Block]]] = {
    "cover": lambda report: cover.blocks(report.facts, recorded=report.recorded),
    "verdict": lambda report: verdict.blocks(report.facts, report.before),
    "open_items": lambda report: open_items.blocks(report.facts),
    "who": lambda report: who.blocks(report.facts),
    "controls": lambda report: controls.blocks(report.facts),
    "frameworks": lambda report: frameworks.blocks(report.facts),
    "bucket": lambda report: bucket.blocks(report.facts.bucket_report(), report.facts.findings()),
    "recordings": lambda report: recordings.blocks(report.facts),
    "changes": lambda report: changes.blocks(report.facts),
    "still_so": lambda report: still_so.blocks(report.facts, report.before),
    "not_proven": lambda report: not_proven.blocks(report.facts),
    "appendix": lambda report: appendix.blocks(report.facts, notebook_hash()),
    "sign_off": lambda report: sign_off.blocks(report.facts),
}
