from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, Field, ValidationError

from opslib.credentials import KeyReference, RoleReference
from opslib.errors import AwsCredentialsInvalid, InvalidInput
from opslib.onboarding.models import (
    ONLY,
    BackendName,
    Consent,
    DataLakeWebhook,
    Onboarding,
    RecordingPolicy,
    StorageTarget,
    check_retention,
)
from opslib.onboarding.values import aws_regions
from opslib.router.apply import remaining_steps
from opslib.router.differences import Difference
from opslib.router.unsafe_changes import UNSAFE
from opslib.settings import ARGUMENT, DEFAULT, REGIONS, Settings
from opslib.validator.profile import BUILT_IN
from opslib.validator.profile_loader import load_profile
from opslib.walk.second_key import is_required
from opslib.walk.state_machine import Result
from opslib.walk.walk import Walk
from opslib.widgets.documents import FeedDocuments
from opslib.widgets.fields import Choice, Control, Secret, Simple
from opslib.widgets.form import Form, Panel, Sections, Summary
from opslib.widgets.names import buckets_lookup, names_lookup
from opslib.widgets.plan import plan_html
from opslib.widgets.receipt import compact
from opslib.widgets.second_key import SecondKey

P = TypeVar("P", RecordingPolicy, DataLakeWebhook)

_CONNECTION = ("region", "client_id", "client_secret", "org_id", "api_url", "login_url")
# What is seldom changed is folded away.
_ADVANCED = {
    "settings": ("org_id", "api_url", "login_url"),
    "target": ("id", "name", "path_prefix", "encryption", "enabled"),
    "policy": ("id", "name", "enabled"),
    "webhook": ("id", "name", "events", "suffix", "topics", "enabled"),
}
_MAY_BE_ABSENT = ("region", "api_url", "login_url")


class _Target(StorageTarget):
    """The bucket, and the rule that it is held to."""

    profile: Annotated[str, Field(description="The rule that the bucket is held to.")] = "baseline"


class _PlatformTarget(_Target):
    """On platform, Genesys takes a role and no AWS keys."""

    credentials: Annotated[RoleReference, Field(title="How Genesys gets access")]


def form(walk: Walk, step: str) -> Panel | None:
    own = _REMOVAL_FORMS if walk.removal else _UNDO_FORMS if walk.undo else {}
    make = {**_FORMS, **own}.get(step)
    return make(walk) if make else None


def _planning(walk: Walk) -> Sections:
    policy, webhook = _part(walk, "policy", RecordingPolicy), _part(walk, "webhook", DataLakeWebhook)
    feed = "Data-lake webhook" if walk.onboarding.backend == "storage-targets" else "Event feed to the data lake"
    return Sections({"Retention policy": policy, feed: webhook})


class PlanSummary(Summary):
    """The plan once more, on the cards that carry it out."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._shown: Result | None = None
        super().__init__("", list)

    def sync(self) -> None:
        plan = self._walk.result("plan") if self._walk.state("plan") == "done" else None
        if plan is not self._shown:
            self._shown = plan
            self.widget.value = compact(plan_html(plan.data).html if plan else "")


def _approval(walk: Walk) -> Sections:
    unsafe, consent = Summary("", lambda: _unsafe(walk)), _consent(walk)

    def needed() -> bool:
        return bool(consent.problems or (not walk.blockers("approve") and walk.needs_consent()))

    panels: dict[str, Panel] = {
        "The plan": PlanSummary(walk),
        "What needs your consent": unsafe,
        "Consent": consent,
        "A second key": SecondKey(walk),
    }
    return Sections(panels, {"Consent": needed})


def _recovery(walk: Walk) -> Summary:
    def blocked() -> list[str]:
        return [] if walk.unfinished else ["no apply is unfinished"]

    return Summary("The unfinished apply", lambda: _unfinished(walk), blocked)


def _accepting(walk: Walk) -> Summary:
    def blocked() -> list[str]:
        return [] if _undecided(walk) else ["no object was found that is not as it was sent"]

    return Summary("What stays as it is", lambda: _not_as_sent(_undecided(walk)), blocked)


def _overwriting(walk: Walk) -> Summary:
    def later() -> list[Difference]:
        """What a rollback would write over. What the server made of our own write is undone without that."""
        to_undo = walk.unfinished.to_undo if walk.unfinished else ()
        return [one for one in _undecided(walk) if one.origin != "server" and one.place in to_undo]

    def blocked() -> list[str]:
        return [] if later() else ["no object was found that a rollback would write over"]

    return Summary("What is written over", lambda: _not_as_sent(later()), blocked)


def _undecided(walk: Walk) -> Sequence[Difference]:
    return walk.unfinished.undecided if walk.unfinished else ()


def _not_as_sent(differences: Sequence[Difference]) -> list[tuple[str, str]]:
    return [(difference.heading, difference.details or "–") for difference in differences]


def _consent(walk: Walk) -> Form[Consent]:
    def commit(value: Consent) -> None:
        walk.consent = value

    return Form(Consent, lambda: walk.consent, commit, include=("confirm", "reason"))


def _unsafe(walk: Walk) -> list[tuple[str, str]]:
    if missing := walk.blockers("approve"):
        return [("Not known yet", "; ".join(missing))]
    if not (unsafe := walk.needs_consent()):
        return [("Nothing", "no change is unsafe")]
    agree = f"type the target's name, {walk.onboarding.target.name}, and a reason"
    if is_required(walk.settings, walk.onboarding):
        agree = "a second key must agree, with a reason"
    return [*((name, UNSAFE[name]) for name in unsafe), ("To agree", agree)]


def _unfinished(walk: Walk) -> list[tuple[str, str]]:
    if not (apply := walk.unfinished):
        return []
    about = [("Started by", apply.user), ("Started at (UTC)", apply.at), ("Where it stands", remaining_steps(apply))]
    return about + _not_as_sent(apply.undecided)


def _part(walk: Walk, name: str, model: type[P]) -> Form[P]:
    def read() -> P:
        return cast(P, getattr(walk.onboarding, name))

    def build(raw: dict[str, Any]) -> P:
        kept = read().model_dump(exclude_unset=True, exclude=set(raw))  # what the form does not show
        return model.model_validate({**kept, **raw})

    def commit(value: P) -> None:
        walk.onboarding = Onboarding.model_validate({**dict(walk.onboarding), name: value})

    fields, regions = _fields(walk.onboarding.backend, name, model), {"region": sorted(aws_regions())}
    form = Form(model, read, commit, include=fields, advanced=_ADVANCED[name], suggestions=regions, build=build)
    if conditions := form.controls.get("conditions"):
        form.lookup = names_lookup(walk, conditions)
    return form


def _target(walk: Walk) -> Form[_Target]:
    model = _PlatformTarget if walk.onboarding.backend == "platform" else _Target

    def read() -> _Target:
        return model.model_validate({**_set(walk.onboarding.target), "profile": walk.onboarding.profile})

    def commit(value: _Target) -> None:
        target, profile = StorageTarget.model_validate(_set(value, "profile")), value.profile
        try:
            check_retention(walk.onboarding.policy.retention_days, target.retention_days)
        except ValueError as error:
            cause = f"{error}. The policy's is on the card “Plan”: shorten that first"
            raise InvalidInput("The retention does not fit", cause=cause, fix="shorten the policy's first") from None
        walk.onboarding = Onboarding.model_validate({**dict(walk.onboarding), "target": target, "profile": profile})

    def build(raw: dict[str, Any]) -> _Target:
        return model.model_validate({**_set(read(), *raw), **raw})

    fields = _fields(walk.onboarding.backend, "target", model)
    fields.insert(fields.index("retention_days") + 1, fields.pop(fields.index("profile")))  # they belong together
    rules: dict[str, str] = {f"{name}: {load_profile(name).title}": name for name in BUILT_IN}
    if (own := walk.onboarding.profile) not in BUILT_IN:
        rules[own] = own
    form = Form(
        model,
        read,
        commit,
        include=fields,
        advanced=_ADVANCED["target"],
        options={"profile": rules},
        suggestions={"bucket": (), "region": sorted(aws_regions())},
        build=build,
        annotate=_say_if_keys_are_set,
    )
    form.lookup = buckets_lookup(walk, form.controls["bucket"])
    return form


def _set(value: StorageTarget, *without: str) -> dict[str, Any]:
    """What was set, without these fields: what the form does not show stays as it is."""
    return value.model_dump(exclude_unset=True, exclude=set(without))


def _fields(backend: BackendName, part: str, model: type[BaseModel]) -> list[str]:
    """Those that the backend knows; on platform without the id, which is the server's, and the path, which goes only as
    far as the integration has a property for it."""
    hidden = {name for other, parts in ONLY.items() if other != backend for name in parts.get(part, ())}
    if backend == "platform":
        hidden |= {"id", "path_prefix", "integration_type", "properties"}
    return [name for name in model.model_fields if name not in hidden]


def _say_if_keys_are_set(controls: Mapping[str, Control]) -> None:
    choice = controls.get("credentials")
    if isinstance(choice, Choice):
        choice.note(keys_note(choice.raw()) if choice.chosen is KeyReference else "")


def keys_note(names: Mapping[str, str]) -> str:
    """Whether the target's AWS key is there, and where it was found."""
    try:
        _, source = KeyReference.model_validate(names).find()
    except ValidationError:
        return ""  # the field itself says what is wrong
    except AwsCredentialsInvalid as error:
        return f"✖ {error.cause}"
    return f"✔ found in {source}"


def connection_form(walk: Walk) -> Form[Settings]:
    """Where the org is, and the OAuth client; each with where it came from."""

    def build(raw: dict[str, Any]) -> Settings:
        known = {name: getattr(walk.settings, name) for name in Settings.model_fields}
        empty = {name: None for name in _MAY_BE_ABSENT if not raw[name]}
        given = {**known, **raw, **empty}
        if not raw["client_secret"]:  # what was typed is forgotten; what the environment has counts again
            del given["client_secret"]
        return Settings(**given)

    def commit(value: Settings) -> None:
        walk.settings = value

    def annotate(controls: Mapping[str, Control]) -> None:
        controls["client_secret"].load(walk.settings.client_secret)  # it may have come from the keyring just now
        for name, words in origins(walk.settings).items():
            control = controls[name]
            if isinstance(control, Simple | Secret):
                control.note(words)

    return Form(
        Settings,
        lambda: walk.settings,
        commit,
        include=_CONNECTION,
        advanced=_ADVANCED["settings"],
        options={"region": {"none: use the API URL": "", **{f"{k} ({v})": v for k, v in REGIONS.items()}}},
        build=build,
        annotate=annotate,
    )


def origins(settings: Settings) -> dict[str, str]:
    """Where each value of the connection came from, in words."""
    sources = settings.sources()
    return {name: "" if sources[name] == DEFAULT else f"from {_here(sources[name])}" for name in _CONNECTION}


def _here(source: str) -> str:
    return "this session" if source == ARGUMENT else source


def _arrival(walk: Walk) -> Panel | None:
    return FeedDocuments(walk) if walk.onboarding.backend == "platform" else None


def _bucket(walk: Walk) -> Summary:
    return Summary("", lambda: [("Bucket", walk.onboarding.target.bucket)])


def _to_remove(walk: Walk) -> Summary:
    """What is removed is found by its id, or on platform by its name: nothing else of the onboarding counts."""

    def rows() -> list[tuple[str, str]]:
        wanted, by_id = walk.onboarding, walk.onboarding.backend == "storage-targets"
        named = {
            "Target": (wanted.target.name, wanted.target.id),
            "Policy": (wanted.policy.name, wanted.policy.id),
            "Webhook": (wanted.webhook.name, wanted.webhook.id),
        }
        return [(label, f"{name} ({id})" if by_id else name) for label, (name, id) in named.items()]

    return Summary("What is removed, where it is in the org", rows)


_FORMS: dict[str, Callable[[Walk], Panel | None]] = {
    "connect": connection_form,
    "validate_bucket": _target,
    "plan": _planning,
    "approve": _approval,
    "apply": PlanSummary,
    "see_event": _arrival,
    "resume": _recovery,
    "rollback": _recovery,
    "accept": _accepting,
    "overwrite": _overwriting,
}
_REMOVAL_FORMS: dict[str, Callable[[Walk], Panel | None]] = {
    "validate_bucket": _bucket,
    "plan": _to_remove,
}
_UNDO_FORMS: dict[str, Callable[[Walk], Panel | None]] = {
    "validate_bucket": _bucket,
    "plan": lambda walk: Summary("What is undone", lambda: [("Run", walk.undo_run)]),
}
