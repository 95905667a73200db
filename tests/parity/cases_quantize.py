"""Numbers of few bits, and regions that are turned or whose cells move."""
from tests.parity.rows import Row, between, given, whole

NUMBERS = given([[-1.5, 0, 0.3], [1.2, 3, -2.9]])
LOW, HIGH = given([-2.0]), given([3.0])
FIXED = dict(dtypes=("float32",), grad=False, derivative=False)
WHOLE = dict(dtypes=("int32",), grad=False, derivative=False)


def range_of(low, high):
    return [given([low], dtype="float32"), given([high], dtype="float32")]


QUANTIZED = [
    *[Row("_contrib_quantize", [NUMBERS, LOW, HIGH], dict(out_type=kind), **FIXED) for kind in ("uint8", "int8")],
    Row("_contrib_quantize", [NUMBERS, given([0.0]), given([1.5])], {}, **FIXED),
    *[Row("_contrib_quantize_v2", [NUMBERS], attrs, **FIXED) for attrs in (
        {}, dict(out_type="uint8"), dict(out_type="auto"), dict(min_calib_range=-2.0, max_calib_range=1.5),
        dict(out_type="auto", min_calib_range=0.0, max_calib_range=2.0))],
    *[Row("_contrib_dequantize", [whole(0, 120, 3, 4), *range_of(*ends)], {}, dtypes=("int8", "uint8"), grad=False,
          derivative=False) for ends in ((-2.0, 3.0), (0.0, 1.5))],
    *[Row("_contrib_requantize", [whole(-2 ** 30, 2 ** 30, 3, 4), *range_of(-2.0, 3.0)],
          dict(min_calib_range=-1.0, max_calib_range=1.5, **more), **WHOLE) for more in ({}, dict(out_type="int8"))],
    Row("_contrib_requantize", [whole(0, 2 ** 30, 3, 4), *range_of(-2.0, 3.0)],
        dict(min_calib_range=0.0, max_calib_range=1.5, out_type="auto"), **WHOLE),
]

TURNED = given([[0, 2.2, 2.5, 3, 2, 30], [1, 1, 3, 6, 2.5, -75], [0, 4, 1, 0.5, 0.5, 200], [1, 9, 9, 2, 2, 45]])
BOXES = given([[0, 0.5, 1.5, 2.5, 3.5], [1, -2, 1, 3, 7], [0, 5, 5, 9, 9], [1, 2, 2, 2, 2]])
SUMS = dict(dtypes=("float32",), derivative=False, rtol=1e-4, atol=1e-5, why="the same sums, in another order")


def moving(**attrs):
    offsets = [] if attrs.get("no_trans") else [between(-1, 1, 4, attrs.pop("offsets", 4), 2, 2)]
    return Row("_contrib_DeformablePSROIPooling", [(2, 8, 6, 5), BOXES, *offsets],
               dict(spatial_scale=0.8, output_dim=2, group_size=2, **attrs), **SUMS)


REGIONS = [
    *[Row("_contrib_RROIAlign", [(2, 3, 6, 5), TURNED], dict(pooled_size=size, spatial_scale=scale, **attrs),
          grad=False, **SUMS) for size, scale, attrs in (
        ((2, 3), 1.0, {}), ((3, 2), 0.7, dict(sampling_ratio=2)), ((1, 1), 1.0, dict(sampling_ratio=3)))],
    moving(pooled_size=2, sample_per_part=2, trans_std=0.1), moving(pooled_size=2, no_trans=True, sample_per_part=3),
    moving(pooled_size=4, part_size=2, trans_std=0.2, sample_per_part=2),
    moving(pooled_size=2, offsets=2, trans_std=0.2),
]
ROWS = QUANTIZED + REGIONS
