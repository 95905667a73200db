"""Products, shapes, slices, joins: what rearranges elements."""
from tests.parity.rows import Row, whole

ANY = (2, 3, 4)
IMAGE = (2, 3, 4, 4)
SINGLE = dict(dtypes=("float32",), why="MXNet has it for float32 only")
SUM = dict(rtol=1e-5, atol=1e-6, why="the order of summation differs")

PRODUCTS = [
    Row("dot", [(2, 3), (3, 4)], **SUM), Row("dot", [(3, 2), (3, 4)], dict(transpose_a=True), **SUM),
    Row("dot", [(2, 3), (4, 3)], dict(transpose_b=True), **SUM),
    Row("dot", [(3, 2), (4, 3)], dict(transpose_a=True, transpose_b=True), **SUM),
    Row("dot", [(3,), (3,)], **SUM), Row("dot", [(3,), (3, 2)], **SUM), Row("dot", [(2, 3), (3,)], **SUM),
    Row("dot", [(3,), (2, 3)], dict(transpose_b=True), **SUM), Row("dot", [ANY, (4,)], **SUM),
    Row("dot", [ANY, (4, 5)], **SUM), Row("dot", [ANY, (4, 2, 3)], **SUM),
    Row("dot", [ANY, (2, 5)], dict(transpose_a=True), **SUM),
    Row("dot", [ANY, (5, 2, 4)], dict(transpose_b=True), **SUM),
    Row("batch_dot", [ANY, (2, 4, 5)], **SUM), Row("batch_dot", [(2, 4, 3), (2, 4, 5)], dict(transpose_a=True), **SUM),
    Row("batch_dot", [ANY, (2, 5, 4)], dict(transpose_b=True), **SUM),
    Row("batch_dot", [(2, 2, 3, 4), (2, 2, 4, 2)], **SUM),
    Row("khatri_rao", [(2, 3), (4, 3)], grad=False), Row("khatri_rao", [(2, 2), (3, 2), (2, 2)], grad=False),
] + [Row("diag", [shape], attrs) for shape, attrs in (
    ((3,), {}), ((3,), dict(k=1)), ((3,), dict(k=-2)), ((3, 4), {}), ((3, 4), dict(k=1)), ((3, 4), dict(k=-1)),
    (ANY, {}), (ANY, dict(axis1=1, axis2=2, k=1)), (ANY, dict(axis1=-1, axis2=0)))]

SHAPES = [Row("Reshape", [ANY], dict(shape=shape)) for shape in (
    (6, 4), (0, -1), (-1, 0), (-1,), (-2,), (-3, 0), (0, -3), (0, -4, 1, 3, -2), (-4, -1, 1, -2), (4, -1, 2), (0, 0, 0),
    (-3, -4, 2, 2))] + [
    Row("Reshape", [ANY], dict(shape=(-1, 0), reverse=True)), Row("Reshape", [ANY], dict(shape=(8, 3), reverse=True)),
    Row("reshape", [ANY], dict(shape=(0, -3), reverse=True)),
    Row("Reshape", [ANY], dict(target_shape=(2, 0))), Row("Reshape", [ANY], dict(target_shape=(0, 12))),
    Row("Reshape", [ANY], dict(target_shape=(0, 12), keep_highest=True)),
    Row("Reshape", [whole(0, 9, 2, 3)], dict(shape=(3, 2)), dtypes=("int32",)),
    Row("Flatten", [ANY]), Row("flatten", [(2, 3)]), Row("Flatten", [(3,)]),
    Row("reshape_like", [(6, 4), (2, 3, 4)]), Row("reshape_like", [(6, 2), (2, 3, 4)], dict(
        lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2)),
    Row("reshape_like", [(6, 12), (4, 2, 2, 3)], dict(lhs_begin=-1, lhs_end=None, rhs_begin=1, rhs_end=None)),
    Row("transpose", [ANY]), Row("transpose", [ANY], dict(axes=(1, 0, 2))),
    Row("transpose", [ANY], dict(axes=(2, 0, 1))),
    Row("transpose", [(3,)]), Row("transpose", [IMAGE], dict(axes=(0, 2, 3, 1))),
    Row("SwapAxis", [ANY], dict(dim1=0, dim2=2)), Row("swapaxes", [ANY], dict(dim1=1, dim2=-1)),
    Row("expand_dims", [ANY], dict(axis=0)), Row("expand_dims", [ANY], dict(axis=3)),
    Row("expand_dims", [ANY], dict(axis=-1)), Row("expand_dims", [ANY], dict(axis=-2)),
    Row("squeeze", [(1, 2, 1)]), Row("squeeze", [(1, 2, 1)], dict(axis=0)),
    Row("squeeze", [(1, 2, 1)], dict(axis=(0, 2))),
    Row("squeeze", [(1, 2, 1)], dict(axis=-1)), Row("squeeze", [(1, 1)]),
    Row("shape_array", [ANY], grad=False, derivative=False), Row("size_array", [ANY], grad=False, derivative=False),
    Row("depth_to_space", [(2, 8, 2, 3)], dict(block_size=2)),
    Row("space_to_depth", [(2, 2, 4, 6)], dict(block_size=2)),
]

SLICES = [Row("slice", [(3, 4, 5)], dict(begin=begin, end=end, **step)) for begin, end, step in (
    ((1,), (3,), {}), ((0, 1), (2, 3), {}), ((None, -2), (None, None), {}), ((-2, 0, 1), (3, 4, -1), {}),
    ((0, None), (None, None), dict(step=(2, -1))), ((2, 3), (0, 0), dict(step=(-1, -2))),
    ((0, 0, 0), (3, 4, 5), dict(step=(1, 2, 3))), ((0,), (9,), {}))] + [
    Row("crop", [(3, 4)], dict(begin=(0, 1), end=(2, 3))),
    Row("slice_axis", [ANY], dict(axis=1, begin=1, end=3)), Row("slice_axis", [ANY], dict(axis=-1, begin=-3, end=-1)),
    Row("slice_axis", [ANY], dict(axis=0, begin=1, end=None)),
    Row("slice_like", [(3, 4), (2, 3)]), Row("slice_like", [(3, 4, 5), (2, 3)], dict(axes=(0, 1))),
    Row("slice_like", [(3, 4), (2, 3)], dict(axes=(-1,))),
    Row("Crop", [IMAGE], dict(h_w=(2, 3), num_args=1), **SINGLE),
    Row("Crop", [IMAGE], dict(h_w=(2, 2), offset=(1, 2), num_args=1), **SINGLE),
    Row("Crop", [IMAGE, (1, 1, 2, 3)], dict(num_args=2), **SINGLE),
    Row("Crop", [IMAGE, (2, 1, 3, 2)], dict(num_args=2, center_crop=True), **SINGLE),
    Row("Crop", [(1, 1, 5, 5)], dict(h_w=(2, 2), center_crop=True, num_args=1), **SINGLE),
    Row("_slice_assign", [(3, 4), (1, 2)], dict(begin=(0, 1), end=(1, 3)), grad=False),
    Row("_slice_assign", [(3, 4), (2, 2)], dict(begin=(2, 0), end=(0, 4), step=(-1, 2)), grad=False),
    Row("_slice_assign_scalar", [(3, 4)], dict(scalar=5.0, begin=(0, 1), end=(2, 3)), grad=False),
    Row("_slice_assign_scalar", [whole(0, 9, 3, 4)],
        dict(scalar=5.0, begin=(0, None), end=(None, 3)), dtypes=("int32",)),
]

JOINS = [
    Row("Concat", [(2, 3), (2, 1)]), Row("concat", [(2, 3), (1, 3)], dict(dim=0)),
    Row("Concat", [ANY, ANY], dict(dim=2)),
    Row("Concat", [(3,), (2,)], dict(dim=0)), Row("Concat", [ANY, (2, 3, 1), (2, 3, 2)], dict(dim=-1)),
    Row("Concat", [(2, 3)]), Row("Concat", [whole(0, 9, 2, 3), whole(0, 9, 2, 1)], dtypes=("int32",)),
    Row("_rnn_param_concat", [(4,), (6,)], dict(dim=0)),
    Row("stack", [(2, 3), (2, 3)]), Row("stack", [(2, 3), (2, 3), (2, 3)], dict(axis=1)),
    Row("stack", [(2, 3), (2, 3)], dict(axis=-1)), Row("stack", [(3,)]),
    Row("SliceChannel", [(2, 6)], dict(num_outputs=3)), Row("split", [(4, 2)], dict(num_outputs=2, axis=0)),
    Row("SliceChannel", [ANY], dict(num_outputs=3, squeeze_axis=True)),
    Row("SliceChannel", [(2, 3)], dict(num_outputs=1)),
    Row("SliceChannel", [ANY], dict(num_outputs=2, axis=-1)),
    Row("_split_v2", [(5, 2)], dict(indices=(0, 1, 3), axis=0)),
    Row("_split_v2", [(2, 6)], dict(indices=(), sections=3)),
    Row("_split_v2", [(2, 3)], dict(indices=(0, 1, 2), axis=1, squeeze_axis=True)),
    Row("_split_v2", [(2, 3)], dict(indices=(0,), axis=1)),
]

LARGER = [
    Row("tile", [(2, 3)], dict(reps=(2, 2))), Row("tile", [(2, 3)], dict(reps=(2,))),
    Row("tile", [(2, 3)], dict(reps=(2, 1, 3))),
    Row("tile", [(3,)], dict(reps=4)),
    Row("repeat", [(2, 3)], dict(repeats=2)), Row("repeat", [(2, 3)], dict(repeats=3, axis=1)),
    Row("repeat", [(2, 3)], dict(repeats=2, axis=-2)),
    Row("reverse", [ANY], dict(axis=1)), Row("flip", [ANY], dict(axis=(0, 2))),
    Row("broadcast_to", [(1, 3, 1)], dict(shape=(2, 3, 4))), Row("broadcast_to", [(1, 3)], dict(shape=(2, 0))),
    Row("broadcast_axis", [(1, 3, 1)], dict(axis=(0, 2), size=(2, 4))),
    Row("broadcast_axes", [(1, 3)], dict(axis=0, size=2)),
    Row("broadcast_like", [(1, 3), (2, 3)]),
    Row("broadcast_like", [(1, 3), (5, 6)], dict(lhs_axes=(0,), rhs_axes=(-1,))),
] + [Row("Pad", [IMAGE], dict(mode=mode, pad_width=(0, 0, 0, 0, 1, 2, 3, 0), **value))
     for mode, value in (("edge", {}), ("reflect", {}), ("constant", {}), ("constant", dict(constant_value=1.5)))] + [
    Row("pad", [(1, 2, 3, 3, 3)], dict(mode=mode, pad_width=(0, 0, 0, 0, 1, 0, 0, 2, 1, 1)))
    for mode in ("edge", "reflect", "constant")] + [
    Row("UpSampling", [(1, 2, 3, 3)], dict(scale=2, sample_type="nearest", num_args=1)),
    Row("UpSampling", [(1, 2, 3, 2)], dict(scale=3, sample_type="nearest", num_args=1)),
    Row("UpSampling", [(1, 2, 4, 4), (1, 1, 2, 2)], dict(scale=2, sample_type="nearest", num_args=2)),
    Row("UpSampling", [(1, 2, 4, 4), (1, 2, 2, 2)], dict(scale=2, sample_type="nearest", num_args=2,
                                                         multi_input_mode="sum")),
    Row("UpSampling", [(1, 2, 3, 4), (2, 1, 4, 4)],
        dict(scale=2, sample_type="bilinear", num_args=2, num_filter=2), **SUM),
    Row("UpSampling", [(1, 2, 3, 4), (2, 1, 5, 5)],
        dict(scale=3, sample_type="bilinear", num_args=2, num_filter=2), **SUM),
]

ROWS = PRODUCTS + SHAPES + SLICES + JOINS + LARGER
