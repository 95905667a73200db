"""Whole programs that say ``import mxnet as mx``, run as they stand under both libraries: they learn alike."""
import pathlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ganmod import compat

PROGRAMS = sorted((pathlib.Path(__file__).parent / "programs").glob("*.py"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The path of an archive with 8x8 digits, from 0 to 1, and their labels."""
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    found = load_digits()
    np.savez(path, x=(found.images / 16).astype("float32"), y=found.target.astype("float32"))
    return str(path)


@pytest.fixture
def redirected():
    """``import mxnet`` finds ganmod."""
    compat.install()
    yield
    compat.uninstall()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_program(compare, redirected, digits, program):
    text = "import sys\nsys.argv = ['program', path]\n" + program.read_text()
    # Some hundreds of updates, each with the rounding of its own sums.
    compare(text, {"path": digits}, rtol=2e-3, atol=1e-4, relative_to="array", check_dtype=False)
