"""What each control says in each situation: no green word for what is not so, no alarm where nothing is wrong.

A situation tells a ledger, from the first walk on. Of each, only the controls that differ from a good walk are named.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opslib.audit import controls
from opslib.audit.facts import Facts, load
from opslib.audit.headline import headline
from opslib.audit.open_items import open_items
from opslib.audit.words import key_words
from opslib.router.journal import Progress, all_applies
from opslib.router.plan import Plan, Undoes
from opslib.verdict import Verdict

from .ledgers import (
    IDS,
    SECOND,
    WHERE,
    Story,
    approval_of,
    bodies,
    bucket_report,
    delete,
    onboarding,
    plan_of,
    strict_report,
    update,
)

# A walk under mifid-ii in which everything went well, and that nobody looked after.
GOOD: dict[str, Verdict] = {
    "record": "PASS",
    "connection": "PASS",
    "storage": "PASS",
    "encryption": "PASS",
    "access": "PASS",
    "transport": "PASS",
    "retention": "PASS",
    "minimum": "PASS",
    "worm": "PASS",
    "operation": "PASS",
    "plan": "PASS",
    "approval": "PASS",
    "separation_of_duties": "PASS",
    "exceptions": "not_checked",
    "routing": "PASS",
    "change_feed": "PASS",
    "since_then": "not_checked",
    "clock": "PASS",
    "age": "PASS",
    "recordings": "not_checked",
    "anchor": "not_checked",
}
BUCKET = ("storage", "encryption", "access", "transport", "retention", "minimum", "worm", "operation")
REASON = {"reason": "the desk takes no orders"}


class Situation(NamedTuple):
    """`tell` writes the ledger; `differs` are the controls that are not as in a good walk; `word` the headline's.
    `later` is how much later the report is made."""

    name: str
    tell: Callable[[Story], object]
    differs: dict[str, Verdict]
    word: str
    later: timedelta = timedelta(0)


def all_of(word: Verdict, *names: str, **others: Verdict) -> dict[str, Verdict]:
    return {**dict.fromkeys(names, word), **others}


FINE, FAILS = "MEETS THE RULE, AS FAR AS CHECKED", "DOES NOT MEET THE RULE"
REVIEW, OPEN = "NEEDS REVIEW", "CANNOT BE DECIDED"
LONGER = plan_of(update("target", ["shorter-retention"], retentionPeriodDays=1900))
SHORTER = plan_of(update("target", ["shorter-retention"], retentionPeriodDays=1826))


def with_snapshot(*gone: str, command: str = "changes", **changes: dict[str, Any]) -> Callable[[Story], object]:
    """A good walk, and a later look at the org."""

    def tell(story: Story) -> None:
        story.walk().again(command).connect()
        story.snapshot(*gone, **changes)

    return tell


def with_look(report: Callable[[], dict[str, Any]], command: str = "recheck") -> Callable[[Story], object]:
    """A good walk, and a later look at the bucket."""
    return lambda story: story.walk().again(command).look(report())


def found(**verdicts: str) -> Callable[[], dict[str, Any]]:
    return lambda: strict_report(**verdicts)


def verified(verdict: str = "PASS", bucket: str = "b", **counts: int) -> Callable[[Story], object]:
    """A good walk, and a later verification of the archive."""
    return lambda story: story.walk().again("archive").archive(verdict, bucket, **counts)


def without_validation_before_the_apply(story: Story) -> None:
    """As older releases applied: the bucket was looked at once, minutes before."""
    story.connect()
    story.look()
    plan = story.plan()
    story.approve(plan)
    story.apply(plan, look=False)
    story.step("see_event")


def another_run_applies(plan: Plan, unsafe: list[str]) -> Callable[[Story], object]:
    """Somebody applies another plan later; the first walk is audited."""

    def tell(story: Story) -> None:
        story.walk().again("apply by hand").walk(plan, unsafe, **REASON)

    return tell


def removed(story: Story, how: str = "done") -> None:
    story.given["removal"] = True
    story.connect()
    story.look(strict_report(at=story.now()))
    plan = story.plan(plan_of(delete("webhook"), delete("policy"), delete("target")))
    story.approve(plan, ["delete"], **REASON)
    story.apply(plan, how)


def removed_and_there_again(story: Story) -> None:
    removed(story)
    story.again("changes").connect()
    story.snapshot()


def removed_without_a_bucket(story: Story) -> None:
    story.given["removal"] = True
    story.connect()
    story.step("validate_bucket", "failed", error="BucketNotFound")
    plan = story.plan(plan_of(delete("target")))
    story.approve(plan, ["delete"], **REASON)
    story.apply(plan)


def undo_of(apply: Progress) -> Plan:
    """The plan that undoes an apply, as the ledger has it."""
    changes = [
        change.model_copy(
            update={
                "action": "delete" if change.before is None else "update",
                "before": change.after,
                "after": change.before,
                "unsafe": ("delete",) if change.before is None else (),
            }
        )
        for change in reversed(apply.plan.changes)
    ]
    undoes = Undoes(run_id=apply.run_id, entry=int(apply.id), checksum=apply.checksum)
    return Plan(where=WHERE, changes=tuple(changes), undoes=undoes)


def undo(story: Story) -> None:
    """The last apply is undone by another run, with consent."""
    plan = undo_of(all_applies(story.ledger)[-1])
    story.given["undo"] = plan.undoes and plan.undoes.run_id
    story.again().connect()
    story.look(strict_report(at=story.now()))
    story.approve(story.plan(plan), plan.unsafe, **REASON)
    story.apply(plan)


def undone_twice(story: Story) -> None:
    """The second time there is nothing to undo: that says nothing about what the first walk registered."""
    undo(story.walk())
    story.again().connect()
    plan = Plan(where=WHERE, changes=(), undoes=all_applies(story.ledger)[-1].plan.undoes)
    story.approve(story.plan(plan))
    story.begin("apply")
    story.end("apply", data={"changes": 0})


def cut_and_undone(story: Story) -> None:
    another_run_applies(SHORTER, ["shorter-retention"])(story)
    undo(story)


def refused(story: Story) -> None:
    story.connect()
    story.look()
    story.plan(SHORTER)
    story.step("approve", "failed", error="ConsentMissing")


def refused_at_the_apply(story: Story) -> None:
    story.connect()
    story.look()
    plan = story.plan()
    story.approve(plan)
    story.begin("apply")
    bad = strict_report(tls_only="FAIL", at=story.now())
    story.run.append("bucket.looked", {"step": "apply", "bucket": "b", "summary": "s", "data": bad, "error": None})
    story.end("apply", "failed", error="ConsentMissing")


def plain_apply(story: Story) -> None:
    story.connect()
    story.look()
    plan = story.plan()
    story.approve(plan)
    story.apply(plan)


def ends(how: str) -> Callable[[Story], object]:
    def tell(story: Story) -> None:
        story.connect()
        story.look()
        plan = story.plan()
        story.approve(plan)
        story.apply(plan, how)

    return tell


def skewed(seconds: float | None) -> Callable[[Story], object]:
    def tell(story: Story) -> None:
        story.connect(seconds)
        story.look()
        plan = story.plan()
        story.approve(plan)
        story.apply(plan)
        story.step("see_event")

    return tell


def changed_by(client: str) -> Callable[[Story], object]:
    """The org's own audit names somebody after the apply, and the objects are as they were."""

    def tell(story: Story) -> None:
        story.walk().again("changes").connect()
        story.run.append(
            "org.change",
            {
                "source": "audit", "at": story.now(), "by": "Somebody", "client_id": client, "action": "Update",
                "kind": "policy", "entity_id": IDS["policy"], "name": "P", "id": "a-1", "fields": [],
            },
        )  # fmt: skip
        story.snapshot()

    return tell


def planned_again(*changes: Any) -> Callable[[Story], object]:
    """A good walk, and a later `opslib plan` or `drift`, which finds these changes to make."""

    def tell(story: Story) -> None:
        story.walk().again("plan").connect()
        story.plan(Plan(where=WHERE, changes=changes))

    return tell


def org_not_reached(story: Story) -> None:
    story.walk().again("recheck").step("connect", "failed", error="Unreachable")


def bucket_gone(story: Story) -> None:
    story.walk().again("recheck").step("validate_bucket", "failed", error="BucketNotFound")


def bucket_not_reached(story: Story) -> None:
    story.walk().again("recheck").step("validate_bucket", "failed", error="BucketAccessDenied")


def rechecked_without_the_upload(story: Story) -> None:
    """A recheck writes nothing, so it cannot ask whether the key may write: the earlier answer stands."""
    story.walk().again("recheck").connect()
    report = strict_report(writer="absent", at=story.now()) | {"left_out": ["writer"]}
    story.look(report)
    story.snapshot()


def twice_in_one_run(story: Story) -> None:
    """The first apply was undone, and the second one did it."""
    story.connect()
    story.look()
    plan = story.plan()
    story.approve(plan)
    story.apply(plan, "rolled back")
    story.apply(plan)
    story.step("see_event")


def nothing_to_do(story: Story) -> None:
    story.walk().again()
    story.connect()
    story.look()
    plan = story.plan(Plan(where=WHERE, changes=()))
    story.approve(plan)
    story.begin("apply")
    story.end("apply", data={"changes": 0})


def no_catalogue(story: Story) -> None:
    plain_apply(story)
    story.step("see_event", "unknown", {"asked": False})


def other_profile(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "profile": "baseline", "rule": {"min_days": None, "max_days": None, "source": "own"}}


def under_baseline(days: int) -> Callable[[Story], object]:
    def tell(story: Story) -> None:
        story.given["onboarding"] = onboarding(days) | {"profile": "baseline"}
        story.connect()
        report = bucket_report() | {"at": story.now(), "retention_days": days}
        story.look(report)
        plan = story.plan()
        story.approve(plan)
        story.apply(plan, report=report)
        story.step("see_event")

    return tell


def unsafe_without_consent(story: Story) -> None:
    story.walk(SHORTER)


def stopped_before_the_apply(story: Story) -> None:
    story.connect()
    story.look()
    story.approve(story.plan())


def at_another(**about: Any) -> Callable[[], dict[str, Any]]:
    """A look that finds something wrong, at another folder, or with another encryption asked for."""
    return lambda: strict_report(tls_only="FAIL", retention="FAIL", writer="FAIL", encryption="FAIL") | about


def passes_at_another_folder(story: Story) -> None:
    """After the bucket was found unfit where this run's recordings go."""
    story.walk().again("recheck").look(strict_report(retention="FAIL"))
    story.again("walk by hand").look(strict_report() | {"prefix": "theirs"})


def in_another_bucket(story: Story) -> None:
    """Somebody else's onboarding, in the same ledger."""
    story.walk().again("walk by hand")
    story.given = story.given | {"onboarding": onboarding(bucket="theirs", id="t-9", name="T9")}
    story.look(strict_report(tls_only="FAIL") | {"bucket": "theirs"})


def another_bucket_passes_after_the_apply(story: Story) -> None:
    """In the same run: the form names another bucket now, and that one is fit. The applied one is not."""
    story.walk().look(strict_report(tls_only="FAIL", at=story.now()))
    story.given = story.given | {"onboarding": onboarding(bucket="theirs")}
    story.look(strict_report(at=story.now()) | {"bucket": "theirs"})


def weaker_rule_after_the_apply(story: Story) -> None:
    """In the same run, the form then asked for 30 days, and that was refused: the org has what was applied."""
    story.walk()
    story.given = story.given | {"onboarding": onboarding(30) | {"profile": "baseline"}}
    story.look(bucket_report() | {"at": story.now(), "retention_days": 30})
    story.plan(SHORTER)
    story.step("approve", "failed", error="ConsentMissing")


def of_a_sandbox(story: Story) -> None:
    """A bucket of the same name, on loopback, is another one: it neither fails nor passes this one."""
    story.walk().again("walk by hand")
    story.given = story.given | {"org": {"api_url": "http://127.0.0.1:8080", "region": None, "org_id": ""}}
    story.look(strict_report(tls_only="FAIL"))


def recheck_cancelled(story: Story) -> None:
    story.walk().again("recheck").connect()
    story.step("validate_bucket", "cancelled")


def recheck_killed(story: Story) -> None:
    story.walk().again("recheck").connect()
    story.begin("validate_bucket")


def org_denied(story: Story) -> None:
    story.walk().again("recheck").connect()
    story.step("read_org", "failed", error="PermissionMissing")


def read_after_it_was_denied(story: Story) -> None:
    org_denied(story)
    story.again("recheck").connect()
    story.snapshot()


def off_and_on_again(story: Story) -> None:
    story.walk().again("changes").connect()
    story.snapshot(policy={"enabled": False})
    story.again("changes").connect()
    story.snapshot()


def lost_its_policy_and_has_it_again(story: Story) -> None:
    story.walk().again("recheck").look(strict_report(tls_only="FAIL"))
    story.again("recheck").look(strict_report(at=story.now()))


def later_apply(how: str) -> Callable[[Story], object]:
    """Of this tool, to the same objects."""

    def tell(story: Story) -> None:
        story.walk().again("apply by hand").connect()
        story.look()
        plan = story.plan(SHORTER)
        story.approve(plan, ["shorter-retention"], **REASON)
        story.apply(plan, how)

    return tell


def left_half_done_and_read_since(story: Story) -> None:
    later_apply("")(story)
    story.again("changes").connect()
    story.snapshot()


def offboarded_and_onboarded_again(story: Story) -> None:
    removed(story.walk().again("offboard"))
    story.given["removal"] = False
    story.again("apply by hand").walk()
    story.again("changes").connect()
    story.snapshot()


def connected_elsewhere(skew_s: float) -> Callable[[Story], object]:
    """Another org in the same ledger, whose clock is off."""

    def tell(story: Story) -> None:
        story.walk().again("walk by hand")
        doctor = {"clock_skew_s": skew_s, "client": {"id": "c-1", "name": "opslib"}}
        story.step("connect", data={"api_url": "https://api.usw2.pure.cloud", "org_id": "o-2", "doctor": doctor})

    return tell


def changed_in_another_org(story: Story) -> None:
    """Its audit names an object of the same name."""
    connected_elsewhere(0)(story)
    story.run.append(
        "org.change",
        {
            "source": "audit", "at": story.now(), "by": "Somebody", "client_id": "c-2", "action": "Delete",
            "kind": "policy", "entity_id": "x-1", "name": "P", "id": "a-1", "fields": [],
        },
    )  # fmt: skip
    story.snapshot("policy", where="https://api.usw2.pure.cloud")


def finished_by_another_run(*, look: bool) -> Callable[[Story], object]:
    """The first one was killed before it wrote the last object. Older releases did not look at the bucket again."""

    def tell(story: Story) -> None:
        story.connect()
        story.look()
        plan = story.plan()
        story.approve(plan)
        story.finish(story.apply(plan, "killed"), look=look)

    return tell


def planned_again_in_vain(story: Story) -> None:
    """In the same run, after the apply: the org was not reached."""
    story.walk().step("plan", "failed", error="ConnectionFailed")


def nothing_to_do_for_another_onboarding(story: Story) -> None:
    """The first walk registered 1,827 days. Somebody cut that outside, and a walk for 30 days finds it as wanted: what
    the first one registered is no proof of that."""
    story.walk().again()
    story.given = story.given | {"onboarding": onboarding(30) | {"profile": "baseline"}}
    story.connect()
    story.look(bucket_report() | {"at": story.now(), "retention_days": 30})
    story.approve(story.plan(Plan(where=WHERE, changes=())))
    story.begin("apply")
    story.end("apply", data={"changes": 0})


def cut_and_put_back(story: Story) -> None:
    """By consent that has ended since, and by a later apply of this tool, which needs none."""
    story.walk(SHORTER, ["shorter-retention"], until="2026-01-01", **REASON)
    cut = update("target", retentionPeriodDays=1826)
    back = cut.model_copy(update={"before": cut.after, "after": cut.before})
    story.again("apply by hand").walk(plan_of(back))


def unfit_by_consent(story: Story, until: str | None = None) -> None:
    story.connect()
    bad = strict_report(tls_only="FAIL", at=story.now())
    story.look(bad)
    plan = story.plan()
    story.approve(plan, ["failed-validation"], until=until, **REASON)
    story.apply(plan, report=bad)
    story.step("see_event")


def unfit_by_consent_and_mended(story: Story) -> None:
    unfit_by_consent(story, "2026-01-01")
    story.again("recheck").look(strict_report(at=story.now()))


def renewed(story: Story) -> None:
    """The exception is over; another walk has nothing to do, and agrees to the bucket as it is for longer."""
    unfit_by_consent(story, "2026-01-01")
    story.again().connect()
    story.look(strict_report(tls_only="FAIL", at=story.now()))
    story.approve(story.plan(Plan(where=WHERE, changes=())), ["failed-validation"], **REASON)
    story.begin("apply")
    story.end("apply", data={"changes": 0})


LISTED = {"approvers": [SECOND.public_key]}


def signed(
    of: Plan | None = None,
    *,
    forged: bool = False,
    days_ago: int = 0,
    org_id: str = "o-1",
    **consent: Any,
) -> Callable[[Story], object]:
    """A walk whose approval says what is named here, without a list unless one is given."""

    def tell(story: Story) -> None:
        document = approval_of(
            of or plan_of(), ["shorter-retention"] if of else (), "r", org_id=org_id, days_ago=days_ago
        )
        if forged:
            document["statement"]["reason"] = "another"
        story.walk(second=False, document=document, **consent)

    return tell


def signed_by_the_applier(story: Story, *, listed: bool = False) -> None:
    own = story.ledger._signer
    consent = {"approvers": [own.public_key]} if listed else {}
    story.walk(second=False, document=approval_of(plan_of(), signer=own), **consent)


# The last run of these is the one that is audited.
OF_THE_LAST_RUN = (nothing_to_do, nothing_to_do_for_another_onboarding, renewed)


STALE = all_of("UNKNOWN", "connection", *BUCKET, "routing", "age")
CUT = {"target": {"retentionPeriodDays": 1826}}

SITUATIONS = [
    Situation("a good walk", lambda story: story.walk(), {}, FINE),
    Situation("a plain apply looks for no event", plain_apply, {"change_feed": "not_checked"}, FINE),
    Situation("no data lake is named", no_catalogue, {"change_feed": "not_checked"}, FINE),
    Situation(
        "nothing was to do",
        nothing_to_do,
        all_of("not_checked", "change_feed", "separation_of_duties", since_then="PASS"),
        FINE,
    ),
    Situation("undone first, then done", twice_in_one_run, {}, FINE),
    Situation("the profile has no minimum", under_baseline(30), {"minimum": "not_checked"}, FINE),
    # Is it still so?
    Situation("read again, all as it was", with_snapshot(), {"since_then": "PASS"}, FINE),
    Situation(
        "policy disabled outside",
        with_snapshot(policy={"enabled": False}),
        {"since_then": "FAIL", "routing": "FAIL"},
        FAILS,
    ),
    Situation(
        "target cut below the rule",
        with_snapshot(**CUT),
        all_of("FAIL", "since_then", "routing", "retention", "minimum"),
        FAILS,
    ),
    Situation(
        "policy cut to one day",
        with_snapshot(policy={"retentionPeriodDays": 1}),
        all_of("FAIL", "since_then", "routing", "retention"),
        FAILS,
    ),
    Situation("target gone", with_snapshot("target"), all_of("FAIL", "since_then", "routing"), FAILS),
    Situation("webhook gone", with_snapshot("webhook"), all_of("FAIL", "since_then", "routing"), FAILS),
    Situation(
        "recordings go to another bucket",
        with_snapshot(target={"configuration": {"bucket": "other", "region": "us-east-1"}}),
        all_of("FAIL", "since_then", "routing", "storage"),
        FAILS,
    ),
    Situation(
        "the policy names another target",
        with_snapshot(policy={"storageTargetId": "t-2"}),
        all_of("FAIL", "since_then", "routing", "storage"),
        FAILS,
    ),
    Situation(
        "a recording type is left out",
        with_snapshot(policy={"recordingTypes": ["chat"]}),
        all_of("FAIL", "since_then", "routing"),
        FAILS,
    ),
    Situation(
        "kept longer than approved",
        with_snapshot(policy={"retentionPeriodDays": 2000}),
        {"since_then": "WARN"},
        REVIEW,
    ),
    Situation("renamed outside", with_snapshot(policy={"description": "theirs"}), {"since_then": "WARN"}, REVIEW),
    Situation("somebody was at it, by the org's audit", changed_by("c-2"), {"since_then": "WARN"}, REVIEW),
    Situation("we were at it, by the org's audit", changed_by("c-1"), {"since_then": "PASS"}, FINE),
    Situation("a later plan finds nothing to do", planned_again(), {"since_then": "PASS"}, FINE),
    Situation(
        "a later plan finds the policy off",
        planned_again(
            update("policy").model_copy(update={"before": {**bodies()["policy"], "enabled": False}}),
        ),
        all_of("FAIL", "since_then", "routing"),
        FAILS,
    ),
    Situation("the org was not reached again", org_not_reached, all_of("UNKNOWN", "since_then", "routing"), OPEN),
    Situation("the org denied it", org_denied, all_of("UNKNOWN", "since_then", "routing"), OPEN),
    Situation("the org denied it, then answered", read_after_it_was_denied, {"since_then": "PASS"}, FINE),
    Situation("policy off and on again", off_and_on_again, {"since_then": "WARN"}, REVIEW),
    Situation("another org changed, not this one", changed_in_another_org, {}, FINE),
    Situation(
        "a later apply left half-done",
        later_apply("killed"),
        all_of("UNKNOWN", "since_then", "routing", exceptions="PASS"),
        OPEN,
    ),
    Situation(
        "left half-done later, and read since",
        left_half_done_and_read_since,
        all_of("PASS", "since_then", "exceptions"),
        FINE,
    ),
    Situation("a later apply undone", later_apply("rolled back"), {"since_then": "PASS"}, FINE),
    Situation(
        "offboarded and onboarded again",
        offboarded_and_onboarded_again,
        {"since_then": "PASS", "exceptions": "PASS"},
        FINE,
    ),
    Situation(
        "nothing to do for another onboarding",
        nothing_to_do_for_another_onboarding,
        all_of("not_checked", "change_feed", "minimum", "separation_of_duties"),
        FINE,
    ),
    Situation(
        "changed later by this tool, within the rule",
        another_run_applies(plan_of(update("target", retentionPeriodDays=2000)), []),
        {"since_then": "PASS"},
        FINE,
    ),
    Situation(
        "cut below the rule by this tool",
        another_run_applies(SHORTER, ["shorter-retention"]),
        all_of("FAIL", "since_then", "routing", "retention", "minimum", exceptions="PASS"),
        FAILS,
    ),
    Situation(
        "offboarded by a later run",
        lambda story: removed(story.walk().again("offboard")),
        all_of("FAIL", "since_then", "routing", exceptions="PASS"),
        FAILS,
    ),
    Situation(
        "undone by a later run",
        lambda story: undo(story.walk()),
        all_of("FAIL", "since_then", "routing", exceptions="PASS"),
        FAILS,
    ),
    Situation(
        "undone, and once more in vain", undone_twice, all_of("FAIL", "since_then", "routing", exceptions="PASS"), FAILS
    ),
    Situation(
        "cut below the rule by this tool, and that undone",
        cut_and_undone,
        {"since_then": "PASS", "exceptions": "PASS"},
        FINE,
    ),
    # The bucket.
    Situation("bucket read again, still fit", with_look(strict_report), {}, FINE),
    Situation("every recording arrived", verified(), {"recordings": "PASS"}, FINE),
    Situation("recordings are missing", verified("FAIL", arrived=97, missing=3), {"recordings": "FAIL"}, FAILS),
    Situation("recordings came late", verified("WARN", late=4), {"recordings": "WARN"}, REVIEW),
    Situation("the archive could not be read whole", verified("UNKNOWN"), {"recordings": "UNKNOWN"}, OPEN),
    Situation("another bucket's archive is complete", verified(bucket="other"), {}, FINE),
    Situation("bucket lost its policy", with_look(found(tls_only="FAIL")), {"transport": "FAIL"}, FAILS),
    Situation("bucket got a rule that deletes", with_look(found(retention="FAIL")), {"retention": "FAIL"}, FAILS),
    Situation("a check is not answered any more", with_look(found(owner="UNKNOWN")), {"storage": "UNKNOWN"}, OPEN),
    Situation("the lock can be bypassed", with_look(found(object_lock="UNKNOWN")), {"worm": "UNKNOWN"}, OPEN),
    Situation("the minimum is not met", with_look(found(retention_bounds="FAIL")), {"minimum": "FAIL"}, FAILS),
    Situation("bucket gone", bucket_gone, all_of("UNKNOWN", *BUCKET[1:], storage="FAIL"), FAILS),
    Situation("bucket not reached again", bucket_not_reached, all_of("UNKNOWN", *BUCKET), OPEN),
    Situation("read again without the upload", rechecked_without_the_upload, {"since_then": "PASS"}, FINE),
    Situation(
        "found wrong under another profile",
        with_look(lambda: other_profile(strict_report(tls_only="FAIL")), "walk by hand"),
        {"transport": "FAIL"},
        FAILS,
    ),
    Situation(
        "a fit bucket under a weaker rule says nothing",
        with_look(lambda: other_profile(strict_report(retention_bounds="absent")) | {"retention_days": 30}, "by hand"),
        {},
        FINE,
    ),
    Situation("unfit in between", lost_its_policy_and_has_it_again, {"since_then": "WARN"}, REVIEW),
    Situation(
        "found wrong at another folder of the bucket",
        with_look(at_another(prefix="theirs", encryption="aws:kms"), "walk by hand"),
        all_of("FAIL", "transport", retention="UNKNOWN"),
        FAILS,
    ),
    Situation("another folder of the bucket passes", passes_at_another_folder, {"retention": "FAIL"}, FAILS),
    Situation("another bucket fails", in_another_bucket, {}, FINE),
    Situation("another bucket passes later", another_bucket_passes_after_the_apply, {"transport": "FAIL"}, FAILS),
    Situation("a sandbox has a bucket of that name", of_a_sandbox, {}, FINE),
    Situation("a recheck was cancelled", recheck_cancelled, {}, FINE),
    Situation("a recheck was killed", recheck_killed, {}, FINE),
    Situation("another onboarding was tried and refused", weaker_rule_after_the_apply, {"since_then": "PASS"}, FINE),
    # Age and clock.
    Situation("31 days later", lambda story: story.walk(), STALE, OPEN, timedelta(days=31)),
    Situation("29 days later", lambda story: story.walk(), {}, FINE, timedelta(days=29)),
    Situation("dated after the report", lambda story: story.walk(), STALE, OPEN, timedelta(days=-1)),
    Situation(
        "the bucket was looked at before the apply only",
        without_validation_before_the_apply,
        all_of("UNKNOWN", *BUCKET, "age"),
        OPEN,
    ),
    Situation(
        "clock 400 days behind",
        skewed(400 * 86_400),
        all_of("UNKNOWN", "clock", "retention", "age"),
        OPEN,
    ),
    Situation("clock 2 minutes ahead", skewed(-120), all_of("WARN", "clock", "retention", "age"), REVIEW),
    Situation(
        "just under 30 days later", lambda story: story.walk(), {}, FINE, timedelta(days=30) - timedelta(minutes=1)
    ),
    Situation("another org's clock is off", connected_elsewhere(86_400), {}, FINE),
    Situation("the org tells no time", skewed(None), {"clock": "not_checked"}, FINE),
    # How it ended.
    Situation("left half-done", ends(""), {"routing": "FAIL", "change_feed": "not_checked"}, "LEFT HALF-DONE"),
    Situation(
        "rolled back",
        ends("rolled back"),
        {"routing": "FAIL", "change_feed": "not_checked"},
        "CHANGE UNDONE, READ BACK AS BEFORE",
    ),
    Situation(
        "refused without consent",
        refused,
        all_of("not_checked", "approval", "separation_of_duties", "change_feed", routing="UNKNOWN"),
        "PLAN REFUSED, NOTHING APPLIED",
    ),
    Situation(
        "refused right before the apply",
        refused_at_the_apply,
        all_of("not_checked", "approval", "separation_of_duties", "change_feed", transport="FAIL", routing="UNKNOWN"),
        "PLAN REFUSED, NOTHING APPLIED",
    ),
    Situation(
        "stopped before the apply",
        stopped_before_the_apply,
        all_of("not_checked", "change_feed", "separation_of_duties", routing="UNKNOWN"),
        "NOTHING APPLIED",
    ),
    Situation("finished by another run", finished_by_another_run(look=True), {"change_feed": "not_checked"}, FINE),
    Situation(
        "finished by another run that did not look",
        finished_by_another_run(look=False),
        all_of("UNKNOWN", *BUCKET, "age", change_feed="not_checked"),
        OPEN,
    ),
    Situation("planned again, in vain", planned_again_in_vain, {}, FINE),
    # Consent.
    Situation(
        "a risky change with its own approval",
        lambda story: story.walk(LONGER, ["shorter-retention"], **REASON),
        {"exceptions": "PASS"},
        FINE,
    ),
    Situation(
        "a risky change without consent",
        unsafe_without_consent,
        {"exceptions": "FAIL", "separation_of_duties": "WARN"},
        FAILS,
    ),
    Situation(
        "consent without a reason",
        lambda story: story.walk(SHORTER, ["shorter-retention"]),
        all_of("WARN", "exceptions", "separation_of_duties"),
        REVIEW,
    ),
    Situation(
        "an exception has expired",
        lambda story: story.walk(SHORTER, ["shorter-retention"], until="2026-01-01", **REASON),
        all_of("WARN", "exceptions", "separation_of_duties"),
        REVIEW,
    ),
    Situation(
        "cut by consent, and put back",
        cut_and_put_back,
        all_of("PASS", "since_then", "exceptions", separation_of_duties="WARN"),
        REVIEW,
    ),
    Situation(
        "an unfit bucket by consent",
        unfit_by_consent,
        {"transport": "FAIL", "exceptions": "PASS", "separation_of_duties": "WARN"},
        FAILS,
    ),
    Situation(
        "an unfit bucket by consent, mended since",
        unfit_by_consent_and_mended,
        {"exceptions": "PASS", "separation_of_duties": "WARN"},
        REVIEW,
    ),
    Situation(
        "an expired exception, renewed",
        renewed,
        all_of(
            "not_checked", "change_feed", "separation_of_duties", transport="FAIL", exceptions="PASS", since_then="PASS"
        ),
        FAILS,
    ),
    # A second key.
    Situation("no second key", lambda story: story.walk(second=False), {"separation_of_duties": "WARN"}, REVIEW),
    Situation("a second key, and no list", signed(), {"separation_of_duties": "WARN"}, REVIEW),
    Situation(
        "a second key that was not listed",
        signed(approvers=["ed25519:" + "0" * 64]),
        {"separation_of_duties": "FAIL"},
        FAILS,
    ),
    Situation(
        "a list, and no second key",
        lambda story: story.walk(second=False, approvers=[SECOND.public_key]),
        {"separation_of_duties": "FAIL"},
        FAILS,
    ),
    Situation("approved with the applier's own key", signed_by_the_applier, {"separation_of_duties": "WARN"}, REVIEW),
    Situation(
        "approved with the applier's own key, which is listed",
        lambda story: signed_by_the_applier(story, listed=True),
        {"separation_of_duties": "FAIL"},
        FAILS,
    ),
    Situation("the approval of another plan", signed(of=SHORTER, **LISTED), {"separation_of_duties": "FAIL"}, FAILS),
    Situation("the approval of another org", signed(org_id="o-2", **LISTED), {"separation_of_duties": "FAIL"}, FAILS),
    Situation("a forged approval", signed(forged=True, **LISTED), {"separation_of_duties": "FAIL"}, FAILS),
    Situation("an approval that had expired", signed(days_ago=8, **LISTED), {"separation_of_duties": "FAIL"}, FAILS),
    # Offboarding.
    Situation(
        "offboarded",
        removed,
        all_of("not_checked", "routing", "storage", "minimum", "change_feed", exceptions="PASS"),
        "REMOVED, READ BACK AS GONE",
    ),
    Situation(
        "offboarded, the bucket is gone",
        removed_without_a_bucket,
        all_of("not_checked", *BUCKET, "routing", "change_feed", exceptions="PASS"),
        "REMOVED, READ BACK AS GONE",
    ),
    Situation(
        "offboarded, and there again",
        removed_and_there_again,
        all_of("not_checked", "storage", "minimum", "routing", "change_feed", exceptions="PASS", since_then="FAIL"),
        "REMOVED, BUT THE BUCKET DOES NOT MEET THE RULE",
    ),
]


def judged(home: Path, run_id: str, later: timedelta = timedelta(0)) -> Facts:
    facts = load(home, run_id)
    return load(home, run_id, as_of=facts.moment() + later)


def words(facts: Facts) -> dict[str, Verdict]:
    """By control. A removal stands where the routing stands otherwise."""
    found = {result.id: result.word for result in controls.results(facts)}
    found.setdefault("routing", controls.routing(facts).word)
    return found


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_each_situation_has_its_verdicts(tmp_path: Path, situation: Situation) -> None:
    """Of each control, and the word at the top."""
    story = Story(tmp_path)
    first = story.run.id
    situation.tell(story)
    audited = story.run.id if situation.tell in OF_THE_LAST_RUN else first
    facts = judged(tmp_path, audited, situation.later)
    found = words(facts)
    removal = {"removal": found["removal"]} if "removal" in found else {}
    assert found == {**GOOD, **situation.differs, **removal}
    assert headline(facts).word == situation.word


def test_there_are_enough_situations() -> None:
    """Each has a name of its own, and every control differs in at least one."""
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS) >= 30
    differing = {name for situation in SITUATIONS for name in situation.differs}
    assert differing >= GOOD.keys() - {"record", "plan", "recordings", "anchor"}


def test_the_rule_its_days_and_the_moment_stand_beside_the_verdict(tmp_path: Path) -> None:
    """And the bucket, the org, and whether it was a sandbox."""
    story = Story(tmp_path).walk()
    top = headline(judged(tmp_path, story.run.id))
    assert top.oldest
    moment = datetime.fromisoformat(top.oldest.at)
    assert top.sentence == f"Meets mifid-ii, 1,827 days, as of {moment:%d %b %Y, %H:%M} UTC: bucket b, org o-1 (live)."
    assert (top.age_days, top.as_json()["retention_days"]) == (0, 1827)


def test_a_verdict_is_as_old_as_the_oldest_answer_it_rests_on(tmp_path: Path) -> None:
    """A recheck leaves the upload out: that answer is still the apply's, and so is the age."""
    story = Story(tmp_path)
    rechecked_without_the_upload(story)
    facts = load(tmp_path)
    (whole, part) = [one for one in headline(facts).evidence if one.what != "org"][::-1]
    assert (whole.what, part.what) == ("bucket", "part of the bucket")
    assert part.entry < whole.entry
    assert headline(facts).oldest == part


def test_what_became_of_an_exception_is_said(tmp_path: Path) -> None:
    """One that somebody renewed, or that is so no more, is no open item."""
    for tell, states in ((renewed, ["renewed", "in force"]), (unfit_by_consent_and_mended, ["ended"])):
        story = Story(tmp_path / tell.__name__)
        first = story.run.id
        tell(story)
        top = headline(judged(story.home, story.run.id if tell in OF_THE_LAST_RUN else first))
        assert [one.state for one in top.exceptions] == states
        assert not any(one.is_open for one in top.exceptions)


def test_fail_hides_neither_unknown_nor_warn(tmp_path: Path) -> None:
    """The reason names every control that did not pass."""
    story = Story(tmp_path).walk().again("recheck")
    story.look(strict_report(tls_only="FAIL", owner="UNKNOWN", object_lock="WARN"))
    results = controls.results(judged(tmp_path, load(tmp_path).run_id))
    why = controls.compliance(results).why
    for words_of in ("failed: Transport", "without an answer: Storage", "to be looked at: WORM", "not checked: "):
        assert words_of in why
    counted = controls.counts(results)
    assert (counted["FAIL"], counted["UNKNOWN"], counted["WARN"]) == (1, 1, 1)
    assert sum(counted.values()) == len(results)


def test_a_value_that_became_another_is_named(tmp_path: Path) -> None:
    """Which one, what it was, what it is, and that nobody here did it."""
    story = Story(tmp_path)
    with_snapshot(policy={"retentionPeriodDays": 1})(story)
    (since,) = [one for one in controls.results(load(tmp_path)) if one.id == "since_then"]
    assert since.why == (
        "changed outside opslib, and it breaks the rule:"
        " policy P: retentionPeriodDays: 1827 → 1 (fewer than 1,827 days)"
    )


def test_consent_to_a_shorter_retention_stays_visible(tmp_path: Path) -> None:
    """As an exception with its values, reason, person and end, beside the controls it bears on; no verdict changes."""
    story = Story(tmp_path).walk(SHORTER, ["shorter-retention"], **REASON)
    facts = judged(tmp_path, story.run.id)
    top = headline(facts)
    (exception,) = top.exceptions
    assert (exception.tag, exception.name, exception.state) == ("E-1", "shorter-retention", "in force")
    assert exception.changed == "target T: retentionPeriodDays 1827 → 1826"
    assert exception.reason == REASON["reason"]
    assert exception.by.startswith(f"key {key_words(SECOND.key_id)}, ")
    given = datetime.fromisoformat(exception.at).date()
    assert exception.until - given == timedelta(days=90)
    assert [one.is_open for one in top.exceptions] == [False]
    beside = {result.id for result in controls.results(facts) if "E-1" in result.exceptions}
    assert beside == {"exceptions", "retention", "minimum"}
    later = headline(judged(tmp_path, story.run.id, timedelta(days=91)))
    assert [one.is_open for one in later.exceptions] == [True]
    expired = judged(tmp_path, story.run.id, timedelta(days=91))
    (item,) = [item for item in open_items(expired) if item.control == "exceptions"]
    assert item.found.endswith(f"E-1 expired on {exception.until}.")


def test_an_earlier_exception_to_the_same_target_stays_in_the_register(tmp_path: Path) -> None:
    """Also where the last walk had nothing unsafe to do."""
    story = Story(tmp_path).walk(SHORTER, ["shorter-retention"], **REASON)
    nothing_to_do_again(story.again())
    assert [one.tag for one in headline(judged(tmp_path, story.run.id)).exceptions] == ["E-1"]


def nothing_to_do_again(story: Story) -> None:
    story.connect()
    story.look()
    plan = story.plan(Plan(where=WHERE, changes=()))
    story.approve(plan)
    story.begin("apply")
    story.end("apply", data={"changes": 0})


@pytest.mark.parametrize("seq", range(2, 30, 3))
def test_what_rests_on_a_changed_entry_is_not_known(tmp_path: Path, seq: int) -> None:
    """Or on one after it; what stands before it in the chain keeps its verdict."""
    story = Story(tmp_path)
    with_snapshot()(story)
    good = {result.id: result for result in controls.results(load(tmp_path))}
    story.ledger._db.execute("UPDATE entries SET body = body || ' ' WHERE seq = ?", (seq,))
    for result in controls.results(load(tmp_path)):
        before = good[result.id]
        if result.id == "record":
            assert result.word == "FAIL"
        elif before.entries and max(map(int, before.entries)) >= seq:
            assert result.word == "UNKNOWN", result
            assert f"entry {seq}" in result.why
        else:
            assert result.word == before.word
