"""The top of the report: whether this is the right one, and how to verify it."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from opslib.audit import deeds
from opslib.audit.document import Band, Block, Cell, Code, Cover
from opslib.audit.facts import Facts
from opslib.audit.folder_files import HOW_TO_VERIFY
from opslib.audit.headline import Headline, headline, moment_words
from opslib.audit.words import key_words
from opslib.ledger.signing import key_id

_SANDBOX = "This run used a sandbox, not a live org. It shows the process. It is not evidence about a live org."
_EXAMPLE = "This is the recorded example that comes with opslib. It does not show your org."


def blocks(facts: Facts, *, recorded: bool) -> Sequence[Block]:
    """What the report must not be taken for, then org, bucket, period, run, date, key, and how to verify it."""
    top = headline(facts)
    bands = [
        *([Band("EXAMPLE", _EXAMPLE)] if recorded else []),
        *([Band("SANDBOX", _SANDBOX)] if top.environment == "sandbox" else []),
    ]
    return [*bands, Cover([*_facts(facts, top)])]


def _facts(facts: Facts, top: Headline) -> Iterator[tuple[str, Sequence[Cell]]]:
    report, ledger = facts.bucket_report() or {}, facts.ledger
    where = [f"region {report['region']}"] if report.get("region") else []
    yield "Genesys Cloud org", [f"{top.org} ({top.environment})", Code(top.org_id or "its id is not known")]
    yield "S3 bucket", [Code(top.bucket or "not named"), *where]
    last = max([facts.extent()[1], *(one.at for one in top.evidence)])
    yield "Period covered", [f"{moment_words(facts.started.at)} to", moment_words(last)]
    yield "Run", [Code(facts.run_id), f"started by {facts.actor(facts.started)}"]
    yield (
        "Report prepared",
        [
            f"{facts.moment():%d %b %Y} (UTC)",
            f"from {facts.ledger.entries} ledger entries, by opslib {version('opslib')}",
        ],
    )
    if ledger.key:
        yield "Signed by key", [Code(key_words(key_id(ledger.key))), *_users(facts)]
    else:
        yield "Signed by key", ["not signed"]
    yield "How to verify", [_how_to_verify(facts)]


def _users(facts: Facts) -> list[Cell]:
    """Who used the key that signed the ledger, as far as it says so."""
    own = key_id(facts.ledger.key)
    used = dict.fromkeys(str(deed.actor) for deed in deeds.of_run(facts) if deed.actor.key_id == own)
    return [f"used by {', '.join(used)}"] if used else []


def _how_to_verify(facts: Facts) -> str:
    """The command, and what it must print about the ledger that this report was made from."""
    return (
        "Run “opslib verify FOLDER --key KEY” with the public key that you got from its owner. It must print “intact”."
        f" Without opslib, follow {HOW_TO_VERIFY} in the folder."
        " To verify the ledger, which stays with its owner, pass its path instead of FOLDER: it must print"
        f" “all {facts.ledger.entries} entries are as they were signed”."
    )
