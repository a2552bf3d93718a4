"""Spark as this room uses it: a session for one answer, on this machine or on a cluster, stopped at its end.

Java does the work, in a process of its own. It gets none of this process's secrets, since Spark hands AWS keys that it
finds in its environment to all workers. What it says goes to a file, since stdout belongs to the answer.

On a cluster, the workers read and write the workspace's folder, so it has to be on storage that all of them share, at
the same path. Every core writes a file there first, and this machine looks for it: a worker that does not share it
would read nothing, or write lists that nobody sees.
"""

import logging
import os
import re
import shutil
import socket
import subprocess
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import narwhals as nw
import pyarrow.parquet as pq

from opslib.archive.database import Frame
from opslib.errors import OpslibError
from opslib.new_files import part_folder

LOCAL: Final = "local[*]"
JAVA: Final = 17
"""The oldest Java that Spark 4 runs on."""

_REACHED_WITHIN_S: Final = 10.0
_WORKERS_WITHIN_S: Final = 120.0
_ENDS_WITHIN_S: Final = 30.0
_SECRET: Final = re.compile(r"(AWS|OPSLIB)_.*|.*(SECRET|PASSWORD|TOKEN).*", re.IGNORECASE)
_TITLE: Final = "The lists could not be compared"
_NOTHING: Final = "Spark cannot be used"
_SHARE: Final = (
    "set OPSLIB_HOME to a folder that all workers share with this machine, at the same path, and may write to"
)


class Spark:
    """The engine of `engines` for what one machine cannot hold. `master` is `local[N]` of so many cores (`*`: all), or spark://HOST:PORT."""

    def __init__(self, master: str) -> None:
        self._master = master
        self._java: subprocess.Popen[bytes] | None = None
        self._stopped, self._late = threading.Event(), threading.Event()

    def check(self) -> None:
        """Raises OpslibError without PySpark, without Java, or where nothing answers at the cluster's address."""
        if not find_spec("pyspark"):
            fix = "pip install 'opslib[spark]', or leave out --engine; nothing was read"
            raise OpslibError(_NOTHING, cause="PySpark is not installed", fix=fix)
        _check_java()
        if self._on_cluster:
            _check_address(self._master)

    @contextmanager
    def opened(self, folder: Path) -> Iterator["_Tables"]:
        """A session. Where the cluster gives no worker in two minutes, it is ended."""
        self.check()
        with part_folder(folder) as part, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PySpark's, of pandas, which is not used here
            logging.getLogger("py4j").setLevel(logging.CRITICAL)  # of a process that was ended
            try:
                with self._session(part.absolute()) as session:
                    yield _Tables(session, part.absolute())
            except _failures() as error:
                raise self._failed(error, folder, part) from error

    def stop(self) -> None:
        self._stopped.set()
        self._end()

    @property
    def _on_cluster(self) -> bool:
        return self._master.startswith("spark://")

    @contextmanager
    def _session(self, part: Path) -> Iterator[Any]:
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession

        if SparkContext._active_spark_context:
            fix = "stop it, or run `opslib archive verify` in a terminal; nothing was compared"
            raise OpslibError(_NOTHING, cause="this process has a Spark session already", fix=fix)
        gateway = self._started(SparkConf().setAll(_conf(self._master, part).items()), part)
        try:
            with self._in_time():
                session = SparkSession(SparkContext(gateway=gateway))
                if self._on_cluster:
                    _check_workers(session, part)
            yield session
        finally:
            with suppress(*_failures()):
                SparkContext._active_spark_context and SparkContext._active_spark_context.stop()
            with suppress(*_failures()):
                gateway.shutdown()
            SparkContext._gateway = SparkContext._jvm = None  # the next session has a process of its own
            self._end()

    def _started(self, conf: Any, part: Path) -> Any:
        from pyspark.java_gateway import launch_gateway

        with (part / _LOG).open("wb") as log, _without_secrets():
            gateway = launch_gateway(conf, {"stdout": log, "stderr": log})
        self._java = gateway.proc
        if self._stopped.is_set():
            self._end()
        return gateway

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        def late() -> None:
            self._late.set()
            self._end()

        timer = threading.Timer(_WORKERS_WITHIN_S, late)
        if self._on_cluster:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> None:
        """Ends Java's process; the cluster gives its workers to others."""
        if not (java := self._java):
            return
        java.terminate()
        try:
            java.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            java.kill()
            java.wait()
        if java.stdin:
            with suppress(OSError):
                java.stdin.close()

    def _failed(self, error: Exception, folder: Path, part: Path) -> OpslibError:
        cause, fix = (
            _cause(error),
            f"look at the free space and the permissions of {folder}, and at the memory of Spark",
        )
        if self._late.is_set():
            cause = f"{self._master} gave no worker within {_WORKERS_WITHIN_S:.0f} s"
            fix = (
                f"see on the master's page whether workers are free, run Spark {_version()} as PySpark here does,"
                " and can reach this machine"
            )
        elif "JAVA_GATEWAY_EXITED" in cause:
            cause = f"Java ended: {_last_line(part / _LOG)}"
        elif self._on_cluster and any(words in str(error) for words in _UNSEEN):
            cause, fix = f"a worker does not see the files of {folder}", _SHARE
        return OpslibError(_TITLE, cause=cause, fix=fix)


class _Tables:
    def __init__(self, session: Any, folder: Path) -> None:
        self._session, self._folder = session, folder
        self._bytes = 0

    def read(self, paths: Sequence[str]) -> Frame:
        self._bytes += sum(Path(path).stat().st_size for path in paths)
        parts = max(self._session.sparkContext.defaultParallelism, self._bytes // _PART_BYTES)
        self._session.conf.set(
            "spark.sql.shuffle.partitions", parts
        )  # 200 by default, which takes minutes for few rows
        return _frame(self._session.read.parquet(*map(_url, paths)))

    def keep(self, frame: Frame, name: str) -> Frame:
        return _frame(frame.to_native().cache())

    def write(self, frame: Frame, path: Path) -> None:
        parts = self._folder / path.name
        frame.to_native().write.parquet(f"file:{parts}", compression="zstd")
        _join(parts, path)
        shutil.rmtree(parts)


def _frame(native: Any) -> Frame:
    return nw.from_native(native)  # type: ignore[no-any-return]


_LOG: Final = "spark.log"
_PART_BYTES: Final = 1 << 25
"""Of the Parquet files, for each part of a join: a few times as much in memory."""
_UNSEEN: Final = ("FILE_NOT_EXIST", "FileNotFoundException", "Permission denied", "Mkdirs failed")


def _conf(master: str, part: Path) -> dict[str, str]:
    """What the answer and its secrecy rest on; memory and cores are the user's to set in spark-defaults.conf."""
    return {
        "spark.app.name": "opslib archive verify",
        "spark.master": master,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.files.ignoreCorruptFiles": "false",
        "spark.sql.files.ignoreMissingFiles": "false",
        "spark.sql.warehouse.dir": f"file:{part / 'warehouse'}",
        **({"spark.local.dir": str(part)} if master.startswith("local") else {}),
    }


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    try:
        said = subprocess.run([java or "java", "-version"], capture_output=True, text=True, timeout=60).stderr  # noqa: S603 (as Spark starts it)
    except OSError:
        said = ""
    version = re.search(r'version "(\d+)[^"]*"', said)
    if version and int(version[1]) >= JAVA:
        return
    where = f"JAVA_HOME={home}" if home else "PATH"
    cause = f"the Java of {where} is {version[0]}" if version else f"no Java was found by {where}"
    raise OpslibError(
        _NOTHING,
        cause=f"{cause}; Spark needs Java {JAVA} or newer",
        fix="install it (Debian: apt-get install default-jre-headless), and set JAVA_HOME to it if there are"
        " several; nothing was read",
    )


def _check_address(master: str) -> None:
    host, _, port = master.removeprefix("spark://").partition(":")
    try:
        socket.create_connection((host, int(port)), _REACHED_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        raise OpslibError(
            _NOTHING,
            cause=f"{master} does not answer: {error}",
            fix="take the address from the master's page (spark://HOST:7077), and see that it can be reached from here;"
            " nothing was read",
        ) from None


def _check_workers(session: Any, part: Path) -> None:
    """Each core writes a file that this machine must see."""
    cores, probe = session.sparkContext.defaultParallelism, part / "probe"
    session.range(0, cores, 1, cores).write.parquet(f"file:{probe}")
    if sum(pq.read_metadata(file).num_rows for file in probe.glob("part-*.parquet")) < cores:
        raise OpslibError(_TITLE, cause=f"a worker does not share {part.parent} with this machine", fix=_SHARE)


@contextmanager
def _without_secrets() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in list(os.environ) if _SECRET.fullmatch(name)}
    try:
        yield
    finally:
        os.environ.update(kept)


def _url(path: str) -> str:
    """Hadoop takes some characters for a pattern."""
    return "file:" + re.sub(r"[\\{}\[\]*?]", r"\\\g<0>", str(Path(path).absolute()))


def _join(parts: Path, path: Path) -> None:
    files = [pq.ParquetFile(file) for file in sorted(parts.glob("part-*.parquet"))]
    with pq.ParquetWriter(path, files[0].schema_arrow.remove_metadata(), compression="zstd") as writer:
        for file in files:
            with file:
                for batch in file.iter_batches():
                    writer.write_batch(batch)


def _failures() -> tuple[type[Exception], ...]:
    """What PySpark and narwhals raise; a process that has ended is an OSError."""
    from narwhals.exceptions import NarwhalsError
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return PySparkException, Py4JError, NarwhalsError, OSError


def _cause(error: Exception) -> str:
    """In Java's words, without its stack."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line[2:] for line in lines if line.startswith(": ")), lines[0])


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
    return next((line for line in reversed(lines) if line.strip()), "without a word")


def _version() -> str:
    from pyspark import __version__

    return str(__version__)
