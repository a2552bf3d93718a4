"""Who AWS says is asking."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from opslib.credentials import AwsKeys
from opslib.validator.aws import Answer, Aws, Evidence
from opslib.validator.caller import Caller, ask_caller

from ..world import Sandbox
from .buckets import keys_of


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])


async def test_aws_names_whose_keys_they_are(sandbox: Sandbox) -> None:
    """Each key pair has its own ARN."""
    one, other = keys_of(sandbox), keys_of(sandbox, ["s3:ListBucket"])
    callers = [await ask_caller(sandbox["region"], keys) for keys in (one, other)]
    said = [
        sandbox.s3(keys.access_key_id, keys.secret_access_key.get_secret_value(), "sts").get_caller_identity()["Arn"]
        for keys in (one, other)
    ]
    assert callers == [Caller(arn) for arn in said]
    assert callers[0] != callers[1]


@pytest.mark.parametrize("trouble", ["a key that does not exist", "nobody there"])
async def test_without_an_answer_the_reason_is_there(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A refusal and a dead connection are no names, and no errors."""
    keys = keys_of(sandbox)
    if trouble == "nobody there":
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    else:
        keys = AwsKeys(access_key_id="AKIANOBODY0000000000", secret_access_key=SecretStr("x" * 40))
    caller = await ask_caller(sandbox["region"], keys)
    assert (caller.arn, caller.why.startswith("GetCallerIdentity: ")) == ("", True)


@pytest.mark.parametrize("data", [None, {}, {"Account": "1"}, {"Arn": ""}, {"Arn": ["arn"]}])
async def test_an_answer_without_an_arn_names_nobody(monkeypatch: pytest.MonkeyPatch, data: Any) -> None:
    """An answer of another shape is none."""

    def call(self: Aws, region: str, name: str, params: Mapping[str, Any]) -> Answer:
        return Answer(data, Evidence(name, "", 200, None, data))

    monkeypatch.setattr(Aws, "call", call)
    assert await ask_caller("us-east-1", None) == Caller("", "GetCallerIdentity: the answer names no ARN")
