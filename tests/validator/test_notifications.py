"""Which recordings are announced: events, prefixes and endings, for a place that is known and one that is not."""

from typing import Any

import pytest

from opslib.validator.notifications import announced

from ..world import Sandbox
from .buckets import finding, planted

ORG = "6513270e-269e-4d37-b2a7-4de452e6b438/"


def queue(*events: str, **filters: str) -> dict[str, Any]:
    rules = [{"Name": name, "Value": value} for name, value in filters.items()]
    return {"Events": list(events or ["s3:ObjectCreated:*"]), "Filter": {"Key": {"FilterRules": rules}}}


@pytest.mark.parametrize(
    ("queues", "place", "word", "says"),
    [
        ([], ORG, "FAIL", "no new recording is announced"),
        ([queue()], ORG, "PASS", "announced through Queue"),
        ([queue()], None, "PASS", "announced through Queue"),
        # endings
        ([queue(suffix=".jpg")], ORG, "FAIL", "no new recording is announced: what is configured is for other"),
        ([queue(suffix=".wav")], None, "FAIL", "no new recording is announced"),
        ([queue(Suffix=".opus")], ORG, "WARN", "and not their metadata"),
        ([queue(suffix="opus")], ORG, "WARN", "and not their metadata"),
        ([queue(suffix=".json")], ORG, "FAIL", "only the metadata"),
        ([queue(suffix="_metadata.json")], ORG, "FAIL", "only the metadata"),
        ([queue(suffix=".opus"), queue(suffix=".json")], ORG, "PASS", "announced through Queue"),
        # events
        ([queue("s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload")], ORG, "PASS", "Queue"),
        ([queue("s3:ObjectCreated:Put"), queue("s3:ObjectCreated:CompleteMultipartUpload")], ORG, "PASS", "Queue"),
        ([queue("s3:ObjectCreated:Put")], ORG, "WARN", "uploaded in parts are not announced"),
        ([queue("s3:ObjectCreated:CompleteMultipartUpload")], ORG, "WARN", "uploaded in one piece are not announced"),
        ([queue("s3:ObjectCreated:Copy", "s3:ObjectCreated:Post")], ORG, "FAIL", "no new recording"),
        ([queue("s3:ObjectRemoved:*")], ORG, "FAIL", "no new recording"),
        ([queue("s3:LifecycleExpiration:*", "s3:ObjectRestore:*")], None, "FAIL", "no new recording"),
        # prefixes
        ([queue(Prefix=ORG)], ORG, "PASS", "Queue"),
        ([queue(prefix=ORG[:8])], ORG, "PASS", "Queue"),
        ([queue(prefix="recordings/")], ORG, "FAIL", "no new recording"),
        ([queue(prefix="recordings/")], None, "UNKNOWN", "where Genesys writes is not known"),
        ([queue(prefix=f"{ORG}year=2026/")], ORG, "FAIL", f"only recordings below {ORG}year=2026/"),
        ([queue(prefix=f"{ORG}year%3D2026/")], f"{ORG}year=2026/", "PASS", "Queue"),
        ([queue(prefix="logs/", suffix=".opus")], ORG, "FAIL", "no new recording"),
        ([queue(prefix="logs/"), queue(suffix=".opus")], ORG, "WARN", "and not their metadata"),
    ],
)
def test_what_is_announced(queues: list[Any], place: str | None, word: str, says: str) -> None:
    """A recording and its metadata, in one piece or in parts: PASS only for all of them."""
    found = announced({"QueueConfigurations": queues}, place)
    assert (found.verdict, says in found.why) == (word, True), found


def test_event_bridge_gets_everything() -> None:
    """It has no filters in the bucket."""
    configuration = {"TopicConfigurations": [queue(suffix=".jpg")], "EventBridgeConfiguration": {}}
    assert announced(configuration, ORG).why == "announced through EventBridge"


async def test_filters_as_s3_answers_them(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that announces pictures announces no recording."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])
    body = (
        "<NotificationConfiguration><QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:us-east-1:123456789012:q</Queue>"
        "<Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>suffix</Name><Value>.jpg</Value></FilterRule>"
        "</S3Key></Filter></QueueConfiguration></NotificationConfiguration>"
    )
    with planted(sandbox) as bucket:
        bucket.answers(body, "notification")
        found = await finding(sandbox, "notifications", bucket.name)
    assert (found.verdict, "no new recording" in found.cause) == ("FAIL", True)
