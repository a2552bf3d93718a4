"""In CI a skipped test is a failure: a check that did not run is no green."""

import os

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped") if reporter else None
    if os.environ.get("CI") and skipped:
        reporter.write_line(f"\n{len(skipped)} skipped; in CI a skipped test is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
