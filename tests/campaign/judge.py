"""What must hold whatever went wrong; each function names what does not."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from botocore.loaders import create_loader

from opslib.audit.verify import verify
from opslib.ledger.database import FILE_NAME
from opslib.router.journal import is_left_in
from opslib.validator.aws_calls import CALLS

from .proxy import Place
from .walks import Ended, Walk, World

# What ends an apply that was left unfinished, once the fault is gone; the last one for an object that differs.
_RECOVERIES = (["resume"], ["rollback"], ["rollback", "--overwrite"])


def ended(done: Ended, codes: Iterable[int] = (0, 1, 3)) -> Iterator[str]:
    """It ended, with a documented code, and one JSON document; an error has a cause and a fix."""
    if done.code is None:
        yield "it hangs"
        return
    if done.code not in codes:
        yield f"exit code {done.code}"
    if "Traceback" in done.out + done.err:
        yield f"a traceback: {done.err[-400:]}"
    document = done.document()
    if not isinstance(document, dict):
        yield f"no JSON document: {done.out[:200]!r}"
    elif "error" in document:
        if document["error"] == "Defect":
            yield f"a defect: {document['cause']} at {document.get('trace', '')[-400:]}"
        if done.code == 0 or not (document["title"] and document["cause"] and document["fix"]):
            yield f"an error without cause and fix, or with exit code 0: {done.out[:300]}"


def kept(world: World, done: Ended) -> Iterator[str]:
    """No secret is anywhere, nobody else was asked, and the ledger is whole."""
    facts = {world.sandbox["client_secret"], world.sandbox["aws_secret_access_key"]}
    places = {"the output": (done.out + done.err).encode()}
    places |= {file.name: file.read_bytes() for file in world.home.glob("*") if file.is_file()}
    for name, content in places.items():
        if any(secret.encode() in content for secret in facts | world.proxy.secrets):
            yield f"a secret in {name}"
    if world.proxy.foreign:
        yield f"another host was asked: {world.proxy.foreign}"
    if (world.home / FILE_NAME).exists() and not verify(world.home).intact:
        yield f"the ledger is not intact: {verify(world.home)}"


def settled(world: World, walk: Walk, done: Ended, before: bytes, wanted: bytes) -> Iterator[str]:
    """The org is as the exit code says; what is unfinished can be ended, and then the org is as before or as wanted."""
    if walk.org is None or done.code is None:
        return
    now, left = world.state(walk), _is_left(world)
    document = done.document() or {}
    if done.code == 0 and now != wanted:
        yield f"success, and the org is not as wanted: {now!r}"
    as_said = (before,) if document.get("error") == "RolledBack" else (before, wanted)
    if done.code == 1 and (left or now not in as_said):
        yield f"exit code 1, and work is left ({left}), or the org is neither as before nor as wanted: {now!r}"
    if done.code == 3 and not (left or now == wanted):
        yield f"exit code 3, and nothing is left to do: {document}"
    said = [done]
    for words in _RECOVERIES if left else ():
        said.append(world.command([*words, "--json"]))
        yield from ended(said[-1])
        if not _is_left(world):
            break
    if _is_left(world):
        yield f"stuck: {[one.out for one in said]}"
    elif done.code == 3 and (now := world.state(walk)) not in (before, wanted):
        yield f"ended, and the org is neither as before nor as wanted: {now!r}: {[one.out for one in said]}"


def _is_left(world: World) -> bool:
    return (world.home / FILE_NAME).exists() and is_left_in(world.home, world.proxy.urls["api"])


def believed(done: Ended, unbroken: Ended, unanswered: Place | None) -> Iterator[str]:
    """No PASS where the unbroken answers give none, and none that rests on the request that was not answered."""
    said, usual = _findings(done.document()), _findings(unbroken.document())
    call = _call(unanswered.asked) if unanswered else ""
    for name, finding in said.items():
        if finding["verdict"] != "PASS":
            continue
        if usual.get(name, {}).get("verdict") != "PASS":
            yield f"{name} is PASS: {finding['cause']}"
        if call in [one["call"] for one in finding["evidence"]]:
            yield f"{name} is PASS, and {call} was not answered: {json.dumps(finding['evidence'])[:500]}"
    if said and done.code == 0 and unbroken.code != 0:
        yield "exit code 0 for a bucket that is not fit"


def _findings(document: Any) -> dict[str, Any]:
    """The findings about a bucket, or the answers about an org, by what was asked."""
    found = document if isinstance(document, dict) else {}
    rows = {
        row["question"]: {"verdict": row["word"], "cause": row["found"], "evidence": []}
        for row in found.get("rows", ())
    }
    return rows | {finding["check"]: finding for finding in found.get("findings", ())}


@cache
def _uris() -> dict[tuple[str, frozenset[str]], str]:
    """Each call to S3 by its method and what its query names."""
    operations = create_loader().load_service_model("s3", "service-2")["operations"]
    named = {name: operations[name]["http"] for name in CALLS if name in operations}
    return {
        (
            http["method"],
            frozenset(part.split("=")[0] for part in http["requestUri"].partition("?")[2].split("&") if part),
        ): name
        for name, http in named.items()
    }


def _call(asked: str) -> str:
    """The name of the AWS call that a request is; empty for others, and where it is not told by method and query."""
    service, method, _, *query = asked.split()
    if service != "s3" or method in ("HEAD", "PUT", "DELETE"):  # a HEAD has no body that could be odd
        return ""
    names = frozenset("".join(query).split("&")) - {"", "prefix"}
    return next(iter(names)) if method == "POST" and names != {"uploads"} else _uris().get((method, names), "")
