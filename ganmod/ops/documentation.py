"""What ``help(mx.nd.X)`` shows below an operator's own words: a line for each of its attributes."""
from __future__ import annotations

import inspect
import re
from typing import Any, Mapping, Optional, Protocol

import torch

from .attributes import describe

__all__ = ["with_attributes", "MEANINGS"]


class _Described(Protocol):
    @property
    def annotation(self) -> Any: ...

    @property
    def default(self) -> Any: ...


#: What attributes of many operators mean, for those whose own words leave them out.
MEANINGS = {
    "axis": "the axis it works along",
    "beta1": "how much of the mean gradient stays, per step",
    "beta2": "how much of the mean square of the gradient stays, per step",
    "bias_correction": "whether the means are divided by what they lack in the first steps",
    "clip_gradient": "the largest absolute value of a scaled gradient; 0 or less for any",
    "ctx": "for imperative calls: where the result lives",
    "cudnn_off": "has no effect",
    "cudnn_tune": "has no effect",
    "dilate": "distances of the window's elements, in pixels",
    "dtype": "of the result",
    "eps": "added to a variance",
    "epsilon": "added to a divisor",
    "eta": "a factor on the whole step",
    "fix_gamma": "whether gamma is 1",
    "global_pool": "whether the window is the whole image",
    "im2col_step": "has no effect",
    "kernel": "sizes of the window, in pixels",
    "layout": "the order of the axes",
    "lazy_update": "has no effect on dense arrays",
    "learning_rates": "one for each weight",
    "lower_bound": "the least norm of a weight that counts; less than 0 for any",
    "lr": "the learning rate",
    "max_calib_range": "has no effect here",
    "min_calib_range": "has no effect here",
    "mode": "which of them",
    "momentum": "how much of the last step, or of a running mean, stays",
    "no_bias": "whether there is no bias",
    "num_args": "how many inputs there are",
    "num_filter": "how many channels come out",
    "num_group": "how many groups the channels are split into",
    "num_tensors": "how many weights there are",
    "num_weights": "how many weights there are",
    "output_mean_var": "whether mean and deviation are outputs too",
    "p_value": "the p of the p-norm, of pool_type 'lp'",
    "pad": "pixels of zeros around, on each side",
    "pooling_convention": "how sizes are rounded",
    "rescale_grad": "a factor on the gradient, before all",
    "sparse_grad": "whether the gradient is to be row_sparse",
    "step": "of each slice",
    "step_count": "the number of the step of each weight, from 1",
    "stride": "distances of windows, in pixels",
    "t": "the number of the step, from 1",
    "upper_bound": "the largest norm of a weight that counts; less than 0 for any",
    "use_global_stats": "whether the running statistics are used in training too",
    "wd": "weight decay: the weight times it is added to the gradient",
    "wds": "one for each weight",
    "workspace": "has no effect",
}


def with_attributes(words: Optional[str], attributes: Mapping[str, _Described]) -> str:
    """An operator's documentation: its own words, then its attributes with types and defaults, then its examples.

    >>> from ganmod.ops import find
    >>> print(with_attributes("The sum.", find("sum").attributes))
    The sum.
    <BLANKLINE>
    Attributes
    ----------
    axis : tuple of int or None, default None: the axis it works along
    keepdims : bool, default False
    exclude : bool, default False
    """
    text = inspect.cleandoc(words or "")
    if not attributes:
        return text
    lines = ["Attributes", "----------", *(_line(name, attribute, text) for name, attribute in attributes.items())]
    own, mark, examples = text.partition("\n\n>>>")
    return "\n".join([own, "", *lines]) + mark + examples


def _line(name: str, attribute: _Described, words: str) -> str:
    default = "" if attribute.default is inspect.Parameter.empty else f", default {_spelled(attribute.default)}"
    meaning = "" if re.search(rf"\b{name}\b", words) or name not in MEANINGS else f": {MEANINGS[name]}"
    return f"{name} : {describe(attribute.annotation)}{default}{meaning}"


def _spelled(value: Any) -> str:
    return str(value).removeprefix("torch.") if isinstance(value, torch.dtype) else repr(value)
