"""Fixtures for tests against the real MXNet."""
import pytest

from tests.parity.oracle import Oracle
from tests.parity.oracle_env import OracleUnavailable, find_oracle, in_ci

collect_ignore = ["programs"]           # they import mxnet; test_programs.py runs them


@pytest.fixture(scope="session")
def oracle():
    """The real MXNet, in a process of its own; tests are skipped where it cannot be had, but not in CI."""
    try:
        python = find_oracle()
    except OracleUnavailable as error:
        if in_ci():
            raise
        pytest.skip(f"no MXNet to compare with: {error}")
    oracle = Oracle(python)
    yield oracle
    oracle.close()


@pytest.fixture
def compare(oracle):
    """`Oracle.compare`: runs a case under MXNet and under ganmod and asserts that they agree."""
    return oracle.compare
