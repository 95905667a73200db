"""Every row of the operator tables on its own: what holds for any operator, without MXNet."""
from __future__ import annotations

import doctest
import inspect
import re

import numpy as np
import pytest
import torch

import ganmod
from ganmod.ops import find, table
from ganmod.ops.registry import Operator
from tests.parity import report
from tests.parity.rows import Row, every_row

ROWS = every_row()
OPERATORS = sorted({id(op): op for op in table().values()}.values(), key=lambda op: op.name)


def parsed(row: Row) -> tuple[Operator, object]:
    """The operator of a row and its attributes; counts that MXNet's functions fill in are filled in."""
    op = find(row.op)
    attrs = dict(row.attrs)
    if op.count:
        attrs.setdefault(op.count, len(row.inputs))
    return op, op.parse(attrs)


def tensors(row: Row, dtype: str) -> list[torch.Tensor]:
    """The inputs of a row."""
    return [torch.from_numpy(value) for value in row.arrays(dtype)]


def outputs(row: Row, inputs: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The outputs of a row's operator; random ones draw the same numbers at each call."""
    op, params = parsed(row)
    torch.manual_seed(0)
    return op.run(inputs, params, training=row.train)[0]


def scattered(tensor: torch.Tensor) -> torch.Tensor:
    """The same values, every second element of a larger memory."""
    return torch.stack([tensor, tensor], -1)[..., 0]


@pytest.mark.parametrize("op", [op for op in OPERATORS if ">>>" in (op.__doc__ or "")], ids=lambda op: op.name)
def test_examples(op: Operator):
    """The examples of the docstrings; pytest does not find them, as operators are no functions."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    example = doctest.DocTestParser().get_doctest(op.__doc__, {}, op.name, None, 0)
    assert doctest.DocTestRunner(optionflags=options).run(example).failed == 0


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_inputs_stay_as_they_are(row: Row):
    inputs = tensors(row, row.dtypes[0])
    before = [tensor.clone() for tensor in inputs]
    outputs(row, inputs)
    for tensor, old in zip(inputs, before):
        torch.testing.assert_close(tensor, old, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_strides_do_not_matter(row: Row):
    inputs = tensors(row, row.dtypes[0])
    for plain, strided in zip(outputs(row, inputs), outputs(row, [scattered(tensor) for tensor in inputs])):
        torch.testing.assert_close(strided, plain, equal_nan=True)


# What has no meaning without elements along the first axis, or has a number of them in its attributes: the largest of
# none, the first of none, statistics of a batch of none, a part of none, a matrix that is square.
NEEDING_ELEMENTS = set("""
    softmax _contrib_index_copy _contrib_boolean_mask _contrib_interleaved_matmul_selfatt_valatt
    _contrib_interleaved_matmul_encdec_valatt _contrib_bipartite_matching GroupNorm _contrib_MultiBoxTarget
    _contrib_Proposal _contrib_MultiProposal _image_normalize _image_resize _image_crop take pick gather_nd scatter_nd
    topk _ravel_multi_index SequenceLast Deconvolution BatchNorm BatchNorm_v1 _linalg_gemm2 _linalg_trmm _linalg_trsm
    _linalg_potrf _linalg_potri _linalg_syevd _linalg_inverse _linalg_det _linalg_slogdet _linalg_extracttrian dot
    Reshape reshape_like squeeze slice_axis slice_like _slice_assign _split_v2 broadcast_to broadcast_axis
    broadcast_like _contrib_quantize_v2 _contrib_RROIAlign _contrib_DeformablePSROIPooling max min argmax argmin RNN
    ROIPooling _contrib_ROIAlign col2im CTCLoss _contrib_SyncBatchNorm _contrib_BatchNormWithReLU
    _contrib_DeformableConvolution _contrib_ModulatedDeformableConvolution _contrib_PSROIPooling
""".split())


@pytest.mark.parametrize("row", [row for row in ROWS if row.inputs and find(row.op).name not in NEEDING_ELEMENTS],
                         ids=str)
@pytest.mark.filterwarnings("ignore:var_mean")
def test_nothing_along_the_first_axis(row: Row):
    """Arrays without elements give arrays of the shapes and dtypes that follow."""
    inputs = tensors(row, row.dtypes[0])
    size = inputs[0].shape[0] if inputs[0].dim() else None
    empty = [tensor[:0] if tensor.dim() and tensor.shape[0] == size else tensor for tensor in inputs]
    op, params = parsed(row)
    with torch.device("meta"):
        shadow = op.run([tensor.to("meta") for tensor in empty], params, training=row.train)[0]
    for one, other in zip(outputs(row, empty), shadow):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


@pytest.mark.parametrize("row", [row for row in ROWS if row.derivative and "float64" in row.dtypes], ids=str)
def test_gradient_is_the_derivative(row: Row):
    op, params = parsed(row)
    inputs = tensors(row, "float64")
    names = op.input_names(params, len(inputs))
    wanted = [k for k, (tensor, name) in enumerate(zip(inputs, names))
              if tensor.is_floating_point() and not op.is_index(name) and not op.is_aux(name)]

    def function(*chosen: torch.Tensor) -> list[torch.Tensor]:
        given = list(inputs)
        for k, tensor in zip(wanted, chosen):
            given[k] = tensor
        return [output for output in outputs(row, given) if output.requires_grad]

    chosen = [inputs[k].clone().requires_grad_() for k in wanted]
    if function(*chosen):
        many = sum(tensor.numel() for tensor in chosen) > 150        # then along random directions, not each element
        assert torch.autograd.gradcheck(function, chosen, fast_mode=many)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_attributes_survive_as_text(row: Row):
    op, params = parsed(row)
    written = {key: np.dtype(value).name if inspect.isclass(value) else str(value) for key, value in row.attrs.items()}
    if op.count:
        written.setdefault(op.count, str(len(row.inputs)))
    assert op.parse(written) == params


@pytest.mark.parametrize("row", [row for row in ROWS if find(row.op).traceable], ids=str)
def test_shapes_are_known_without_values(row: Row):
    op, params = parsed(row)
    dtype = row.dtypes[0]
    with torch.device("meta"):
        shadows = [tensor.to("meta") for tensor in tensors(row, dtype)]
        shadow = op.run(shadows, params, training=row.train)[0]
    for one, other in zip(shadow, outputs(row, tensors(row, dtype))):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_every_operator_says_what_it_does(op: Operator):
    """In words, with the shapes of what goes in and out, and a line for each attribute that words or line explain."""
    words = op.function.__doc__
    assert words and words.strip().endswith(tuple(".]:)`'0123456789"))
    assert re.search(r"Shapes?\b|shape", words), "the shapes of inputs and outputs"
    for name, attribute in op.attributes.items():
        line = re.search(rf"^{name} : (.+)$", op.__doc__, re.MULTILINE)
        assert line, f"no line for {name}"
        assert attribute.required or f"default {attribute.default!r}".removeprefix("default torch.")[-4:] in line[1]
        assert re.search(rf"\b{name}\b", words) or ": " in line[1] or "{" in line[1], f"{name} is not explained"


def test_help_shows_an_operators_own_words():
    for name, words in (("Custom", "of one's own"), ("FullyConnected", "num_hidden : int"), ("Dropout", "p : float")):
        assert words in getattr(ganmod.nd, name).__doc__ and words in getattr(ganmod.sym, name).__doc__
    assert "no_bias: bool = False" in str(inspect.signature(ganmod.nd.FullyConnected))


# Random operators, those written in Python, those with subgraphs, and those that MXNet has on GPUs only have tests of
# their own; `_square_sum` is for sparse arrays in MXNet.
ELSEWHERE = {"Custom", "_Native", "_NDArray", "_square_sum", "_shuffle", "_scatter_set_nd", "_foreach", "_while_loop",
             "_cond", "_contrib_fft", "_contrib_ifft", "_contrib_count_sketch",
             "_gan_SpectralNorm"}


def test_every_operator_has_a_row():
    tried = {find(row.op).name for row in ROWS} | ELSEWHERE
    missing = [op.name for op in OPERATORS if op.name not in tried and not op.name.startswith(("_random", "_sample"))]
    assert not missing, f"no row in tests/parity/cases_*.py for {', '.join(missing)}"


def test_the_page_lists_every_operator():
    """docs/operators.md has a line with all names of each operator; `python -m tests.parity.report` writes it."""
    page = report.PAGE.read_text()
    listed = {cells[1].strip(): cells for cells in (line.split("|") for line in page.splitlines())
              if len(cells) == 8 and cells[1].startswith(" `")}
    assert set(listed) == {f"`{op.name}`" for op in OPERATORS}
    for op in OPERATORS:
        assert listed[f"`{op.name}`"][2].strip() == ", ".join(f"`{alias}`" for alias in op.aliases)
        tried = listed[f"`{op.name}`"][3].strip().isdigit() or listed[f"`{op.name}`"][6].strip()
        assert tried, f"{op.name} has neither cases nor a remark on where it is tested"


def test_errors_of_the_page():
    theirs = {"a": [np.array([1.0, 200.0, np.nan]), np.array([3])], "b": np.array([np.inf, 0.5])}
    ours = {"a": [np.array([1.0, 202.0, np.nan]), np.array([3])], "b": np.array([np.inf, 0.5])}
    assert report.error(theirs, ours) == pytest.approx(0.01)
    assert report.number(0.0123) == "1.2e-2" and report.number(0) == "0"
