"""Where the files of an S3 Inventory report are: a folder on this machine, or the bucket that S3 writes them to."""

from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

from opslib.credentials import AwsKeys
from opslib.errors import InvalidInput
from opslib.files import open_regular, read_regular
from opslib.settings import MAX_ANSWER_BYTES
from opslib.validator.aws import Unanswered, ask, s3_client
from opslib.validator.aws_calls import Call

_GET = Call("s3", "get_object", "s3:GetObject")
_MANIFEST, _CHECKSUM = "manifest.json", "manifest.checksum"
_CHUNK_BYTES = 2**20


class Unreadable(Exception):
    """A file of the report cannot be read. The text says why, `fix` what would help."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.fix = fix


class InventoryFiles(Protocol):
    """`name` is the manifest as the user named it."""

    name: str

    def manifest(self) -> bytes:
        """Raises InvalidInput."""

    def checksum(self) -> str:
        """What manifest.checksum says. Raises Unreadable."""

    def file(self, key: str, folder: Path) -> Path:
        """A file of the report, in `folder` if it had to be fetched. Raises Unreadable."""


def files_of(manifest: str, keys: AwsKeys | None, region: str) -> InventoryFiles:
    """Of an s3:// URL, or of a path."""
    return _InBucket(manifest, keys, region) if manifest.startswith("s3://") else _InFolder(Path(manifest))


class _InFolder:
    """A copy of the report. Its files are beside the manifest, in the folder `data` beside the manifest's folder, or
    where their keys say below a folder above."""

    def __init__(self, path: Path) -> None:
        self._path, self.name = path, str(path)

    def manifest(self) -> bytes:
        try:
            return read_regular(self._path, MAX_ANSWER_BYTES)
        except OSError as error:
            raise _no_manifest(self.name, error.strerror or str(error)) from None

    def checksum(self) -> str:
        try:
            return read_regular(self._path.with_name(_CHECKSUM), 1000).decode(errors="replace").strip()
        except OSError as error:
            raise Unreadable(error.strerror or str(error), "") from None

    def file(self, key: str, folder: Path) -> Path:
        parts = PurePosixPath(key)
        if parts.is_absolute() or ".." in parts.parts or not parts.name:
            raise Unreadable("its key in the manifest is not one of S3 Inventory", "take the next report")
        here = self._path.resolve().parent
        places = [here / parts.name, here.parent / "data" / parts.name, *(above / parts for above in here.parents)]
        for place in places:
            if place.is_file():
                open_regular(place).close()
                return place
        raise Unreadable("it is not there", f"copy it to {here.parent / 'data'}")


class _InBucket:
    def __init__(self, url: str, keys: AwsKeys | None, region: str) -> None:
        parts = urlsplit(url)
        self.name, self._bucket, self._key = url, parts.netloc, parts.path.lstrip("/")
        if not self._bucket or not self._key.endswith(_MANIFEST):
            raise _no_manifest(url, "it is not of the form s3://BUCKET/…/manifest.json")
        self._keys, self._region = keys, region
        self._client: Any = None

    def manifest(self) -> bytes:
        try:
            return self._get(self._key).read(MAX_ANSWER_BYTES)  # type: ignore[no-any-return]
        except Unreadable as error:
            raise _no_manifest(self.name, str(error)) from None

    def checksum(self) -> str:
        body: bytes = self._get(self._key.removesuffix(_MANIFEST) + _CHECKSUM).read(1000)
        return body.decode(errors="replace").strip()

    def file(self, key: str, folder: Path) -> Path:
        from botocore.exceptions import BotoCoreError

        path = folder / "file"
        body = self._get(key)
        try:
            with path.open("xb") as file:
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    file.write(chunk)
        except BotoCoreError as error:
            raise Unreadable(f"it was cut off ({error})", "run this again; what was read is kept") from None
        return path

    def _get(self, key: str) -> Any:
        try:
            return ask(self._made, "GetObject", _GET, {"Bucket": self._bucket, "Key": key})["Body"]
        except Unanswered as refused:
            raise Unreadable(
                refused.why, f"allow {_GET.action} on s3://{self._bucket}/{key}, or copy it there"
            ) from None

    def _made(self) -> Any:
        self._client = self._client or s3_client(self._region, self._keys)
        return self._client


def _no_manifest(name: str, cause: str) -> InvalidInput:
    fix = "name the manifest.json of an S3 Inventory report, as a path or as s3://BUCKET/…/manifest.json"
    return InvalidInput(f"The inventory {name} cannot be used", cause=cause, fix=fix)
