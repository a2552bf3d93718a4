"""A plan on its card and in the audit: one renderer for what changes."""

from opslib.audit.as_html import block_html
from opslib.audit.document import Table
from opslib.audit.sections.plan import blocks, changes
from opslib.router.plan import Change, Plan
from opslib.widgets.plan import plan_html

PLAN = Plan(
    where="https://api.example.com",
    changes=(
        Change(action="create", kind="target", id="t-1", name="T <b>", before=None, after={"name": "T <b>"}),
        Change(
            action="update",
            kind="policy",
            id="p-1",
            name="P",
            before={"enabled": True},
            after={"enabled": False},
            unsafe=("disable",),
        ),
    ),
    warnings=("policy.retention_days: 365, but they go after 90 days",),
    notes=("target.encryption: not sent",),
)


def test_the_audit_and_the_card_show_the_same_changes() -> None:
    """Row by row, in the audit as the API has it, and on the card in words; what is unsafe and the notes in both."""
    plan = PLAN.as_json()
    audit, card = "".join(block_html(block).html for block in blocks(plan)), plan_html(plan).html
    for words in ("T &lt;b&gt;", "disable", "go after 90 days", "not sent"):
        assert words in card
        assert words in audit
    tables = [table for table in changes(plan, words=True) if isinstance(table, Table)]
    assert [table.rows for table in tables] == [[["Name", "T <b>"]], [["Switched on", "yes", "no"]]]
    assert [table.rows for table in blocks(plan)[:2] if isinstance(table, Table)] == [
        [["name", "T <b>"]],
        [["enabled", "yes", "no"]],
    ]
    for table in tables:
        assert block_html(table).html in card


def test_no_column_is_empty() -> None:
    """What is created had no value before, and what is removed has none after."""
    removed = Change(action="delete", kind="target", id="t-1", name="T", before={"name": "T"}, after=None)
    plan = PLAN.model_copy(update={"changes": (*PLAN.changes, removed)}).as_json()
    tables = blocks(plan)[:3]
    assert [table.head for table in tables if isinstance(table, Table)] == [
        ("Field", "After"),
        ("Field", "Before", "After"),
        ("Field", "Before"),
    ]
    assert [table.rows for table in tables if isinstance(table, Table)][2] == [["name", "T"]]


def test_without_changes_both_say_so() -> None:
    """And both still have the warnings; the card, the notes, too."""
    plan = PLAN.model_copy(update={"changes": ()}).as_json()
    sentence, warnings = (block_html(block).html for block in blocks(plan))
    assert plan_html(plan).html.startswith(sentence)
    assert "go after 90 days" in warnings
    for words in ("go after 90 days", "not sent"):
        assert words in plan_html(plan).html
        assert words in plan_html(plan).plain


def test_warnings_and_notes_are_no_part_of_what_is_approved() -> None:
    """An org's maximum that changes does not make a reviewed plan another one."""
    assert PLAN.model_copy(update={"warnings": (), "notes": ()}).checksum == PLAN.checksum
