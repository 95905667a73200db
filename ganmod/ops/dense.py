"""Fully connected layers and embeddings."""
from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .attributes import DType
from .registry import Index, operator
from .shapes import product


@operator("FullyConnected", "_sparse_FullyConnected", present={"bias": lambda p: not p.no_bias})
def fully_connected(data: Tensor, weight: Tensor, bias: Optional[Tensor] = None, *, num_hidden: int,
                    no_bias: bool = False, flatten: bool = True) -> Tensor:
    """Affine map ``data @ weight.T + bias``.

    Shapes: data (N, ...), weight (num_hidden, K), bias (num_hidden,) -> (N, num_hidden), where K is the product of
    all axes but the first; with ``flatten=False`` the last axis alone is mapped: (..., K) -> (..., num_hidden).

    >>> import ganmod as mx
    >>> mx.nd.FullyConnected(mx.nd.ones((2, 3)), mx.nd.ones((1, 3)), no_bias=True, num_hidden=1).asnumpy().tolist()
    [[3.0], [3.0]]
    """
    return F.linear((data.flatten(1) if data.dim() > 1 else data.unsqueeze(1)) if flatten else data, weight, bias)


@fully_connected.shapes
def _(p, s):
    if s.data:
        s.weight = (p.num_hidden, product(s.data[1:]) if p.flatten else s.data[-1])
        s.output = (s.data[0], p.num_hidden) if p.flatten else (*s.data[:-1], p.num_hidden)
        if s.output and p.flatten:
            s.data = (s.output[0], *s.data[1:])
    if not p.no_bias:
        s.bias = (p.num_hidden,)


@operator("Embedding", "_sparse_Embedding")
def embedding(data: Index, weight: Tensor, *, input_dim: int, output_dim: int, dtype: DType = torch.float32,
              sparse_grad: bool = False) -> Tensor:
    """Rows of a table, looked up by index: ``weight[data]``; an index out of range is clipped to the last row.

    With `sparse_grad` the gradient of the weight is row_sparse: only the rows that were looked up are stored.

    Shapes: data (any shape, whole numbers of any dtype), weight (input_dim, output_dim) -> (*data.shape, output_dim).
    """
    return F.embedding(data.long().clamp(0, input_dim - 1), weight, sparse=sparse_grad and weight.is_leaf)


@operator("_contrib_SparseEmbedding")
def sparse_embedding(data: Index, weight: Tensor, *, input_dim: int, output_dim: int, dtype: DType = torch.float32,
                     sparse_grad: bool = False) -> Tensor:
    """``Embedding(sparse_grad=True)`` under its older name, whatever `sparse_grad` says.

    Shapes: data (any shape), weight (input_dim, output_dim) -> (*data.shape, output_dim).
    """
    return F.embedding(data.long().clamp(0, input_dim - 1), weight, sparse=weight.is_leaf)


@sparse_embedding.shapes
@embedding.shapes
def _(p, s):
    s.weight = (p.input_dim, p.output_dim)
    if s.data:
        s.output = (*s.data, p.output_dim)


@sparse_embedding.dtypes
@embedding.dtypes
def _(p, types):
    types["weight"] = types["output"] = types["weight"] or types["output"] or p.dtype
