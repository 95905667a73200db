"""Layers: fully connected, convolutions, pooling, normalisation, embedding."""
from tests.parity.rows import Row, apart, between, given

CONV = dict(rtol=1e-4, atol=1e-5, why="convolutions sum many products, in another order")
DENSE = dict(rtol=1e-5, atol=2e-6, why="sums of many products, in another order")
SINGLE = dict(dtypes=("float32",), why="statistics are sums of many numbers; MXNet has it for float32 only")
PLAIN = dict(MXNET_MKLDNN_ENABLED="0")


def conv(data, weight, bias=True, dtypes=("float32", "float64"), env=None, **attrs):
    filters = attrs.setdefault("num_filter", weight[0])
    inputs = [data, weight] + ([(filters,)] if bias else [])
    return Row("Convolution", inputs, dict(attrs, **({} if bias else {"no_bias": True})), dtypes=dtypes,
               env=env or {}, **CONV)


def deconv(data, weight, bias=False, env=None, **attrs):
    filters = attrs.setdefault("num_filter", weight[1])
    inputs = [data, weight] + ([(filters,)] if bias else [])
    return Row("Deconvolution", inputs, dict(attrs, **({"no_bias": False} if bias else {})), env=env or {}, **CONV)


def pool(data, **attrs):
    maximum = attrs.get("pool_type", "max") == "max"
    # MXNet's MKLDNN divides the gradient of a window that sticks out by another number than its forward.
    env = PLAIN if attrs.get("pooling_convention") == "full" and not maximum else {}
    return Row("Pooling", [apart(*data) if maximum else data], attrs, env=env, **CONV)


IMAGE, VOLUME, LINE = (2, 3, 7, 8), (2, 2, 5, 4, 6), (2, 3, 9)

ROWS = [
    Row("FullyConnected", [(4, 5), (3, 5), (3,)], dict(num_hidden=3), **DENSE),
    Row("FullyConnected", [(4, 5), (3, 5)], dict(num_hidden=3, no_bias=True), **DENSE),
    Row("FullyConnected", [(4, 2, 3), (3, 6), (3,)], dict(num_hidden=3), **DENSE),
    Row("FullyConnected", [(4,), (3, 1), (3,)], dict(num_hidden=3), **DENSE),
    Row("FullyConnected", [(4, 2, 5), (3, 5), (3,)], dict(num_hidden=3, flatten=False), **DENSE),
    Row("FullyConnected", [(4, 2, 5), (3, 5)], dict(num_hidden=3, flatten=False, no_bias=True), **DENSE),
    Row("Embedding", [given([[0, 2], [1, 2]], dtype="int32"), (3, 4)], dict(input_dim=3, output_dim=4),
        derivative=False),
    Row("Embedding", [given([0, 2, 5, 2], dtype="int32"), (6, 2)], dict(input_dim=6, output_dim=2), derivative=False),

    conv(IMAGE, (4, 3, 3, 3), kernel=(3, 3)),
    conv(IMAGE, (4, 3, 3, 3), bias=False, kernel=(3, 3), pad=(1, 1)),
    conv(IMAGE, (4, 3, 4, 4), bias=False, kernel=(4, 4), stride=(2, 2), pad=(1, 1)),
    conv(IMAGE, (4, 3, 2, 3), kernel=(2, 3), stride=(1, 2), pad=(0, 2), dilate=(2, 1)),
    conv((2, 4, 6, 6), (6, 2, 3, 3), kernel=(3, 3), num_group=2),
    conv((2, 4, 6, 6), (4, 1, 3, 3), bias=False, kernel=(3, 3), num_group=4),
    conv(LINE, (4, 3, 3), kernel=(3,), stride=(2,), pad=(1,)),
    conv(LINE, (4, 3, 3), bias=False, kernel=(3,), dilate=(2,)),
    conv(VOLUME, (3, 2, 2, 3, 2), kernel=(2, 3, 2), env=PLAIN),
    conv(VOLUME, (3, 2, 3, 3, 3), bias=False, kernel=(3, 3, 3), stride=(2, 1, 2), pad=(1, 1, 1), env=PLAIN),

    deconv((2, 3, 4, 4), (3, 2, 4, 4), kernel=(4, 4), stride=(2, 2), pad=(1, 1)),
    deconv((2, 3, 1, 1), (3, 5, 4, 4), kernel=(4, 4)),
    deconv((2, 3, 4, 5), (3, 2, 3, 3), bias=True, kernel=(3, 3), stride=(2, 2), pad=(1, 1), adj=(1, 1)),
    deconv((2, 3, 4, 5), (3, 2, 3, 2), kernel=(3, 2), stride=(2, 3), adj=(1, 2)),
    deconv((2, 3, 4, 4), (3, 2, 4, 4), kernel=(4, 4), stride=(2, 2), target_shape=(7, 8), env=PLAIN),
    deconv((2, 4, 4, 4), (4, 3, 3, 3), kernel=(3, 3), num_group=2, num_filter=6, env=PLAIN),
    deconv((2, 3, 5), (3, 2, 4), kernel=(4,), stride=(2,), pad=(1,), env=PLAIN),

    *[pool(IMAGE, kernel=(2, 2), pool_type=kind, **more) for kind in ("max", "avg", "sum") for more in (
        {}, dict(stride=(2, 2)), dict(stride=(2, 3), pad=(1, 1)),
        dict(stride=(2, 2), pooling_convention="full"), dict(stride=(3, 3), pad=(1, 1), pooling_convention="full"))],
    *[pool(IMAGE, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=include, **more)
      for include in (True, False) for more in ({}, dict(pooling_convention="full"))],
    *[pool(IMAGE, kernel=(2, 2), pool_type=kind, global_pool=True) for kind in ("max", "avg", "sum")],
    *[pool(IMAGE, pool_type=kind, global_pool=True) for kind in ("max", "avg")],
    *[pool(LINE, kernel=(3,), stride=(2,), pool_type=kind) for kind in ("max", "avg", "sum")],
    *[pool(VOLUME, kernel=(2, 3, 2), stride=(1, 2, 2), pool_type=kind) for kind in ("max", "avg", "sum")],
    *[Row("Pooling", [between(0.5, 2, *IMAGE)], dict(kernel=(2, 2), stride=(2, 2), pool_type="lp", p_value=p), **CONV)
      for p in (1, 2, 3)],
    *[Row("Pooling_v1", [apart(*IMAGE)], dict(kernel=(2, 2), stride=(2, 2), pool_type=kind), dtypes=("float32",),
          **CONV)
      for kind in ("max", "avg", "sum")],

    *[Row("BatchNorm", [shape, (3,), (3,), (3,), between(0.5, 2, 3)], attrs, nd=False, train=train, rtol=1e-4,
          atol=1e-5, why="statistics are sums of many numbers, in another order", dtypes=("float32",), derivative=False,
          grad=train) for train in (True, False) for shape in ((6, 3), (4, 3, 5, 5)) for attrs in (
        dict(fix_gamma=False), {}, dict(fix_gamma=False, eps=1e-2, momentum=0.5),
        dict(fix_gamma=False, use_global_stats=True), dict(fix_gamma=False, output_mean_var=True))
      if not (train and attrs.get("output_mean_var"))],
    Row("BatchNorm", [(4, 5, 3), (3,), (3,), (3,), between(0.5, 2, 3)], dict(fix_gamma=False, axis=-1), nd=False,
        rtol=1e-4, atol=1e-5, why="as above", dtypes=("float32",), derivative=False),
    Row("LayerNorm", [(4, 5), (5,), (5,)], rtol=1e-4, atol=1e-5, why="as above"),
    Row("LayerNorm", [(4, 5, 3), (5,), (5,)], dict(axis=1, eps=1e-2), rtol=1e-4, atol=1e-5, why="as above"),
    Row("LayerNorm", [(4, 5), (5,), (5,)], dict(output_mean_var=True), rtol=1e-4, atol=1e-5, grad=False,
        why="MXNet's gradient leaves out those of mean and std"),
    Row("InstanceNorm", [(2, 3, 4, 4), (3,), (3,)], rtol=1e-4, atol=1e-5, **SINGLE),
    Row("InstanceNorm", [(2, 3, 6), (3,), (3,)], dict(eps=1e-2), rtol=1e-4, atol=1e-5, **SINGLE),
    Row("GroupNorm", [(2, 4, 3, 3), (2,), (2,)], dict(num_groups=2), rtol=1e-4, atol=1e-5, why="as above"),
    Row("LRN", [(2, 5, 3, 3)], dict(nsize=3), rtol=1e-4, atol=1e-5, **SINGLE),
    Row("LRN", [(2, 5, 3, 3)], dict(nsize=5, alpha=0.1, beta=0.5, knorm=1), rtol=1e-4, atol=1e-5, **SINGLE),
    Row("Dropout", [(3, 4)], dict(p=0.5), train=False), Row("Dropout", [(3, 4)], dict(p=0)),

    Row("BatchNorm_v1", [(4, 3, 5, 5), (3,), (3,), (3,), between(0.5, 2, 3)], dict(fix_gamma=False), nd=False,
        sym=False, dtypes=("float32",), derivative=False, why="MXNet takes no state by position; see test_vision.py"),
    *[Row("Convolution_v1", [(2, 4, 6, 7), (4, 4 // attrs.get("num_group", 1), 3, 2), (4,)],
          dict(kernel=(3, 2), num_filter=4, **attrs), **CONV)
      for attrs in ({}, dict(stride=(2, 1), pad=(1, 1)), dict(dilate=(1, 2)), dict(num_group=2))],
    Row("Convolution_v1", [(2, 3, 6, 7), (4, 3, 3, 3)], dict(kernel=(3, 3), num_filter=4, no_bias=True), **CONV),
]
