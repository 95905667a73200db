"""``DataLoaderIter`` beside MXNet's, which has the same name in ``mx.contrib.io``."""
import pytest


def through(mx, np, count, dtype):
    """Two epochs of batches of a list, the last one smaller; what fills it up is not looked at."""
    def batch(start):
        stop = min(start + 4, count)
        return (mx.nd.array(np.arange(2 * start, 2 * stop).reshape(-1, 2), dtype="int32"),
                mx.nd.array(np.arange(start, stop), dtype="float64"))
    it = mx.contrib.io.DataLoaderIter([batch(k) for k in range(0, count, 4)], "x", "y", dtype)
    provided = [(d.name, d.shape, np.dtype(d.dtype).name, d.layout) for d in it.provide_data + it.provide_label]
    found = []
    for _ in range(2):
        for b in it:
            kept = b.data[0].shape[0] - b.pad
            found.append([b.data[0].shape, b.data[0][:kept], b.label[0][:kept], b.pad, b.label[0].dtype.__name__])
        it.reset()
    return {"provided": provided, "found": found, "size": it.batch_size}


@pytest.mark.parametrize("count, dtype", [(12, "float32"), (10, "float32"), (12, "float64"), (3, "float32")])
def test_loaders(compare, count, dtype):
    compare(through, {"count": count, "dtype": dtype})
