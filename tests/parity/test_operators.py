"""Every row of the operator tables, held against MXNet: both faces, outputs, gradients, names, inference and JSON."""
from __future__ import annotations

import pytest

from tests.parity.rows import Row, every_row


def face(module, op):
    """An operator's function in ``mx.nd`` or ``mx.sym``: there, in a part such as ``contrib``, or in ``_internal``."""
    if hasattr(module, op):
        return getattr(module, op)
    for part in ("contrib", "linalg", "image", "sparse"):
        if op.startswith(f"_{part}_"):
            return getattr(getattr(module, part), op[len(part) + 2:])
    return getattr(module._internal, op)


def imperative(mx, np, op, inputs, attrs):
    """The outputs of ``mx.nd.<op>``."""
    outputs = face(mx.nd, op)(*[mx.nd.array(value, dtype=value.dtype) for value in inputs], **attrs)
    return {"outputs": outputs if isinstance(outputs, (list, tuple)) else [outputs]}


def symbolic(mx, np, op, inputs, attrs, differentiate, train):
    """What ``mx.sym.<op>`` says about itself, and what its executor computes forward and backward."""
    import json
    symbol = face(mx.sym, op)(*[mx.sym.Variable(f"x{k}") for k in range(len(inputs))], name="node", **attrs)
    values = {f"x{k}": mx.nd.array(value, dtype=value.dtype) for k, value in enumerate(inputs)}
    arguments, auxiliary = symbol.list_arguments(), symbol.list_auxiliary_states()
    written = json.loads(symbol.tojson())
    for node in written["nodes"][:len(inputs)]:
        node.pop("attrs", None)                 # MXNet marks variables with the initializers of inputs not given
    result = {"arguments": arguments, "auxiliary": auxiliary, "names": symbol.list_outputs(),
              "json": {key: written[key] for key in ("nodes", "arg_nodes", "node_row_ptr", "heads")},
              "shapes": symbol.infer_shape(**{name: values[name].shape for name in arguments}),
              "types": [[np.dtype(t).name for t in types]
                        for types in symbol.infer_type(**{name: values[name].dtype for name in arguments})]}
    gradients = {name: mx.nd.zeros(values[name].shape, dtype=values[name].dtype)
                 for name in arguments if differentiate and inputs[int(name[1:])].dtype.kind == "f"}
    executor = symbol.bind(mx.cpu(), {name: values[name] for name in arguments}, args_grad=gradients,
                           grad_req={name: "write" if name in gradients else "null" for name in arguments},
                           aux_states={name: values[name] for name in auxiliary})
    outputs = executor.forward(is_train=train)
    result["outputs"] = [output.asnumpy() for output in outputs]
    if gradients:
        random = np.random.RandomState(1)
        executor.backward([mx.nd.array(random.standard_normal(output.shape), dtype=output.dtype) for output in outputs])
        result["gradients"] = gradients
        result["states"] = {name: values[name] for name in auxiliary}
    return result


def operator_case(mx, np, op, inputs, attrs, nd, sym, differentiate, train):
    """Both faces of one row."""
    result = {}
    if nd:
        result["nd"] = imperative(mx, np, op, inputs, attrs)
    if sym:
        result["sym"] = symbolic(mx, np, op, inputs, attrs, differentiate, train)
    return result


DEFAULTS = {"float32": (1e-5, 1e-6), "float64": (1e-7, 1e-9)}
WALK = [(row, dtype) for row in every_row() for dtype in row.dtypes]


@pytest.mark.parametrize("row, dtype", WALK, ids=[f"{row}-{dtype}" for row, dtype in WALK])
def test_row(compare, row: Row, dtype: str):
    rtol, atol = DEFAULTS.get(dtype, (0.0, 0.0))
    inputs = row.arrays(dtype)
    compare(operator_case, dict(op=row.op, inputs=inputs, attrs=row.attrs, nd=row.nd, sym=row.sym,
                                differentiate=row.grad and dtype.startswith("float"), train=row.train),
            rtol=rtol if row.rtol is None else row.rtol, atol=atol if row.atol is None else row.atol, env=row.env)
