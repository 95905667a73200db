"""``DataParallelExecutorGroup``: one executor for each context, a slice of the batch to each."""
from __future__ import annotations

import logging
from typing import Any, Iterable, Optional, Sequence, Union

import torch

from ..base import InputError, ShapeError, StateError
from ..context import Context
from ..executor import Executor
from ..executor.options import USUAL, Options
from ..io import DataBatch, DataDesc
from ..ndarray import concatenate
from ..ndarray.ndarray import NDArray, as_tensor
from ..ops import storage
from ..symbol import Symbol

__all__ = ["DataParallelExecutorGroup", "as_descriptions", "with_shapes", "with_batch_size", "as_one_batch",
           "split_batch"]

GradReq = Union[str, Sequence[str], dict[str, str]]
Slices = list[tuple[slice, NDArray]]


def as_descriptions(shapes: Optional[Sequence[Any]]) -> list[DataDesc]:
    """``DataDesc`` for each entry, which may be a ``(name, shape)`` pair.

    Raises
    ------
    InputError
        For an entry that is neither.
    """
    made = []
    for entry in shapes or []:
        if not isinstance(entry, DataDesc):
            if not isinstance(entry, (tuple, list)) or len(entry) < 2 or not isinstance(entry[0], str):
                raise InputError(f"data and label shapes are lists of DataDesc or (name, shape), got {entry!r}")
            entry = DataDesc(entry[0], tuple(entry[1]), *entry[2:])
        made.append(entry)
    return made


def with_shapes(descriptions: Sequence[DataDesc], shapes: Sequence[tuple[int, ...]]) -> list[DataDesc]:
    """The descriptions, of other shapes."""
    return [DataDesc(d.name, shape, d.dtype, d.layout) for d, shape in zip(descriptions, shapes)]


def as_one_batch(batches: Sequence[DataBatch]) -> DataBatch:
    """Batches of the same shapes after one another, along the first axis.

    Raises
    ------
    ShapeError
        Without any, or for shapes that differ.
    """
    parts = [(list(batch.data or []), list(batch.label or [])) for batch in batches]
    shapes = [[[tuple(a.shape) for a in arrays] for arrays in part] for part in parts]
    if not parts or any(shape != shapes[0] for shape in shapes):
        raise ShapeError(f"a list of batches must have some, all of the same shapes; got {shapes}")
    data, label = ([concatenate(arrays) for arrays in zip(*lists)] for lists in zip(*parts))
    return DataBatch(data, label)


def with_batch_size(labels: Sequence[DataDesc], data: Sequence[DataDesc]) -> list[DataDesc]:
    """The labels' shapes for the batch size of `data`."""
    axis = DataDesc.get_batch_axis(data[0].layout)
    made = []
    for label in labels:
        shape = list(label.shape)
        if shape and DataDesc.get_batch_axis(label.layout) >= 0:
            shape[DataDesc.get_batch_axis(label.layout)] = data[0].shape[max(axis, 0)]
        made.append(DataDesc(label.name, tuple(shape), label.dtype, label.layout))
    return made


def split_batch(batch_size: int, workload: Sequence[float]) -> list[slice]:
    """The part of a batch for each device, in proportion to its workload.

    Raises
    ------
    ValueError
        If a part would be empty.

    >>> split_batch(10, [1, 1, 2])
    [slice(0, 2, None), slice(2, 4, None), slice(4, 10, None)]
    """
    counts = [round(batch_size * share / sum(workload)) for share in workload]
    counts[-1] += batch_size - sum(counts)
    slices, start = [], 0
    for count in counts:
        stop = min(start + count, batch_size)
        if start >= stop:
            raise ValueError(f"a batch of {batch_size} cannot be split over {len(workload)} contexts with the "
                             f"work loads {list(workload)}: some parts are empty")
        slices.append(slice(start, stop))
        start = stop
    return slices


class DataParallelExecutorGroup:
    """The executors of a module, one for each context.

    The lists of arrays are ``[parameter][device]``; programs read and change them in place, and they stay the same
    objects for the life of the module.

    Parameters
    ----------
    symbol : Symbol
        The network.
    contexts : list of Context
        Where to run it.
    workload : list of float
        The share of the batch that each context gets.
    data_shapes, label_shapes : list of DataDesc
        The batch, as a whole.
    param_names : list of str
        The arguments that are parameters.
    for_training, inputs_need_grad : bool
        Whether gradients of the parameters, and of the data, are computed.
    shared_group : DataParallelExecutorGroup
        A group to share arrays of the same name and shape with.
    fixed_param_names, state_names : list of str
        Parameters without gradients; inputs that carry state from batch to batch.
    grad_req : str, list or dict
        ``'write'``, ``'add'`` or ``'null'``, for all arguments or for each.
    options : Options
        In which precision programs compute, and whether they are compiled.
    """

    def __init__(self, symbol: Symbol, contexts: Sequence[Context], workload: Optional[Sequence[float]],
                 data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]], param_names: Sequence[str],
                 for_training: bool, inputs_need_grad: bool,
                 shared_group: Optional["DataParallelExecutorGroup"] = None, logger: Any = logging,
                 fixed_param_names: Optional[Sequence[str]] = None, grad_req: GradReq = "write",
                 state_names: Optional[Sequence[str]] = None, group2ctxs: Any = None,
                 options: Options = USUAL) -> None:
        self.symbol, self.contexts, self.logger = symbol, list(contexts), logger
        self.workload, self._options = list(workload or [1] * len(self.contexts)), options
        self.group2ctxs = _group_contexts(group2ctxs, len(self.contexts))
        self.param_names, self.state_names = list(param_names), list(state_names or [])
        self.fixed_param_names = list(fixed_param_names or [])
        self.arg_names, self.aux_names = symbol.list_arguments(), symbol.list_auxiliary_states()
        self.output_names = symbol.list_outputs()
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self.execs: list[Executor] = []
        #: For each device, the data and label arrays by name of the groups that share arrays.
        self.shared_data_arrays: list[dict[str, NDArray]] = shared_group.shared_data_arrays if shared_group else \
            [{} for _ in self.contexts]
        self.batch_size = 0
        self.grad_req = self._requests(grad_req, [d.name for d in as_descriptions(data_shapes)])
        self.bind_exec(data_shapes, label_shapes, shared_group)

    # --- binding ---------------------------------------------------------------------------------------------------

    def _requests(self, grad_req: GradReq, data_names: Sequence[str]) -> dict[str, str]:
        """The gradient request of each argument; labels and states have none, data has one if it is asked for."""
        if isinstance(grad_req, str):
            given = dict.fromkeys(self.arg_names, grad_req)
        elif isinstance(grad_req, dict):
            given = {**dict.fromkeys(self.arg_names, "write"), **grad_req}
        else:
            if len(grad_req) != len(self.arg_names):
                raise InputError(f"grad_req has {len(grad_req)} entries for {len(self.arg_names)} arguments")
            given = dict(zip(self.arg_names, grad_req))
        wanted = set(self.param_names) - set(self.fixed_param_names)
        if self.inputs_need_grad:
            wanted |= set(data_names)
        return {n: given[n] if self.for_training and n in wanted else "null" for n in self.arg_names}

    def bind_exec(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]],
                  shared_group: Optional["DataParallelExecutorGroup"] = None, reshape: bool = False) -> None:
        """Make the executors for these shapes; with `reshape`, from the present ones, sharing what stays the same.

        Raises
        ------
        ShapeError
            Where the shapes do not fit the network; the group is then as it was.
        """
        data, labels = as_descriptions(data_shapes), as_descriptions(label_shapes)
        batch_size = self._batch_size([*data, *labels])
        slices = split_batch(batch_size, self.workload)
        execs = []
        for k, ctx in enumerate(self.contexts):
            shapes = {d.name: self._part(d, slices[k]) for d in [*data, *labels] if d.name in self.arg_names}
            if reshape:                                    # parameters keep their shapes, or the batch does not fit
                old = self.execs[k]
                shapes.update({n: old.arg_dict[n].shape for n in self.param_names})
                execs.append(old.reshape(partial_shaping=True, allow_up_sizing=True, **shapes))
            else:
                types = {d.name: d.dtype for d in [*data, *labels] if d.name in self.arg_names}
                execs.append(self.symbol.simple_bind(
                    ctx, self.grad_req, types, group2ctx=self.group2ctxs[k],
                    shared_exec=shared_group.execs[k] if shared_group else None, options=self._options, **shapes))
        self.data_shapes, self.label_shapes = data, labels or None
        self.batch_size, self.slices, self.execs = batch_size, slices, execs
        self._collect_arrays()

    def reshape(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]]) -> None:
        """Bind other shapes; parameters and their gradients stay the same arrays."""
        self.bind_exec(data_shapes, label_shapes, reshape=True)

    def _batch_size(self, descriptions: Sequence[DataDesc]) -> int:
        sizes = {d.name: d.shape[axis] for d in descriptions if (axis := DataDesc.get_batch_axis(d.layout)) >= 0
                 and d.shape}
        if len(set(sizes.values())) > 1:
            raise ShapeError(f"all data and labels of a batch must have the same batch size, got {sizes}")
        return next(iter(sizes.values()), 0)

    @staticmethod
    def _part(description: DataDesc, part: slice) -> tuple[int, ...]:
        axis = DataDesc.get_batch_axis(description.layout)
        shape = list(description.shape)
        if axis >= 0 and shape:
            shape[axis] = part.stop - part.start
        return tuple(shape)

    def _collect_arrays(self) -> None:
        self.data_names = [d.name for d in self.data_shapes]
        self.label_names = [d.name for d in self.label_shapes or []]
        self.data_layouts = [DataDesc.get_batch_axis(d.layout) for d in self.data_shapes]
        self.label_layouts = [DataDesc.get_batch_axis(d.layout) for d in self.label_shapes or []]
        self.output_layouts = [DataDesc.get_batch_axis(self.symbol[n].attr("__layout__"))
                               for n in self.symbol.list_outputs()] if self._has_layouts() else \
            [0] * len(self.output_names)
        self.num_outputs = len(self.output_names)
        self.data_arrays = [self._sliced(name) for name in self.data_names]
        self.label_arrays = [self._sliced(name) for name in self.label_names if name in self.arg_names]
        for shared, executor in zip(self.shared_data_arrays, self.execs):
            shared.update({n: executor.arg_dict[n] for n in (*self.data_names, *self.label_names)
                           if n in self.arg_names})
        self.state_arrays = [[e.arg_dict[name] for e in self.execs] for name in self.state_names]
        parameters = [n for n in self.arg_names if n in self.param_names]
        self.param_arrays = [[e.arg_dict[name] for e in self.execs] for name in parameters]
        self.grad_arrays = [[e.grad_dict[name] for e in self.execs] for name in parameters] \
            if self.for_training else []
        self.aux_arrays = [[e.aux_dict[name] for e in self.execs] for name in self.aux_names]
        self.input_grad_arrays = [[e.grad_dict[name] for e in self.execs] for name in self.data_names] \
            if self.inputs_need_grad else []

    def _has_layouts(self) -> bool:
        return any("__layout__" in attrs for attrs in self.symbol.attr_dict().values())

    def _sliced(self, name: str) -> Slices:
        return [(part, e.arg_dict[name]) for part, e in zip(self.slices, self.execs)]

    # --- parameters --------------------------------------------------------------------------------------------------

    def set_params(self, arg_params: dict[str, NDArray], aux_params: dict[str, NDArray],
                   allow_extra: bool = False) -> None:
        """Copy values into every executor."""
        for executor in self.execs:
            executor.copy_params_from(arg_params, aux_params, allow_extra_params=allow_extra)

    def get_params(self, arg_params: dict[str, NDArray], aux_params: dict[str, NDArray]) -> None:
        """Copy the mean over the devices into the given arrays."""
        for names, arrays, target in ((self.param_names, self.param_arrays, arg_params),
                                      (self.aux_names, self.aux_arrays, aux_params)):
            for name, group in zip(names, arrays):
                tensors = [a._tensor.to(target[name].as_torch().device) for a in group]
                mean = tensors[0] if len(tensors) == 1 else torch.stack([*map(storage.dense, tensors)]).mean(0)
                storage.write(target[name].as_torch(), mean)

    # --- running -----------------------------------------------------------------------------------------------------

    def forward(self, data_batch: Any, is_train: Optional[bool] = None) -> None:
        """Copy the batch in, a slice to each executor, and compute the outputs."""
        self._load("data", data_batch.data, self.data_arrays, self.data_layouts, self.data_names)
        if self.label_arrays and data_batch.label:
            self._load("label", data_batch.label, self.label_arrays, self.label_layouts, self.label_names)
        for executor in self.execs:
            executor.forward(is_train=self.for_training if is_train is None else is_train)

    @staticmethod
    def _load(what: str, arrays: Sequence[Any], targets: Sequence[Slices], axes: Sequence[int],
              names: Sequence[str]) -> None:
        if len(arrays) != len(targets):
            raise InputError(f"the batch has {len(arrays)} {what} array(s), the module takes {len(targets)}: "
                             f"{', '.join(names)}")
        for array, slices, axis, name in zip(arrays, targets, axes, names):
            for part, target in slices:
                source = as_tensor(array, target.as_torch())
                if len(slices) > 1 and axis >= 0 and source.dim():
                    source = storage.part(source, axis, part.start, min(part.stop, source.shape[axis]))
                if source.shape != target.shape:
                    raise ShapeError(f"forward(): {what} {name!r} is bound with shape {target.shape}, the batch has "
                                     f"{tuple(source.shape)}")
                storage.write(target.as_torch(), source)

    def backward(self, out_grads: Any = None, wanted: Optional[Iterable[str]] = None,
                 retain_graph: bool = True) -> None:
        """Compute the gradients, from the head gradients of the whole batch where outputs are no losses."""
        if not self.for_training:
            raise StateError("backward() needs a module that was bound with for_training=True")
        if isinstance(out_grads, NDArray):
            out_grads = [out_grads]
        for part, executor in zip(self.slices, self.execs):
            executor.backward(self._slice_of_heads(out_grads, part, executor), wanted=wanted, retain_graph=retain_graph)

    def _slice_of_heads(self, out_grads: Any, part: slice, executor: Executor) -> Any:
        if out_grads is None or len(self.execs) == 1:
            return out_grads
        device = executor.outputs[0].as_torch().device
        return [as_tensor(g, executor.outputs[0].as_torch()).narrow(axis, part.start, part.stop - part.start).to(device)
                if axis >= 0 else g for g, axis in zip(out_grads, self.output_layouts)]

    def get_outputs(self, merge_multi_context: bool = True, begin: int = 0, end: Optional[int] = None) -> Any:
        """The outputs: ``[output]``, or ``[output][device]`` without merging."""
        stop = self.num_outputs if end is None else end
        outputs = [[e.outputs[k] for e in self.execs] for k in range(begin, stop)]
        return _merged(outputs, self.output_layouts[begin:stop]) if merge_multi_context else outputs

    def get_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The name and shape of each output of the whole batch."""
        shapes = []
        for k, (name, axis) in enumerate(zip(self.output_names, self.output_layouts)):
            shape = list(self.execs[0].outputs[k].shape)
            if axis >= 0:
                shape[axis] = sum(e.outputs[k].shape[axis] for e in self.execs)
            shapes.append((name, tuple(shape)))
        return shapes

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the data: ``[data]``, or ``[data][device]`` without merging."""
        return _merged(self.input_grad_arrays, self.data_layouts) if merge_multi_context else self.input_grad_arrays

    def get_states(self, merge_multi_context: bool = True) -> Any:
        """The values of the state inputs."""
        return _merged(self.state_arrays, [0] * len(self.state_arrays)) if merge_multi_context else self.state_arrays

    def set_states(self, states: Optional[Sequence[Any]] = None, value: Optional[float] = None) -> None:
        """Set the state inputs from arrays (``[state][device]`` or merged), or all of them to one number."""
        if (states is None) == (value is None):
            raise InputError("set_states() takes either states or value")
        if value is not None:
            for group in self.state_arrays:
                for array in group:
                    array[:] = value
            return
        for source, group in zip(states or [], self.state_arrays):
            per_device = source if isinstance(source, (list, tuple)) else \
                [source[part] for part in self.slices] if len(group) > 1 else [source]
            for one, array in zip(per_device, group):
                array[:] = one

    def update_metric(self, eval_metric: Any, labels: Sequence[Any], pre_sliced: bool = False) -> None:
        """Have a metric see each device's outputs with its slice of the labels."""
        for k, (part, executor) in enumerate(zip(self.slices, self.execs)):
            own = labels[k] if pre_sliced else \
                [label if axis < 0 or len(self.execs) == 1 else label[part]
                 for label, axis in zip(labels, self.label_layouts or [0] * len(labels))]
            eval_metric.update_dict(dict(zip(self.label_names, own)), dict(zip(self.output_names, executor.outputs)))

    def install_monitor(self, mon: Any) -> None:
        """Have a monitor watch every executor."""
        for executor in self.execs:
            mon.install(executor)


def _merged(arrays: Sequence[Sequence[Any]], axes: Sequence[int]) -> list[Any]:
    """For each list over devices, one array: the first itself where there is one, else the parts joined."""
    made = []
    for group, axis in zip(arrays, axes):
        if len(group) == 1 or axis < 0:
            made.append(group[0])
        else:
            device = group[0].as_torch().device
            made.append(NDArray(torch.cat([a.as_torch().to(device) for a in group], dim=axis), group[0].context))
    return made


def _group_contexts(given: Any, count: int) -> list[Optional[dict[str, Context]]]:
    """``group2ctxs`` as one dict for each device."""
    if given is None:
        return [None] * count
    if isinstance(given, dict):
        spread = {k: v if isinstance(v, (list, tuple)) else [v] * count for k, v in given.items()}
        return [{k: v[i % len(v)] for k, v in spread.items()} for i in range(count)]
    return list(given)
