"""The disk is full from the n-th entry or checkpoint of the ledger on, for every n of an apply and of its rollback.

An exit code says how the org is: 0 as wanted, 1 as before with nothing left to do, 3 with work left, which is named.
"""

import json
from pathlib import Path

import pytest

from opslib.audit.verify import verify
from opslib.ledger.ledger import Ledger
from opslib.router.journal import is_left_in

from ..forks import opslib
from ..world import Api, Sandbox, environment, write_onboarding
from .org import PATHS, clear, inject, state

# To try every write takes minutes; with 1 here all are tried. At the end are those where nothing is left to do.
_EVERY = 4
_APPLY = ("apply", "--yes", "--allow", "delete", "--reason", "a test", "--json")


def _start_anew(sandbox: Sandbox, api: Api, home: Path) -> bytes:
    clear(api)
    for path in home.glob("*"):
        path.unlink()
    return state(api)


def _writes_until(home: Path, kind: str) -> int:
    """How many entries and checkpoints come before the first entry of this kind."""
    ledger = Ledger(home)
    seq = next(ledger.entries(kind)).seq
    count: int = ledger._db.execute("SELECT count(*) FROM checkpoints WHERE seq < ?", [seq]).fetchone()[0]
    ledger.close()
    return seq - 1 + count


def _all_writes(home: Path) -> int:
    found = verify(home)
    return found.entries + found.checkpoints


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("refused", [False, True], ids=["apply", "rollback"])
def test_a_disk_that_is_full_at_any_write(sandbox: Sandbox, api: Api, tmp_path: Path, refused: bool) -> None:
    """The exit code is true, what is left is named, and with space again `resume` or the same command ends it."""
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    home = tmp_path / "home"
    env = environment(sandbox, home)
    file = write_onboarding(tmp_path / "onboarding.yaml", sandbox)
    apply = (*_APPLY[:1], file, *_APPLY[1:])
    before = _start_anew(sandbox, api, home)
    assert opslib(env, *apply).returncode == 0
    after = state(api)
    _start_anew(sandbox, api, home)
    if refused:
        inject(sandbox, "PUT", PATHS[2], status=403)
    assert opslib(env, *apply).returncode == (1 if refused else 0)
    codes, still_full = list[int](), None
    first, last = _writes_until(home, "rollback.started" if refused else "lock.taken") - 1, _all_writes(home)
    for number in sorted({*range(first, last, _EVERY), *range(last - 4, last + 1)}):
        _start_anew(sandbox, api, home)
        done = opslib(env, *apply, full_after=number)
        codes.append(done.returncode)
        where = (number, done.returncode, done.stdout, done.stderr)
        left = is_left_in(home, sandbox["api_url"])
        assert json.loads(done.stdout), where
        if done.returncode == 0:
            assert not left, where
            assert state(api) == after, where
        elif done.returncode == 1:
            assert not left, where
            assert state(api) == before, where
        else:
            assert done.returncode == 3, where
            said = json.loads(done.stdout)
            assert left or state(api) == after, where
            assert "cannot be written" in said["cause"], where
            assert ("Left to" in said["cause"] and "opslib resume" in said["fix"]) if left else "again" in said["fix"]
            if left and still_full is None:
                still_full = opslib(env, "resume", "--json", full_after=0)
                assert still_full.returncode == 3, (where, still_full.stdout)
        again = opslib(env, "resume", "--json")
        refused_again = refused and json.loads(again.stdout).get("error") == "RolledBack"
        assert again.returncode == 0 or refused_again, (where, again.stdout)
        assert state(api) in (before, after), where
        assert not is_left_in(home, sandbox["api_url"]), where
        assert verify(home).intact, where
    assert {1, 3} <= set(codes), codes
