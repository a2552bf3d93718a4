"""Record the example ledger that comes with the kit: two walks on the sandbox, with troubles on the way.

    .venv/bin/python -m tests.audit.record

It is signed with a key that is thrown away. The page made from it is compared byte by byte, so record anew only when
the ledger's content changes on purpose.
"""

import asyncio
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import httpx

from opslib import Walk
from opslib.audit.report import RECORDED
from opslib.errors import BucketUnfit, RolledBack
from opslib.ledger.database import FILE_NAME
from opslib.sandbox.launch import Sandbox, start_sandbox


def fault(sandbox: Sandbox, **what: Any) -> None:
    httpx.post(sandbox.info["control_url"] + "/faults", json=what).raise_for_status()


async def walk_to_an_unfit_bucket(sandbox: Sandbox) -> None:
    """The bucket lacks its policy, so plain HTTP is allowed; then it is put back."""
    s3, bucket = boto3.client("s3"), sandbox.info["bucket"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    async with Walk() as walk:
        await walk.run("connect")
        try:
            await walk.run("validate_bucket")
        except BucketUnfit as error:
            print(error)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


async def walk_with_troubles(sandbox: Sandbox) -> None:
    async with Walk() as walk:
        for step in ("connect", "validate_bucket", "plan", "approve"):
            await walk.run(step)
        fault(sandbox, method="PUT", path_regex="targets", status=429, headers={"Retry-After": "1"}, times=1)
        fault(sandbox, method="PUT", path_regex="policies", status=400, body={"message": "under maintenance"}, times=1)
        try:
            await walk.run("apply")
        except RolledBack as error:
            print(error)
        await walk.run("apply")
        await walk.run("see_event")
        await walk.run("report")


def main() -> None:
    with tempfile.TemporaryDirectory() as home, start_sandbox(seed=7) as sandbox:
        workspace, key = Path(home) / "workspace", Path(home) / "signing_key.pem"
        own = {"OPSLIB_HOME": str(workspace), "OPSLIB_SIGNING_KEY": str(key), "LOGNAME": "engineer"}
        os.environ.update(sandbox.environment() | own)
        with patch("platform.node", return_value="example-workstation"), patch("os.getuid", return_value=1000):
            asyncio.run(walk_to_an_unfit_bucket(sandbox))
            asyncio.run(walk_with_troubles(sandbox))
        RECORDED.parent.mkdir(exist_ok=True)
        RECORDED.unlink(missing_ok=True)
        with closing(sqlite3.connect(workspace / FILE_NAME)) as db:
            # One file without a write-ahead log: readable where nothing may be written.
            db.execute("VACUUM INTO ?", (str(RECORDED),))


if __name__ == "__main__":
    main()
