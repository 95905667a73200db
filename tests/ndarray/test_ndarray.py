"""What NDArrays do beyond MXNet, and what their errors say."""
import copy
import pickle

import numpy as np
import pytest
import torch

import ganmod as mx
from ganmod.base import InputError, MXNetError, ShapeError

nd = mx.nd


def same(array, expected):
    """Whether an array holds these numbers, in this shape."""
    return np.array_equal(array.asnumpy(), np.asarray(expected)) and array.shape == np.shape(expected)


# ------------------------------------------------------------------------------------------------ memory

def test_a_tensor_is_shared_both_ways(device):
    tensor = torch.zeros(2, 3, device=mx.Context(device).device)
    array = nd.from_torch(tensor)
    array[0] = 1
    tensor[1] = 2
    assert array.as_torch() is tensor and same(array, [[1, 1, 1], [2, 2, 2]])


def test_a_view_of_a_view_reaches_the_base(ctx):
    base = nd.zeros((2, 3, 4), ctx)
    base[1].reshape((4, 3))[2][1:] += 5
    assert base.asnumpy().sum() == 10 and same(base[1, 1, 3], [5]) and same(base[1, 2, 0], [5])


def test_strided_tensors_work_like_others(ctx):
    array = nd.from_torch(nd.arange(6, ctx=ctx).reshape((2, 3)).as_torch().T)
    assert same(array, [[0, 3], [1, 4], [2, 5]])
    array[::-1] = nd.array([[1], [2], [3]], ctx=ctx)
    assert same(array, [[3, 3], [2, 2], [1, 1]]) and same(array + array, 2 * array.asnumpy())


def test_overlapping_parts_are_copied_as_if_at_once():
    array = nd.arange(4)
    array[1:] = array[:-1]
    assert same(array, [0, 0, 1, 2])


def test_gradient_handles_add_in_place(ctx):
    one, other = nd.ones((2,), ctx), nd.ones((2,), ctx)
    handles = [one]
    for mine, theirs in zip(handles, [other.copyto(ctx)]):
        mine += theirs
    assert handles[0] is one and same(one, [2, 2])


# ---------------------------------------------------------------------------------------------- indexing

def test_boolean_masks_read_and_write():
    array = nd.arange(6).reshape((2, 3))
    mask = np.array([[True, False, True], [False, False, True]])
    assert same(array[mask], [0, 2, 5]) and same(array[nd.array(mask, dtype="bool")], [0, 2, 5])
    assert same(array[[True, False]], [[0, 1, 2]]) and same(array[:, np.array([True, False, True])], [[0, 2], [3, 5]])
    array[mask] = nd.array([7, 8, 9])
    assert same(array, [[7, 1, 8], [3, 4, 9]])


def test_empty_index_lists():
    assert nd.arange(6)[[]].shape == (0,) and nd.zeros((2, 3))[:, :0].shape == (2, 0)


@pytest.mark.parametrize("key", [
    np.s_[1], np.s_[::-2], np.s_[1:, ::-1], np.s_[..., [0, 2]], np.s_[[1, 0], :, [0, 3]], np.s_[:, None, 2, ::3],
    np.s_[0, [1]], np.s_[[[0], [1]], ::-1], np.s_[-1:, [2, 1], -2], np.s_[None, ..., None], np.s_[1, 2, 3]])
def test_reading_and_writing_as_numpy(key, rng):
    values = rng.normal(size=(2, 3, 4)).astype("float32")
    array = nd.array(values)
    expected = values[key]
    assert np.array_equal(array[key].asnumpy(), expected.reshape(expected.shape or (1,)))
    new = rng.normal(size=expected.shape).astype("float32")
    array[key] = nd.array(new)
    values[key] = new
    assert np.array_equal(array.asnumpy(), values)


@pytest.mark.parametrize("key, message", [
    (2, r"index 2 is out of bounds for axis 0 with size 2 \(the array has shape \(2, 3\)\)"),
    ((0, -4), "index -4 is out of bounds for axis 1 with size 3"),
    ((0, 0, 0), r"too many indices: 3 for an array of shape"),
    ([0, 9], "index 9 is out of bounds for axis 0"), ((..., ...), "at most one ellipsis"),
    (np.array([True, False, True]), r"a mask of shape \(3,\) does not fit")])
def test_bad_indices(key, message):
    array = nd.zeros((2, 3))
    with pytest.raises(IndexError, match=message):
        array[key]
    with pytest.raises(IndexError, match=message):
        array[key] = 1


@pytest.mark.parametrize("key", [1.5, "x", {}, [1.5, "x"]])
def test_keys_that_are_none(key):
    with pytest.raises(InputError, match="an array is indexed by ints, slices, None"):
        nd.zeros((2, 3))[key]


def test_a_value_of_the_wrong_shape_names_the_part():
    with pytest.raises(ShapeError, match=r"shape \(3, 2\) into \[:, 1:\] of an array of shape \(4, 3\): that part has "
                                         r"shape \(4, 2\)"):
        nd.zeros((4, 3))[:, 1:] = nd.zeros((3, 2))


@pytest.mark.parametrize("value", [None, "x", object()])
def test_values_that_are_none(value):
    with pytest.raises(InputError, match="expected an NDArray, a numpy array or nested lists of numbers"):
        nd.zeros((2, 3))[0] = value


def test_whole_numbers_wrap_and_nan_is_refused():
    array = nd.zeros((2,), dtype="int8")
    array[:] = 200
    assert same(array, [-56, -56])
    with pytest.raises(InputError, match="nan is not a number that an array of torch.int8 can hold"):
        array[:] = float("nan")


# ----------------------------------------------------------------------------------- numpy and others

def test_numpy_sees_the_values(ctx):
    array = nd.arange(6, ctx=ctx).reshape((2, 3))
    assert np.asarray(array).dtype == np.float32 and np.array(array, dtype="int32").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.exp(nd.zeros((2,), ctx)).tolist() == [1, 1] and np.concatenate([array, array]).shape == (4, 3)
    copied = array.asnumpy()
    copied[:] = 9
    assert array.asnumpy().max() == 5


@pytest.mark.parametrize("operation", [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a ** b,
    lambda a, b: a % b, lambda a, b: a > b, lambda a, b: a == b])
def test_arithmetic_with_numpy_on_either_side(operation):
    one, other = np.array([1.0, 2.0, 5.0]), np.array([[2.0, 1.0, 3.0]])
    expected = operation(one, other).astype("float32")
    for result in (operation(nd.array(one), other), operation(one, nd.array(other))):
        assert isinstance(result, nd.NDArray) and result.dtype is np.float32
        assert np.allclose(result.asnumpy(), expected)


def test_numbers_of_one_element():
    array = nd.array([[2.5]])
    assert (float(array), int(array), array.asscalar(), array.item()) == (2.5, 2, 2.5, 2.5)
    assert [10, 20, 30][nd.array([1], dtype="int32")] == 20 and list(range(nd.array([2], dtype="int64"))) == [0, 1]
    with pytest.raises(ValueError, match=r"not a scalar: it has shape \(2,\)"):
        float(nd.zeros((2,)))


def test_dlpack(ctx):
    array = nd.zeros((2, 3), ctx)
    for shared in (nd.from_dlpack(array.to_dlpack_for_write()), nd.from_dlpack(array),
                   nd.from_torch(torch.from_dlpack(array))):
        shared += 1
    assert same(array, [[3, 3, 3], [3, 3, 3]])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "bool"])
def test_pickles_and_copies(ctx, dtype):
    array = nd.array([[1, 0, 2]], ctx, dtype)
    for made in (pickle.loads(pickle.dumps(array)), copy.copy(array), copy.deepcopy(array), array.copy()):
        assert made is not array and made.context == ctx and made.dtype == array.dtype
        assert np.array_equal(made.asnumpy(), array.asnumpy())
        made[:] = 0
    assert array.asnumpy().any()


def test_a_pickle_from_a_missing_gpu_comes_to_the_cpu():
    away = nd.NDArray(torch.ones(2), mx.gpu(99))
    assert pickle.loads(pickle.dumps(away)).context == mx.cpu()


def test_a_pickled_view_leaves_its_base_behind():
    assert len(pickle.dumps(nd.zeros((1000, 10))[3])) < 2000


# ------------------------------------------------------------------------------------------------ errors

def test_out_has_to_fit():
    out = nd.zeros((2, 3))
    assert nd.broadcast_add(nd.ones((2, 3)), nd.ones((3,)), out=out) is out and same(out, [[2, 2, 2], [2, 2, 2]])
    with pytest.raises(ShapeError, match=r"has shape \(3,\), the target \(2, 3\)"):
        nd.broadcast_add(nd.ones((3,)), nd.ones((3,)), out=out)


def test_errors_name_what_was_given():
    a, i = nd.ones((2, 3)), nd.ones((2, 3), dtype="int32")
    with pytest.raises(ShapeError, match="broadcast_add: the inputs must have one dtype, got lhs float32, rhs int32"):
        a + i
    with pytest.raises(ShapeError, match=r"\+= needs arrays of one dtype, got float32 and int32; use .astype"):
        a += i
    with pytest.raises(ShapeError, match=r"\*=: shapes \(2, 3\) and \(4,\) do not fit"):
        a *= nd.ones((4,))
    with pytest.raises(ShapeError, match="elemwise_add: input 'rhs' has shape .3,., but must be .2, 3."):
        nd.elemwise_add(a, nd.ones((3,)))
    with pytest.raises(InputError, match="an NDArray compares with arrays and numbers, not with NoneType"):
        a == None  # noqa: B015, E711
    with pytest.raises(ShapeError, match=r"copyto\(\): this array has shape \(2, 3\), the target \(3, 2\)"):
        a.copyto(nd.ones((3, 2)))
    with pytest.raises(InputError, match="NDArray holds a torch.Tensor, got list; use mx.nd.array"):
        nd.NDArray([1])
    with pytest.raises(MXNetError, match="cast_storage: attribute stype='dense': expected one of 'csr'"):
        a.tostype("dense")


def test_an_operator_that_fails_says_with_what():
    with pytest.raises(MXNetError, match=r"take\(\(2, 3\) float32, \(1,\) float32\): ") as caught:
        nd.take(nd.ones((2, 3)), nd.array([7]), mode="raise")
    assert not isinstance(caught.value, ShapeError)                 # it was the values
