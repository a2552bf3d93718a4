"""Spark as an engine: what it needs is asked for first, it ends in time and leaves nothing, and stdout is the answer's.

Only the tests that are marked need PySpark and Java; the others are the same with and without them.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from opslib.archive import spark
from opslib.archive.engines import engine as named
from opslib.archive.report import verify
from opslib.archive.spark import LOCAL, Spark
from opslib.errors import OpslibError

from ..children import started
from ..forks import FORKS, opslib
from ..world import without_settings
from .s3_stub import Stub, archive_keys, serving, verify_words
from .world import NOW, START_MS, Object, Row, expected_file, parts

KEYS = archive_keys(1, 4)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """PySpark and a Java, as far as is looked at; the file that is taken for Java."""
    monkeypatch.setattr(spark, "find_spec", lambda _: object())
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("""#!/bin/sh\necho 'openjdk version "17.0.15" 2025-04-15' >&2\n""")
    java.chmod(0o700)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    return java


def refused(master: str = LOCAL) -> OpslibError:
    with pytest.raises(OpslibError) as raised:
        Spark(master).check()
    return raised.value


def test_without_pyspark_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert "pip install 'opslib[spark]'" in refused().fix


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_402"])
def test_a_java_that_is_too_old_is_named(installed: Path, version: str) -> None:
    installed.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    assert f'version "{version}"; Spark needs Java 17 or newer' in refused().cause
    assert "default-jre-headless" in refused().fix


def test_without_java_the_error_says_where_it_was_looked_for(
    installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where a command of this name is not Java, as on macOS."""
    installed.write_text("#!/bin/sh\necho 'Unable to locate a Java Runtime.' >&2; exit 1\n")
    assert "no Java was found by JAVA_HOME=" in refused().cause
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no Java was found by PATH" in refused().cause


@pytest.mark.usefixtures("installed")
def test_a_cluster_that_does_not_answer_is_an_error_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"spark://127.0.0.1:{free.getsockname()[1]}"
    assert f"{address} does not answer" in refused(address).cause
    assert "does not answer" in refused("spark://no-such-host.invalid:7077").cause


@pytest.mark.usefixtures("installed")
def test_what_is_there_is_not_refused() -> None:
    Spark(LOCAL).check()
    with socket.create_server(("127.0.0.1", 0)) as server:
        Spark(f"spark://127.0.0.1:{server.getsockname()[1]}").check()


@pytest.mark.parametrize("name", ["", "Spark", "spark://", "spark://host", "spark://host:x", "yarn", "local[*]"])
def test_any_other_engine_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="write duckdb, spark or spark://HOST:PORT"):
        named(name)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with serving(Stub(KEYS)) as stub:
        yield stub


@pytest.fixture
def env(stub: Stub, tmp_path: Path) -> dict[str, str]:
    return without_settings() | {
        "AWS_ENDPOINT_URL_S3": stub.url,
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "OPSLIB_HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return verify_words(tmp_path, KEYS)


def test_a_machine_that_lacks_something_is_told_before_the_bucket_is_read(
    env: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    """One document, and no workspace; whatever it lacks first."""
    done = opslib(env | {"JAVA_HOME": str(tmp_path)}, *words, "--engine", "spark")
    document = json.loads(done.stdout)
    assert (done.returncode, document["title"], done.stderr) == (1, "Spark cannot be used", "")
    assert not (tmp_path / "home").exists()
    usage = opslib(env, *words, "--engine", "sqlite")
    assert json.loads(usage.stdout)["title"] == "Usage error"


@pytest.mark.spark
def test_stdout_is_the_answer_and_nothing_is_left(env: dict[str, str], words: list[str], tmp_path: Path) -> None:
    """The same document as DuckDB's; stderr is empty, no file of Spark's is left, and Java saw no key."""
    (tmp_path / "here").mkdir()
    spied = tmp_path / "environment"
    env |= {"SPARK_CONF_DIR": str(tmp_path), "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
    (tmp_path / "spark-env.sh").write_text(f"env > '{spied}'\n")  # spark-submit runs it
    command = [sys.executable, "-m", "opslib.cli", *words]
    by = {
        name: subprocess.run(
            [*command, "--engine", name], env=env, cwd=tmp_path / "here", capture_output=True, text=True
        )
        for name in ("duckdb", "spark")
    }
    assert by["spark"].stderr == ""
    assert json.loads(by["spark"].stdout) == json.loads(by["duckdb"].stdout)
    assert json.loads(by["spark"].stdout)["counts"]["missing"] == 1
    assert list((tmp_path / "here").iterdir()) == []
    assert not list((tmp_path / "home" / "archive").glob(".part-*"))
    assert "SPARK_HOME" in spied.read_text()
    assert "AWS_SECRET_ACCESS_KEY" not in spied.read_text()


@pytest.mark.spark
def test_ctrl_c_ends_java_too(env: dict[str, str], words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opslib.cli", *words, "--engine", "spark"]
    with started(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (java := _java_of(process.pid)):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert (process.returncode, json.loads(out)["title"]) == (1, "Interrupted")
    assert not Path(f"/proc/{java}").exists()
    assert not list((tmp_path / "home" / "archive").glob(".part-*"))


def _java_of(process: int) -> int | None:
    """What runs Java as a child of the process."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, name, _, parent = stat.read_text().split()[:4]
        except (OSError, ValueError):
            continue
        if name == "(java)" and int(parent) == process:
            return int(number)
    return None


@pytest.mark.spark
def test_a_cluster_that_gives_no_worker_is_an_error_in_time(tmp_path: Path) -> None:
    """Something answers at the address, and never says a word. In a process of its own, as one has one session."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        ProcessPoolExecutor(1, mp_context=FORKS) as process,
    ):
        master = f"spark://127.0.0.1:{silent.getsockname()[1]}"
        assert "gave no worker within 1 s" in process.submit(_refused_by, master, tmp_path).result()
    assert os.listdir(tmp_path / "arrived")


def _refused_by(master: str, folder: Path) -> str:
    spark._WORKERS_WITHIN_S = 1.0
    expected, arrived = expected_file(folder, [Row(1, 1, START_MS)]), parts(folder, [Object(1, 1)])
    with pytest.raises(OpslibError) as raised:
        verify(expected, arrived, folder, now=NOW, engine=Spark(master))
    return raised.value.cause
