"""``mx.test_utils``: comparing arrays, checking symbols against numbers, and random data; for tests."""
from ..context import current_context
from ..ndarray import array
from .comparing import (
    almost_equal,
    assert_allclose,
    assert_almost_equal,
    assert_almost_equal_ignore_nan,
    assert_almost_equal_with_err,
    assert_exception,
    checkShapes,
    compare_ndarray_tuple,
    default_atols,
    default_dtype,
    default_numeric_eps,
    default_rtols,
    effective_dtype,
    get_atol,
    get_etol,
    get_rtol,
    get_tolerance,
    get_tols,
    retry,
    same,
    same_array,
)
from .data import (
    DummyIter,
    assign_each,
    assign_each2,
    collapse_sum_like,
    create_2d_tensor,
    create_vector,
    download,
    get_cifar10,
    get_identity_mat,
    get_identity_mat_batch,
    get_mnist,
    get_mnist_iterator,
    get_mnist_pkl,
    get_mnist_ubyte,
    np_reduce,
    rand_coord_2d,
    rand_ndarray,
    rand_shape_2d,
    rand_shape_3d,
    rand_shape_nd,
    random_arrays,
    random_sample,
    random_uniform_arrays,
)
from .gradients import check_numeric_gradient, numeric_grad
from .sparse import create_sparse_array, create_sparse_array_zd, rand_sparse_ndarray, shuffle_csr_column_indices
from .statistics import chi_square_check, gen_buckets_probs_with_ppf, mean_check, var_check, verify_generator
from .surroundings import (
    default_context,
    discard_stderr,
    environment,
    get_cuda_compute_capability,
    getenv,
    is_op_runnable,
    list_gpus,
    set_default_context,
    setenv,
)
from .symbols import (
    check_consistency,
    check_speed,
    check_symbolic_backward,
    check_symbolic_forward,
    compare_optimizer,
    same_symbol_structure,
    simple_forward,
)
