"""Sampling, correlation, columns, and CTC."""
from tests.parity.rows import Row, between, given, whole

SUMS = dict(rtol=1e-4, atol=1e-5, why="sums of many products, in another order")
FLOAT = dict(dtypes=("float32",))
SINGLE = dict(dtypes=("float32",), why="MXNet has it for float32 only")
IMAGE = (2, 3, 5, 6)
LABELS = given([[1, 2, 2], [3, 1, 0]], dtype="float32")


def correlation(size, displacement, **attrs):
    attrs = dict(kernel_size=size, max_displacement=displacement, **attrs)
    return Row("Correlation", [(2, 3, 7, 8), (2, 3, 7, 8)], attrs, rtol=1e-4, atol=1e-5, why=SUMS["why"],
               dtypes=("float32",), derivative=attrs.get("is_multiply", True))


def columns(image, windows, **attrs):
    lines = (1 if len(image) == 5 else 3) * 2 ** (len(image) - 2)
    only = dict(sym=False, nd=len(image) == 4, why="MXNet has two axes only, and not in a symbol")
    return [Row("im2col", [image], dict(attrs), **only),
            Row("col2im", [(2, lines, windows)], dict(attrs, output_size=image[2:]), **only)]


BOXES = given([[0, 0.5, 1.5, 2.5, 3.5], [1, -2, 1, 3, 7], [0, 5, 5, 9, 9], [1, 2, 2, 2, 2], [0, 3, 3, 1, 1],
               [0, 0, 0, 30, 30]])
PROPER = given([[0, 0.5, 1.5, 2.5, 3.5], [1, -2, 1, 3, 7], [0, 5, 5, 9, 9], [0, -20, -15, 30, 30]])


def align(channels, boxes, **attrs):
    return Row("_contrib_ROIAlign", [(2, channels, 6, 5), boxes], dict(spatial_scale=0.7, **attrs), **FLOAT,
               derivative=False, rtol=1e-4, atol=1e-5, why="the same sums, in another order")


def offset(channels, *sizes):
    return between(-0.9, 0.9, 2, channels, *sizes)


WINDOWS = [(1, 1, (4, 4), {}), (2, 1, (4, 4), {}), (1, 2, (4, 4), {}), (2, 2, (3, 6), dict(stride=(2, 1), pad=(1, 1))),
           (1, 1, (3, 2), dict(dilate=(2, 2)))]

ROWS = [
    *[Row("ROIPooling", [image, BOXES], dict(pooled_size=size, spatial_scale=scale), **FLOAT, derivative=False)
      for image in ((2, 2, 6, 5), whole(0, 3, 2, 2, 6, 5))
      for size, scale in (((2, 3), 1), ((3, 2), 0.7), ((7, 7), 1))],
    align(2, BOXES, pooled_size=(2, 3)), align(2, BOXES, pooled_size=(3, 2), sample_ratio=2),
    align(2, PROPER, pooled_size=(2, 3), aligned=True),
    align(2, PROPER, pooled_size=(2, 2), sample_ratio=3, aligned=True),
    align(8, BOXES, pooled_size=(2, 2), position_sensitive=True),
    align(6, BOXES, pooled_size=(3, 1), position_sensitive=True, sample_ratio=2),

    Row("GridGenerator", [(2, 6)], dict(transform_type="affine", target_shape=(3, 4)), **FLOAT, rtol=1e-4),
    Row("GridGenerator", [(2, 2, 3, 4)], dict(transform_type="warp"), **FLOAT),
    Row("BilinearSampler", [IMAGE, between(-0.95, 0.95, 2, 2, 4, 3)], **SUMS),
    Row("BilinearSampler", [IMAGE, between(-1.6, 1.6, 2, 2, 4, 3)], **SUMS),
    Row("SpatialTransformer", [IMAGE, (2, 6)], dict(target_shape=(4, 3), transform_type="affine",
                                                    sampler_type="bilinear"), **SUMS),

    correlation(1, 1), correlation(1, 2, pad_size=2), correlation(3, 1, pad_size=2), correlation(1, 2, stride2=2),
    correlation(3, 2, pad_size=3, stride1=2, stride2=2), correlation(1, 1, is_multiply=False),
    correlation(3, 1, pad_size=1, is_multiply=False), correlation(1, 3, pad_size=3, stride2=2),

    *columns((2, 3, 7), 5, kernel=(2,), dilate=(2,)),
    *columns((2, 3, 5, 6), 20, kernel=(2, 2)),
    *columns((2, 3, 5, 6), 9, kernel=(2, 2), stride=(2, 1), pad=(1, 0), dilate=(1, 3)),
    *columns((2, 1, 3, 4, 5), 24, kernel=(2, 2, 2)),
    *columns((2, 1, 3, 4, 5), 30, kernel=(2, 2, 2), stride=(2, 1, 1), pad=(1, 1, 0), dilate=(2, 1, 2)),

    Row("CTCLoss", [(5, 2, 4), LABELS], **SINGLE, rtol=1e-5, atol=2e-6),
    Row("ctc_loss", [(7, 3, 4), given([[1, 2, 3, 2, 1], [3, 3, 0, 0, 0], [0, 0, 0, 0, 0]], dtype="int32")], **SINGLE,
        rtol=1e-5, atol=5e-6),
    Row("ctc_loss", [(5, 2, 4), given([[0, 2, 1], [0, -1, -1]], dtype="float32")], dict(blank_label="last"), **SINGLE,
        rtol=1e-5, atol=2e-6),
    Row("CTCLoss", [(5, 2, 4), LABELS, given(5, 3, dtype="float32")], dict(use_data_lengths=True), **SINGLE,
        rtol=1e-5, atol=2e-6),
    Row("CTCLoss", [(5, 2, 4), LABELS, given(5, 4, dtype="float32"), given(2, 1, dtype="float32")],
        dict(use_data_lengths=True, use_label_lengths=True), **SINGLE, rtol=1e-5, atol=2e-6),

    *[Row("IdentityAttachKLSparseReg", [between(0.1, 0.9, *shape), between(0.3, 0.7, 3)], attrs, nd=False, sym=False,
          derivative=False, dtypes=("float32",), why="MXNet takes no state by position; see test_vision.py")
      for shape in ((4, 3), (4, 3, 2)) for attrs in ({}, dict(sparseness_target=0.2, penalty=0.5, momentum=0.5))],

    *[Row("_contrib_BilinearResize2D", [(2, 3, 5, 6)], attrs, **SUMS) for attrs in (
        dict(height=3, width=4), dict(height=8, width=9), dict(height=7, width=3, align_corners=False),
        dict(height=9, width=12, align_corners=False), dict(scale_height=1.5, scale_width=0.7), dict(height=1, width=1),
        dict(scale_height=2.2, scale_width=0.7, mode="odd_scale"), dict(mode="to_even_up"), dict(mode="to_even_down"),
        dict(mode="to_odd_up", align_corners=False), dict(mode="to_odd_down"))],
    Row("_contrib_BilinearResize2D", [(2, 3, 5, 6), (1, 2, 4, 7)], dict(mode="like"), grad=False,
        rtol=1e-4, atol=1e-5, why="MXNet's backward ends the process"),
    *[Row("_contrib_AdaptiveAvgPooling2D", [(2, 3, 5, 6)], attrs, **SUMS) for attrs in (
        {}, dict(output_size=1), dict(output_size=3), dict(output_size=(2, 4)), dict(output_size=(7, 8)))],
    *[Row(op, [(4, 3, 2, 2), (3,), (3,), (3,), between(0.5, 2, 3)], attrs, nd=False, rtol=1e-4, atol=1e-5, **FLOAT,
          derivative=False, train=train, grad=train) for train in (True, False) for op, more in (
              ("_contrib_SyncBatchNorm", dict(key="bn")), ("_contrib_BatchNormWithReLU", {})) for attrs in (
                  more, dict(more, fix_gamma=False), dict(more, fix_gamma=False, use_global_stats=True, eps=0.01))],

    *[Row("_contrib_DeformableConvolution", [(2, 4, 5, 6), offset(2 * groups * 6, *sizes), (4, 4 // share, 2, 3), (4,)],
          dict(kernel=(2, 3), num_filter=4, num_deformable_group=groups, num_group=share, **attrs), **SUMS)
      for groups, share, sizes, attrs in WINDOWS],
    Row("_contrib_DeformableConvolution", [(2, 4, 5, 6), offset(8, 4, 5), (2, 4, 2, 2)],
        dict(kernel=(2, 2), num_filter=2, no_bias=True, layout="NCHW"), **SUMS),
    *[Row("_contrib_ModulatedDeformableConvolution",
          [(2, 4, 5, 6), offset(2 * groups * 6, *sizes), (2, groups * 6, *sizes), (4, 4 // share, 2, 3), (4,)],
          dict(kernel=(2, 3), num_filter=4, num_deformable_group=groups, num_group=share, **attrs), grad=False,
          rtol=1e-4, atol=1e-5, why="MXNet has its gradient on GPUs only")
      for groups, share, sizes, attrs in WINDOWS],
    *[Row("_contrib_PSROIPooling", [(2, 8, 6, 5), BOXES], dict(output_dim=2, **attrs), **FLOAT, derivative=False,
          rtol=1e-4, atol=1e-5, why="means") for attrs in (
              dict(pooled_size=2, spatial_scale=1), dict(pooled_size=2, spatial_scale=0.7),
              dict(pooled_size=4, group_size=2, spatial_scale=0.7))],
]
