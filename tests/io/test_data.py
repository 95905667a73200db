"""Descriptions and batches, without MXNet."""
import copy
import pickle

import numpy as np

import ganmod as mx
from ganmod.io import DataBatch, DataDesc


def test_descriptions_keep_type_and_layout_when_copied():
    desc = DataDesc("data", (2, 3), np.float16, "NHWC")
    for other in (copy.copy(desc), copy.deepcopy(desc), pickle.loads(pickle.dumps(desc))):
        assert other == desc and other.dtype is np.float16 and other.layout == "NHWC"
    name, shape = desc
    assert (name, shape) == ("data", (2, 3))


def test_batches_may_have_nothing():
    assert str(DataBatch(None)) == "DataBatch: data shapes: None label shapes: None"
    assert DataBatch([mx.nd.ones((2,))], []).label == []
