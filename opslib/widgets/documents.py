import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from opslib.credentials import RoleReference
from opslib.errors import OpslibError
from opslib.html import text
from opslib.onboarding.values import folder_of
from opslib.validator.checks.encryption import key_in
from opslib.validator.documents import event_feed, iam
from opslib.validator.documents.terraform import template
from opslib.validator.profile_loader import load_profile
from opslib.validator.wanted import wanted_of
from opslib.walk.context import WalkContext
from opslib.widgets.form import Summary
from opslib.widgets.receipt import compact

# Says how it went on the button itself. Without https or loopback a page has no clipboard; the text can be selected.
_COPY = (
    "(navigator.clipboard?.writeText(this.previousElementSibling.textContent) ?? Promise.reject())"
    ".then(() => this.textContent = 'Copied', () => this.textContent = 'Click the text, then copy it')"
)
_BUTTON = "font:inherit;color:inherit;background:transparent;border:1px solid;border-radius:3px;cursor:pointer"


def selectable(source: str) -> str:
    """A command or document; a click selects all of it, to be copied."""
    style = "display:block;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all"
    return f'<code style="{style}">{text(source)}</code>' if source else ""


def copyable(source: str) -> str:
    """A command or document with a button that copies it."""
    button = f'<button type="button" style="{_BUTTON}" onclick="{text(_COPY)}">Copy</button>'
    return f"{selectable(source)} {button}" if source else ""


def bucket_documents_html(walk: WalkContext, report: Mapping[str, Any]) -> str:
    """What the bucket needs; made from the form, so also before anything runs. `report` may tell the KMS key."""
    try:
        parts = [_document_html(*document) for document in _bucket_documents(walk, report)]
    except OpslibError as error:  # the form names a profile that is not there, say
        return f"<p>{text(error.title)}: {text(error.cause)}</p>"
    return f"<details><summary>IAM policies and Terraform for this bucket</summary>{''.join(parts)}</details>"


# Where the receipt's reader finds the AWS side of the feed.
_FEED_ROWS = [("The AWS side of the feed", "opslib check-feed FILE checks it; --print aws-cli or terraform makes it")]


class FeedDocuments(Summary):
    """The AWS side of the event feed, to copy or download; on the card of the step that needs it."""

    def __init__(self, walk: WalkContext) -> None:
        self._walk = walk
        super().__init__("", lambda: _FEED_ROWS)

    def sync(self) -> None:
        """Follow the onboarding, and the organisation that `connect` found."""
        connected = self._walk.result("connect")
        org_id = str(connected.data.get("org_id") or "") if connected else ""
        webhook = self._walk.onboarding.webhook
        parts = (
            _document_html("As AWS CLI commands", "change-feed.sh", event_feed.commands(webhook, org_id)),
            _document_html("As Terraform", "change-feed.tf", event_feed.terraform(webhook, org_id)),
        )
        title = "The AWS side of the feed: from Genesys's event source to the data lake"
        details = f"<details><summary>{title}</summary>{''.join(parts)}</details>"
        self.widget.value = compact(details if org_id else f"<p>{title} is shown once connected.</p>")


def _bucket_documents(walk: WalkContext, report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Title, name of the file, and content of each document."""
    credentials = walk.onboarding.target.credentials
    role = credentials if isinstance(credentials, RoleReference) else None
    wanted = replace(
        wanted_of(walk.onboarding, _place(walk, report), role, walk.settings.region), kms_key=key_in(report)
    )
    profile = load_profile(walk.onboarding.profile)
    yield "For the key that checks", "opslib-checks.json", _json(iam.for_checks(wanted, profile))
    yield "For what Genesys writes with", "genesys-writer.json", _json(iam.for_writer(wanted))
    if role:
        document = iam.trust(role.external_id, wanted.partition, wanted.genesys_domain)
        yield "Who may assume the role", "genesys-trust.json", _json(document)
    yield f"A bucket that passes {profile.name}", "recordings.tf", template(wanted, profile)


def _place(walk: WalkContext, report: Mapping[str, Any]) -> str | None:
    """Where the bucket was checked; before that, on platform, only the org knows."""
    prefix = report["prefix"] if report else None
    if not report and walk.onboarding.backend == "storage-targets":
        prefix = walk.onboarding.target.path_prefix
    return None if prefix is None else folder_of(prefix)


def _document_html(title: str, name: str, content: str) -> str:
    link = f"data:application/octet-stream;base64,{base64.b64encode(content.encode()).decode()}"
    download = f'<a download="{name}" href="{link}">Download {name}</a>'
    return f"<details><summary>{text(title)}</summary><p>{download}</p><p>{copyable(content)}</p></details>"


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
