import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opslib.new_files import part_folder, replaced_file

from .children import started


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_appears_whole_and_replaces_a_link_instead_of_following_it(tmp_path: Path) -> None:
    """The link's target keeps what it had; while the file is written, the old one is there."""
    precious, out = tmp_path / "precious", tmp_path / "out.jsonl"
    precious.write_text("precious")
    out.symlink_to(precious)
    with replaced_file(out) as file:
        file.write(b"new")
        assert out.read_text() == "precious"
    assert (out.read_text(), out.is_symlink(), precious.read_text()) == ("new", False, "precious")
    assert names(tmp_path) == ["out.jsonl", "precious"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """Such as a full disk."""
    out = tmp_path / "out"
    out.write_text("old")

    def fail() -> None:
        with replaced_file(out) as file:
            file.write(b"ne")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert (out.read_text(), names(tmp_path)) == ("old", ["out"])


@pytest.mark.parametrize(("number", "named"), [(errno.ENOSPC, True), (errno.ECONNRESET, False)])
def test_a_full_disk_names_the_folder(tmp_path: Path, number: int, named: bool) -> None:
    """A write that fails knows no name; what fails elsewhere meanwhile is not of this folder."""
    with pytest.raises(OSError, match="reason") as failed, part_folder(tmp_path):
        raise OSError(number, "reason")
    assert failed.value.filename == (str(tmp_path) if named else None)


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """Not what another one is writing, nor a folder or link of another kind."""
    code = (
        "import sys, time, pathlib; from opslib.new_files import part_folder\n"
        "with part_folder(pathlib.Path(sys.argv[1])) as part: print(part, flush=True); time.sleep(600)"
    )
    left = []
    for _ in range(2):
        with started([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            left.append(Path(writer.stdout.readline().strip()))
            writer.send_signal(signal.SIGKILL)
    for other in (".part-mine", ".part-UPPERCAS", "part"):
        (tmp_path / other).mkdir()
    (tmp_path / ".part-elsewhere").symlink_to(tmp_path / "part")
    (tmp_path / ".part-abcdefgh").symlink_to(tmp_path / "part")
    assert left[1].exists()
    with part_folder(tmp_path) as part, part_folder(tmp_path) as second:
        assert part.exists()
        assert second.exists()
    others = [".part-UPPERCAS", ".part-abcdefgh", ".part-elsewhere", ".part-mine", "part"]
    assert names(tmp_path) == others


def test_many_at_once_do_not_remove_each_others(tmp_path: Path) -> None:
    """Each file that was begun is written."""

    def write(number: int) -> None:
        with replaced_file(tmp_path / f"f{number}") as file:
            file.write(b"x" * number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {file.name: file.stat().st_size for file in tmp_path.iterdir()} == {f"f{n}": n for n in range(1, 25)}


def test_a_file_is_as_open_as_the_umask_says(tmp_path: Path) -> None:
    """Not only for its owner: an audit is handed on."""
    before = os.umask(0o022)
    try:
        with replaced_file(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o644
