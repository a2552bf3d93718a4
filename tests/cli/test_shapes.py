"""The command line in each shape of the org's S3 integration, on a sandbox that was started with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ..router.platform_shapes import credentials, integrations
from ..world import environment, running, without_settings
from .test_platform import opslib

OTHER = "Recordings of another team"
REPLACE = ("--allow", "replace-active-integration", "--reason", "a test")
TARGET = "ProdVoiceArchive"


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        "role-in-credentials",
        "with-prefix",
        "without-prefix",
        "public-key",
        "another-active",
        "role-in-credentials-another-active",
    ],
)
def test_from_plan_to_offboard(shape: str, tmp_path: Path) -> None:
    """Planned, applied, as wanted, removed; another active integration is replaced by consent only, and named."""
    with running("--seed", "7", "--integration-shape", shape, "--backend", "platform") as sandbox:
        env, file, api = without_settings() | environment(sandbox, tmp_path), tmp_path / "p.yaml", sandbox.api()
        another = {OTHER: "ACTIVE"} if "another-active" in shape else {}
        made = int("credential" in shape or shape == "public-key")
        assert integrations(api) == another
        theirs = credentials(api)
        assert opslib(env, "init", "--backend", "platform", file).returncode == 0
        planned = opslib(env, "plan", file, "--json")
        plan = json.loads(planned.stdout)
        assert planned.returncode == 2
        assert [one["name"] for one in plan["unsafe"]] == (["replace-active-integration"] if another else [])
        assert any(OTHER in note and "Calls of another team (enabled)" in note for note in plan["notes"]) == bool(
            another
        )
        if another:
            refused = opslib(env, "apply", file, "--yes")
            assert (refused.returncode, "--allow replace-active-integration" in refused.stderr) == (1, True)
            assert integrations(api) == another
        applied = opslib(env, "apply", file, "--yes", "--checksum", plan["checksum"], *(REPLACE if another else ()))
        assert applied.returncode == 0, applied.stderr
        off = dict.fromkeys(another, "INACTIVE")
        assert integrations(api) == {TARGET: "ACTIVE", "DataLakeCatalogSync": "ACTIVE", **off}
        assert len(credentials(api)) == len(theirs) + made
        assert opslib(env, "plan", file).returncode == 0
        rotated = opslib(env, "apply", file, "--yes", "--rotate-credentials")
        assert (rotated.returncode, "no secret to write again" in rotated.stderr) == ((0, False) if made else (1, True))
        assert opslib(env, "offboard", file, "--yes", "--allow", "delete", "--reason", "a test").returncode == 0
        assert (integrations(api), credentials(api)) == (off, theirs)


def test_the_help_names_each_shape() -> None:
    """With what it is; another name is refused."""
    command = [sys.executable, "-m", "opslib.cli", "sandbox"]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    for name in ("role-in-properties", "role-in-credentials", "with-prefix", "without-prefix", "another-active"):
        assert f"\n    {name}\n" in shown
    assert "[default: role-in-properties]" in shown
    wrong = subprocess.run([*command, "--integration-shape", "none"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, "role-in-credentials" in wrong.stderr) == (1, True)
