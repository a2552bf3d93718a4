"""`opslib verify`, `export-ledger` and `anchor` as processes, on the sandbox's S3."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opslib.audit.anchor import AnchorBucket
from opslib.audit.verify import verify
from opslib.ledger.database import FILE_NAME
from opslib.ledger.ledger import Ledger
from opslib.ledger.signing import Signer, read_public_key
from opslib.validator.aws import Answer, Aws

from ..audit.tampering import load, write_ledger
from ..forks import opslib
from ..validator.buckets import keys_of
from ..world import SIGNING_KEY, Sandbox, environment, without_settings


class Workspace:
    """A workspace with a ledger, and opslib's command line in it."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.env = environment(sandbox, self.home)
        self.ledger = Ledger(self.home)
        self.work()

    def work(self) -> None:
        run = self.ledger.start_run("walk")
        for number in range(3):
            run.append("note", {"number": number})
        self.ledger.checkpoint()

    def opslib(self, *words: str | Path, code: int = 0, **env: str) -> str:
        ended = opslib(without_settings() | self.env | env, *words)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def json(self, *words: str | Path, code: int = 0, **env: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.opslib(*words, "--json", code=code, **env))
        return document


@pytest.fixture
def workspace(sandbox: Sandbox, tmp_path: Path) -> Iterator[Workspace]:
    one = Workspace(sandbox, tmp_path)
    yield one
    one.ledger.close()


@pytest.fixture
def bucket(sandbox: Sandbox, request: pytest.FixtureRequest) -> str:
    """A bucket of its own that holds every new object for 30 days."""
    name = "anchors-" + request.node.name.replace("_", "-")[5:50].strip("-").lower()
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}}
    sandbox.s3().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    sandbox.s3().put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)
    return name


@pytest.mark.slow
def test_verify_says_what_it_proves_and_what_not(workspace: Workspace) -> None:
    """The key as text or file; another one is exit code 1; without, this machine's own is known."""
    pub = Path(os.environ[SIGNING_KEY]).with_suffix(".pub")
    said = workspace.opslib("verify", workspace.home)
    assert said.startswith("intact: all 5 entries are as they were signed\nhead ")
    assert read_public_key(str(pub)) in said
    assert "whose key it is" not in said
    for key in (pub, pub.read_text()):
        assert "whose key it is" not in workspace.opslib("verify", workspace.home, "--key", key)
    other = Signer.load(workspace.folder / "other.pem").public_key
    found = workspace.json("verify", workspace.home, "--key", other, code=1)
    assert (found["intact"], found["state"], found["bad_seq"]) == (False, "broken", 1)
    assert workspace.json("verify", workspace.home, "--key", "nonsense", code=1)["error"] == "InvalidInput"


def test_unsigned_is_said_and_is_not_success(workspace: Workspace) -> None:
    """A ledger of schema version 1, and an empty one."""
    v1 = Path(__file__).parents[1] / "data" / "ledger_v1.sqlite3"
    assert workspace.opslib("verify", v1, code=1).startswith("UNSIGNED: the chain holds, but nobody signed it")


@pytest.mark.slow
def test_an_export_replaces_an_export_only(workspace: Workspace, tmp_path: Path) -> None:
    """Not the ledger, its log or its key, not through a link, and no other file; all stays as it was."""
    key, note, link = Path(os.environ[SIGNING_KEY]), tmp_path / "note.json", tmp_path / "link"
    note.write_text('{"a":1}\n')
    link.symlink_to(workspace.home / FILE_NAME)
    kept = [workspace.home / FILE_NAME, key, key.with_suffix(".pub"), note]
    before = [file.read_bytes() for file in kept]
    moved = tmp_path / "no-key-yet.pem"
    for out in (*kept, link, workspace.home / f"{FILE_NAME}-wal", workspace.home / f"{FILE_NAME}-shm"):
        assert "name another file; nothing was written" in workspace.opslib("export-ledger", "--out", out, code=1)
    workspace.opslib("export-ledger", "--out", moved, code=1, **{SIGNING_KEY: str(moved)})
    assert [file.read_bytes() for file in kept] == before
    assert not moved.exists()
    assert verify(workspace.home).intact
    workspace.work()


@pytest.mark.slow
def test_an_export_is_verified_as_it_is_written(workspace: Workspace) -> None:
    """It stands for the ledger where there is none."""
    out = workspace.folder / "evidence" / "ledger.jsonl"
    assert f"written: {out}\nintact: all 5" in workspace.opslib("export-ledger", "--out", out)
    assert workspace.json("export-ledger", "--out", out)["written"] == str(out)
    shutil.rmtree(workspace.home)
    assert workspace.json("verify", out)["entries"] == 5
    out.write_bytes(out.read_bytes().replace(b'\\"number\\":1', b'\\"number\\":7'))
    assert "NOT INTACT: entry 4" in workspace.opslib("verify", out, code=1)


@pytest.mark.slow
def test_an_anchor_shows_what_a_signature_cannot(workspace: Workspace, bucket: str, sandbox: Sandbox) -> None:
    """First only said, then written; an older copy and a record that the key's owner made anew are then found."""
    shutil.copytree(workspace.home, older := workspace.folder / "older")
    assert "nothing was written; add --yes" in workspace.opslib("anchor", bucket, code=2)
    assert sandbox.s3().list_object_versions(Bucket=bucket).get("Versions", []) == []
    assert workspace.json("verify", workspace.home, "--anchor", bucket, code=1)["error"] == "LedgerError"

    done = workspace.json("anchor", bucket, "--yes")
    assert (done["anchored"], done["seq"], done["lock"]["mode"], done["lock"]["days"]) == (True, 8, "COMPLIANCE", 30)
    said = workspace.opslib("verify", workspace.home, "--anchor", bucket)
    assert said.startswith("intact: all 9 entries")
    assert "anchor of entries 1 to 8, kept since 20" in said
    assert "not proved: the same of the entries after 8" in said

    assert verify(older).intact
    found = workspace.json("verify", older, "--anchor", bucket, code=1)
    assert (found["state"], found["bad_seq"]) == ("broken", 6)

    anew, path = load(workspace.home / FILE_NAME), workspace.folder / "anew.sqlite3"
    anew.entries[2]["body"] = '{"edited":true}'
    anew.rechain(3)
    anew.refit(Signer.load(Path(os.environ[SIGNING_KEY])))
    Ledger(workspace.folder / "empty").close()
    write_ledger(anew, workspace.folder / "empty" / FILE_NAME, path)
    assert verify(path).intact
    found = workspace.json("verify", path, "--anchor", bucket, code=1)
    assert (found["state"], found["bad_seq"]) == ("broken", 1)
    assert "rewritten" in found["reason"]


@pytest.mark.slow
def test_nothing_hides_an_anchor(workspace: Workspace, bucket: str, sandbox: Sandbox) -> None:
    """It cannot be deleted; newer versions, delete markers and other people's objects are looked past."""
    s3 = sandbox.s3()
    first = workspace.json("anchor", bucket, "--yes")
    workspace.work()
    second = workspace.json("anchor", bucket, "--yes")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=first["object"], VersionId=first["version"])
    s3.delete_object(Bucket=bucket, Key=first["object"])
    s3.put_object(Bucket=bucket, Key=second["object"], Body=b"nothing")
    s3.put_object(Bucket=bucket, Key=first["object"].rsplit("/")[0] + "/large", Body=b" " * 20_000)
    copied = s3.get_object(Bucket=bucket, Key=first["object"], VersionId=first["version"])["Body"].read()
    s3.put_object(Bucket=bucket, Key=first["object"], Body=copied.replace(b'"seq":8', b'"seq":7'))
    said = workspace.opslib("verify", workspace.home, "--anchor", bucket)
    assert said.count("anchor of entries 1 to") == 2
    assert "2 objects there are no anchors by this key" in said


async def test_anchors_are_read_page_by_page(
    workspace: Workspace, bucket: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many S3 puts on a page, here two, every version is read."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sandbox["s3_url"])
    call, pages = Aws.call, list[str]()

    def two_a_page(self: Aws, region: str, name: str, params: Mapping[str, Any]) -> Answer:
        pages.append(name)
        return call(self, region, name, {**params, "MaxKeys": 2} if name == "ListObjectVersions" else params)

    monkeypatch.setattr(Aws, "call", two_a_page)
    found = verify(workspace.home)
    async with AnchorBucket.open(bucket, sandbox["region"], keys_of(sandbox)) as place:
        written = [await place.write(found.first, workspace.ledger.checkpoint()) for _ in range(5)]
        anchors, others = await place.read(found)
    assert [(one.object, one.version) for one in anchors] == written
    assert (others, pages.count("ListObjectVersions")) == (0, 3)


@pytest.mark.slow
def test_an_audit_has_no_anchors(workspace: Workspace, bucket: str) -> None:
    """Its manifest names a head, and only the ledger itself can be followed to it."""
    folder = workspace.folder / "audit"
    workspace.opslib("audit", "--out", folder)
    assert workspace.json("verify", folder)["intact"]
    assert workspace.json("verify", folder, "--anchor", bucket, code=1)["error"] == "InvalidInput"


@pytest.mark.slow
def test_a_bucket_that_cannot_keep_anchors_is_refused(workspace: Workspace, sandbox: Sandbox) -> None:
    """Without Object Lock, without a default, or not there: nothing is written, not even to the ledger."""
    s3 = sandbox.s3()
    s3.create_bucket(Bucket="anchors-no-lock")
    s3.create_bucket(Bucket="anchors-no-default", ObjectLockEnabledForBucket=True)
    for bucket in ("anchors-no-lock", "anchors-no-default"):
        for words in ([], ["--yes"]):
            assert workspace.json("anchor", bucket, *words, code=1)["error"] == "BucketUnfit"
        assert s3.list_object_versions(Bucket=bucket).get("Versions", []) == []
    assert workspace.json("anchor", "anchors-not-there", "--yes", code=1)["error"] == "BucketNotFound"
    assert workspace.json("anchor", "No Bucket", "--yes", code=1)["error"] == "InvalidInput"
    assert verify(workspace.home).entries == 5


def test_a_ledger_that_is_not_intact_is_not_anchored(workspace: Workspace, bucket: str, sandbox: Sandbox) -> None:
    """An anchor of a forged ledger would make it look true."""
    tables = load(workspace.home / FILE_NAME)
    workspace.ledger.close()
    tables.entries[1]["body"] = "{}"
    Ledger(workspace.folder / "empty").close()
    for file in workspace.home.iterdir():
        file.unlink()
    write_ledger(tables, workspace.folder / "empty" / FILE_NAME, workspace.home / FILE_NAME)
    refused = workspace.json("anchor", bucket, "--yes", code=1)
    assert (refused["error"], "entry 2" in refused["cause"]) == ("LedgerError", True)
    assert sandbox.s3().list_object_versions(Bucket=bucket).get("Versions", []) == []


def test_writing_needs_two_permissions_and_a_refusal_stands_in_the_ledger(
    workspace: Workspace, bucket: str, sandbox: Sandbox
) -> None:
    """To read the lock and to put the object; without the second the run says so, and the ledger stays intact."""

    def user(*actions: str) -> dict[str, str]:
        keys = keys_of(sandbox, actions)
        secret = keys.secret_access_key.get_secret_value()
        return {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": secret}

    # moto asks for ListBucket where AWS asks for GetBucketObjectLockConfiguration.
    lock = ("s3:GetBucketObjectLockConfiguration", "s3:ListBucket")
    denied = workspace.json("anchor", bucket, "--yes", code=1, **user(*lock))
    assert (denied["error"], "s3:PutObject is missing" in denied["cause"]) == ("BucketAccessDenied", True)
    assert [entry.kind for entry in workspace.ledger.entries()][-3:] == ["run.started", "identity", "anchor.failed"]
    assert workspace.json("anchor", bucket, "--yes", **user(*lock, "s3:PutObject"))["anchored"]
    assert [entry.kind for entry in workspace.ledger.entries()][-3:] == ["run.started", "identity", "anchor.done"]
    assert verify(workspace.home).intact
