"""The engines that a test is for."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from opslib.archive.database import DuckDB
from opslib.archive.engines import Engine, Tables
from opslib.archive.spark import Spark


class _AtWork:
    """A session for many answers: to start one takes longer than to answer."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def check(self) -> None:
        pass

    def opened(self, folder: Path) -> AbstractContextManager[Tables]:
        return nullcontext(self._tables)

    def stop(self) -> None:
        pass


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Java compiles quickly rather than well, and Spark nothing: what runs is short."""
    folder = tmp_path_factory.mktemp("spark [1] {a} %20 ü")
    (folder / "spark-defaults.conf").write_text("spark.sql.codegen.wholeStage false\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(folder))
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        with Spark("local[2]").opened(folder) as tables:
            yield _AtWork(tables)


@pytest.fixture(scope="session", params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "duckdb":
        return DuckDB()
    found: Engine = request.getfixturevalue("spark")
    return found
