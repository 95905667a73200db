"""Sparse arrays made of their parts, as far as MXNet asks SciPy for it, which its environment lacks."""
import numpy as np
import pytest

import ganmod as mx
from ganmod.base import InputError
from ganmod.ndarray.sparse import csr_matrix


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8"])
def test_values_at_one_place_are_summed(ctx, dtype):
    array = csr_matrix(([1, 2, 3, 0], ([1, 0, 1, 0], [0, 2, 0, 1])), shape=(3, 4), ctx=ctx, dtype=dtype)
    assert (array.stype, array.context, array.dtype) == ("csr", ctx, np.dtype(dtype))
    np.testing.assert_array_equal(array.asnumpy(), [[0, 0, 2, 0], [4, 0, 0, 0], [0, 0, 0, 0]])
    assert array.data.asnumpy().tolist() == [0, 2, 4]              # a zero that is given is stored
    assert (array.indices.asnumpy().tolist(), array.indptr.asnumpy().tolist()) == ([1, 2, 0], [0, 2, 3, 3])


def test_places_tell_the_shape():
    assert csr_matrix(([1.0], ([1], [4]))).shape == (2, 5)
    assert csr_matrix(([], ([], [])), shape=(2, 3)).asnumpy().tolist() == mx.nd.zeros((2, 3)).asnumpy().tolist()


@pytest.mark.parametrize("values, rows, columns, shape, message", [
    ([], [], [], None, "0 rows and 0 columns tell no shape"),
    ([1], [0], [], None, "1 rows and 0 columns tell no shape"),
    ([1], [-1], [0], None, "do not fit together: .*negative"),
    ([1], [5], [0], (2, 3), "do not fit together"),
    ([1], [0], [7], (2, 3), "do not fit together"),
    ([1, 2], [0], [1], (2, 3), "do not fit together"),
    ([1], [0], [1, 2], (2, 3), "do not fit together"),
])
def test_places_that_are_none(values, rows, columns, shape, message):
    with pytest.raises(InputError, match=message):
        csr_matrix((values, (rows, columns)), shape=shape)
