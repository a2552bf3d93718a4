"""The bucket's card: findings, the worst first, with fixes to copy, and the documents, without a secret in them."""

import base64
import json
import re
from html import unescape

import ipywidgets as w
import pytest

from opslib import errors
from opslib.credentials import RoleReference
from opslib.onboarding.models import Onboarding
from opslib.walk.walk import Walk
from opslib.widgets import WalkCards

from ..validator.buckets import planted
from ..world import Sandbox
from .conftest import everything

NAME = "validate_bucket"
DOWNLOAD = re.compile(r'<a download="([^"]+)" href="data:application/octet-stream;base64,([^"]+)">')


def with_bucket(walk: Walk, name: str, **target: object) -> Onboarding:
    changes = {"bucket": name, **target}
    return walk.onboarding.model_copy(update={"target": walk.onboarding.target.model_copy(update=changes)})


def live(cards: WalkCards) -> str:
    return "\n".join(one.value for one in everything(cards[NAME].widget) if isinstance(one, w.HTML))


def downloads(cards: WalkCards) -> dict[str, str]:
    return {name: base64.b64decode(content).decode() for name, content in DOWNLOAD.findall(live(cards))}


async def test_what_is_to_mend_comes_first_and_its_fixes_can_be_copied(
    cards: WalkCards, walk: Walk, sandbox: Sandbox
) -> None:
    """Colour, icon and word; what passed is folded away, but there; a button copies the command beside it; the receipt
    has no buttons and no script."""
    await cards["connect"].click()
    with planted(sandbox) as bucket:
        walk.onboarding = with_bucket(walk, bucket.name)
        with pytest.raises(errors.BucketUnfit, match="Plain HTTP is refused"):
            await cards[NAME].click()
    shown = live(cards)
    assert re.search(r'border-left:5px solid #[0-9a-f]{6}[^>]*><span aria-hidden="true">✖</span> <strong>FAIL', shown)
    assert f"aws s3api put-public-access-block --bucket {bucket.name}" in shown
    assert "navigator.clipboard" in unescape(shown)
    words = r"</span> <strong>(FAIL|PASS|WARN|UNKNOWN|not checked)</strong>"
    before, *folded = shown.split("<details><summary>✔ ")
    assert set(re.findall(words, before)) == {"FAIL", "WARN"}
    passed, not_checked = "".join(folded).split("<details><summary>– ")
    assert set(re.findall(words, passed)) == {"PASS"}
    assert set(re.findall(words, not_checked)) == {"not checked"}
    assert passed.startswith(f"{len(re.findall(words, passed))} PASS")
    receipt = cards[NAME].receipt()
    assert "onclick" not in receipt
    assert "<button" not in receipt
    assert f"--bucket {bucket.name}" in receipt


def test_documents_are_there_before_anything_runs(cards: WalkCards, walk: Walk, sandbox: Sandbox) -> None:
    """Who has no permission yet can ask for just what is needed; no key of ours stands in it."""
    found = downloads(cards)
    assert list(found) == ["opslib-checks.json", "genesys-writer.json", "recordings.tf"]
    checks = json.loads(found["opslib-checks.json"])
    assert f"arn:aws:s3:::{sandbox['bucket']}" in {str(one["Resource"]) for one in checks["Statement"]}
    assert f'bucket = "{sandbox["bucket"]}"' in found["recordings.tf"]
    assert sandbox["aws_secret_access_key"] not in str(found) + live(cards)
    assert sandbox["aws_access_key_id"] not in str(found) + live(cards)


def test_documents_follow_the_form(cards: WalkCards, walk: Walk) -> None:
    """A role brings its trust document; a profile that is not there is said, in place of the documents."""
    role = RoleReference(role_arn="arn:aws:iam::123456789012:role/R", external_id="org-1")
    assert downloads(cards)
    walk.onboarding = with_bucket(walk, "another-bucket", credentials=role)
    found = downloads(cards)
    assert "org-1" in found["genesys-trust.json"]
    assert all(
        "another-bucket" in found[name] for name in ("opslib-checks.json", "genesys-writer.json", "recordings.tf")
    )
    walk.onboarding = walk.onboarding.model_copy(update={"profile": "nope"})
    assert downloads(cards) == {}
    assert "There is no profile nope" in live(cards)


async def test_documents_know_the_buckets_key_once_it_was_asked(cards: WalkCards, walk: Walk, sandbox: Sandbox) -> None:
    """Then the policies name just that key."""
    await cards["connect"].click()
    with planted(sandbox) as bucket:
        key = bucket.kms()
        walk.onboarding = with_bucket(walk, bucket.name, encryption="aws:kms")
        with pytest.raises(errors.BucketUnfit):
            await cards[NAME].click()
    found = downloads(cards)
    assert key in found["genesys-writer.json"]
    assert key in found["opslib-checks.json"]
