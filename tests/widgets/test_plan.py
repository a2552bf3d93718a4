"""A plan on its card and in the audit: one renderer for what changes."""

from opslib.audit.as_html import block_html
from opslib.audit.plan_section import blocks
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
    notes=("target.encryption: not sent",),
)


def test_the_audit_and_the_card_show_the_same_changes() -> None:
    """Table by table the same HTML; what is unsafe and the notes are in both, too."""
    plan = PLAN.as_json()
    page = [block_html(block) for block in blocks(plan)]
    card = plan_html(plan).html
    for table in page[: len(plan["changes"])]:
        assert table.html in card
    audit = "".join(block.html for block in page)
    for words in ("T &lt;b&gt;", "enabled", "disable", "not sent"):
        assert words in card
        assert words in audit


def test_without_changes_both_say_so() -> None:
    """And the card still has the notes."""
    plan = PLAN.model_copy(update={"changes": ()}).as_json()
    (sentence,) = (block_html(block).html for block in blocks(plan))
    assert plan_html(plan).html.startswith(sentence)
    assert "not sent" in plan_html(plan).html
