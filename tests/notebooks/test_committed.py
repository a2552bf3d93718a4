"""Each notebook is what its source gives today: what `python -m tests.notebooks.build --check` says."""

import pytest

from . import build


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", build.all_names())
def test_a_build_gives_what_is_committed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell and output, except the outputs of cells whose outputs differ in every run."""
    failed = build.main(["--check", name])
    said = capsys.readouterr().out
    assert (failed, said) == (0, f"{name}: as committed\n"), said
