import subprocess
import sys

import opslib


def test_all_public_names_load() -> None:
    """Every name in the stub exists and can be imported."""
    assert set(opslib.__all__) >= {
        "GenesysAuthManager",
        "GenesysStorageRouter",
        "Ledger",
        "Onboarding",
        "OpslibError",
        "Settings",
        "StorageValidator",
        "samples_frame",
    }
    for name in opslib.__all__:
        assert getattr(opslib, name) is not None


def test_import_is_light() -> None:
    """`import opslib` loads none of the heavy libraries."""
    heavy = {"pandas", "matplotlib", "boto3", "httpx", "pydantic", "ipywidgets", "moto", "structlog"}
    code = f"import sys, opslib; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
