"""The buckets that the form suggests."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from opslib.validator.aws import Aws, Unanswered
from opslib.validator.own_buckets import own_buckets

from ..world import Sandbox
from .buckets import keys_of


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


async def test_the_accounts_buckets(sandbox: Sandbox) -> None:
    """All of them, from the sandbox's S3."""
    found = await own_buckets("us-east-1", keys_of(sandbox))
    assert sandbox["bucket"] in found.names
    assert not found.more


async def test_without_the_permission_it_is_named(sandbox: Sandbox) -> None:
    """An account need not let its buckets be listed."""
    with pytest.raises(Unanswered, match="s3:ListAllMyBuckets"):
        await own_buckets("us-east-1", keys_of(sandbox, ["s3:GetBucketAcl"]))


async def test_that_there_are_more_is_known(sandbox: Sandbox) -> None:
    """AWS says it with a token."""
    client: Any = boto3.client("s3", region_name="us-east-1", aws_access_key_id="A", aws_secret_access_key="x")
    with pytest.MonkeyPatch.context() as patch, Stubber(client) as stub:
        stub.add_response("list_buckets", {"Buckets": [{"Name": "first"}, {}], "ContinuationToken": "next"})
        patch.setattr(Aws, "_client", lambda self, service, region: client)
        found = await own_buckets("us-east-1", keys_of(sandbox))
    assert (found.names, found.more) == (("first",), True)
