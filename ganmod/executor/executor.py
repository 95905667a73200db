"""``Executor``: a symbol bound to storage, driven by explicit forward and backward calls."""
from __future__ import annotations

from typing import Any, Callable, Iterable, Optional, Sequence, Union, cast

import torch

from .. import engine
from ..base import InputError, MXNetError, ShapeError, StateError, Untraceable, suggest
from ..ndarray.ndarray import NDArray, as_tensor
from ..ops import storage
from ..ops.custom import Instances
from ..symbol import Symbol
from . import kernels
from .fastest import record_programs
from .lower import heads_needed, lower, untraceable
from .options import USUAL, Options
from .placement import Placement
from .sparsity import needs_sparse_gradients
from .trace import EagerPrograms, Forward, Programs, Structure

__all__ = ["Executor", "ProgramCache"]

#: By the structure that they are for, and then by the rest.
ProgramCache = dict[Any, dict[Any, Union[Programs, EagerPrograms]]]
Monitor = Callable[[str, NDArray], None]


class Executor:
    """Storage for a symbol's arguments, gradients and states, and the programs that run over it.

    Made by :meth:`Symbol.bind` and :meth:`Symbol.simple_bind`. The arrays keep their identity for the executor's life;
    :attr:`outputs` are handles that show the values of the latest forward.

    Parameters
    ----------
    symbol : Symbol
        What to compute.
    placement : Placement
        Where.
    args, grads, aux : dict of str to NDArray
        Arguments; gradients, for the arguments that have one; auxiliary states.
    grad_req : dict of str to str
        ``'write'``, ``'add'`` or ``'null'`` for each argument.
    programs : dict
        Recorded programs to share with other executors of the same symbol.
    options : Options
        In which precision programs compute, and whether they are compiled.

    >>> import ganmod as mx
    >>> x = mx.sym.Variable('x')
    >>> exe = (x * x).bind(mx.cpu(), {'x': mx.nd.array([3.])}, {'x': mx.nd.zeros((1,))})
    >>> exe.forward(is_train=True)[0].asscalar(), exe.backward(mx.nd.ones((1,))), exe.grad_dict['x'].asscalar()
    (np.float32(9.0), None, np.float32(6.0))
    """

    reshape: Callable[..., "Executor"]                     # set by the package, which knows how to bind

    def __init__(self, symbol: Symbol, placement: Placement, args: dict[str, NDArray], grads: dict[str, NDArray],
                 grad_req: dict[str, str], aux: dict[str, NDArray], outputs: Sequence[torch.Tensor],
                 programs: Optional[ProgramCache] = None, options: Options = USUAL) -> None:
        self._symbol, self._placement, self._grad_req = symbol, placement, grad_req
        self._ctx, self._options = placement.ctx, options
        self._args, self._aux = args, aux
        self._grads: dict[str, Optional[NDArray]] = {name: grads.get(name) for name in args}
        self.outputs = [NDArray(o, ctx) for o, ctx in zip(outputs, placement.outputs)]
        self._names, self._output_names = list(args), symbol.list_outputs()
        self._gradient_names = [n for n in self._names if grad_req[n] != "null" and n in grads
                                and args[n]._tensor.is_floating_point()]
        self._wanted = tuple(self._names.index(n) for n in self._gradient_names)
        structure = tuple((a.shape, a._tensor.dtype, a._tensor.device, a.stype)
                          for a in (*args.values(), *aux.values()))
        self._all_programs: ProgramCache = {} if programs is None else programs
        self._programs = self._all_programs.setdefault((structure, self._wanted), {})
        self._needs_head = heads_needed(symbol, set(self._gradient_names))
        self._monitor: Optional[Monitor] = None
        self._monitor_all = False
        self._last: Optional[Forward] = None
        self._instances = Instances(self._ctx)
        self._run: Union[Programs, EagerPrograms]          # by which the latest forward ran
        self._mode: Optional[bool] = None

    # --- what it holds ---------------------------------------------------------------------------------------------

    @property
    def arg_dict(self) -> dict[str, NDArray]:
        """The arguments by name."""
        return self._args

    @property
    def grad_dict(self) -> dict[str, Optional[NDArray]]:
        """The gradients by the name of the argument, ``None`` where there is none."""
        return self._grads

    @property
    def aux_dict(self) -> dict[str, NDArray]:
        """The auxiliary states by name."""
        return self._aux

    @property
    def arg_arrays(self) -> list[NDArray]:
        """The arguments, in the order of the symbol's ``list_arguments``."""
        return list(self.arg_dict.values())

    @property
    def grad_arrays(self) -> list[Optional[NDArray]]:
        """The gradients in the order of the arguments, ``None`` where there is none."""
        return list(self.grad_dict.values())

    @property
    def aux_arrays(self) -> list[NDArray]:
        """The auxiliary states, in the order of the symbol's ``list_auxiliary_states``."""
        return list(self.aux_dict.values())

    @property
    def output_dict(self) -> dict[str, NDArray]:
        """The outputs by name."""
        return dict(zip(self._output_names, self.outputs))

    def get_optimized_symbol(self) -> Symbol:
        """The symbol that is run."""
        return self._symbol

    def debug_str(self) -> str:
        """The graph in words, and the recorded program of a training forward and its gradients if there is one."""
        programs = [p for key, p in self._programs.items() if key[0] is True]
        return self._symbol.debug_str() + (f"\nRecorded program:\n{programs[0].code()}" if programs else "")

    # --- running -----------------------------------------------------------------------------------------------------

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[NDArray]:
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool
            Whether dropout drops, batch normalisation uses and updates batch statistics, and so on.
        **kwargs : NDArray, numpy array or list
            Values to copy into arguments first, by name.

        Returns
        -------
        list of NDArray
            The output handles, always the same ones.

        Raises
        ------
        InputError
            For a name that is no argument.
        ShapeError
            For a value whose shape is not the bound one.
        """
        for name, value in kwargs.items():
            self._feed(name, value)
        self._run_forward(bool(is_train), keep=bool(is_train) and bool(self._gradient_names))
        assert self._last is not None
        for handle, tensor in zip(self.outputs, self._last.outputs):
            handle._tensor = tensor
        return self.outputs

    def _feed(self, name: str, value: Any) -> None:
        if name not in self.arg_dict:
            raise InputError(f"forward(): there is no argument {name!r}{suggest(name, self.arg_dict)}")
        target = self.arg_dict[name].as_torch()
        source = as_tensor(value, target)
        if source.shape != target.shape:
            raise ShapeError(f"forward(): {name!r} is bound with shape {tuple(target.shape)}, got "
                             f"{tuple(source.shape)}; use reshape() to bind other shapes")
        storage.write(target, source)

    def _run_forward(self, training: bool, keep: bool, update: bool = True) -> None:
        """Run a forward program; `keep` what a backward needs, `update` the states."""
        programs = self._programs_for(training, keep)
        self._last = None                                  # what it saved makes room before as much is saved again
        with self._instances:
            result = programs.forward(self._tensors(self.arg_arrays), self._tensors(self.aux_arrays))
        if update:
            arrays = [self._aux[n] if n in self._aux else self._args[n] for n in result.replaced]
            if arrays:
                torch._foreach_copy_(self._tensors(arrays), list(result.replaced.values()))
        observed = result.outputs[len(self.outputs):]
        if self._monitor is not None and update:
            self._show(observed)
        self._last = result._replace(outputs=result.outputs[:len(self.outputs)])
        self._mode, self._kept, self._run = training, keep, programs

    def backward(self, out_grads: Any = None, is_train: bool = True, wanted: Optional[Iterable[str]] = None,
                 retain_graph: bool = True) -> None:
        """Compute gradients of the latest forward into the gradient arrays, as each argument's ``grad_req`` says.

        May be called repeatedly, with `retain_graph`; uses the current values of the arguments. After a forward with
        ``is_train=False`` what is needed is computed again, in that mode.

        Parameters
        ----------
        out_grads : NDArray, list or dict of NDArray, optional
            The head gradient of each output. Outputs of loss layers need none, and ignore theirs.
        wanted : iterable of str, optional
            The arguments whose gradients to compute; by default all that were bound with a gradient. The other
            gradient arrays are left as they are, and what only they need is not computed.
        retain_graph : bool
            Whether there may be another backward of this forward. If not, what it saved is let go on the way.

        Raises
        ------
        StateError
            Before any forward, and after a backward that has not retained what it saved.
        MXNetError
            Without a head gradient for an output that is no loss.
        """
        if self._last is None:
            raise StateError("backward() needs forward() first, and after backward(retain_graph=False) another one")
        names = self._wanted_names(wanted)
        heads = self._heads(out_grads)
        if not names:
            return
        if not self._kept:
            self._run_forward(bool(self._mode), keep=True, update=False)
        targets = [cast(NDArray, self.grad_dict[n]).as_torch() for n in names]
        heads, saved = _unwritten(heads, targets), self._last.saved
        if not retain_graph:
            self._last = None
        with self._instances:
            self._run.backward(self._tensors(self.arg_arrays), self._tensors(self.aux_arrays), heads, saved,
                               tuple(self._names.index(n) for n in names), targets,
                               tuple(self._grad_req[n] == "add" for n in names), retain_graph)

    def _wanted_names(self, wanted: Optional[Iterable[str]]) -> list[str]:
        if wanted is None:
            return self._gradient_names
        chosen = set(wanted)
        for name in chosen:
            if name not in self._gradient_names:
                raise InputError(f"backward(): {name!r} was not bound with a gradient"
                                 f"{suggest(name, self._gradient_names)}")
        return [n for n in self._gradient_names if n in chosen]

    def _heads(self, out_grads: Any) -> list[torch.Tensor]:
        names = self._output_names
        if isinstance(out_grads, dict):
            given = [out_grads.get(n) for n in names]
        else:
            given = [out_grads] if isinstance(out_grads, (NDArray, torch.Tensor)) else list(out_grads or [])
        if len(given) > len(names):
            raise InputError(f"backward() got {len(given)} head gradients for {len(names)} outputs: {', '.join(names)}")
        given += [None] * (len(names) - len(given))
        return [self._head(n, o, g, needed) for n, o, g, needed in
                zip(names, self.outputs, given, self._needs_head)]

    def _head(self, name: str, output: NDArray, given: Any, needed: bool) -> torch.Tensor:
        if given is None:
            if needed:
                raise MXNetError(f"backward() needs a head gradient for the output {name!r}, which is no loss layer: "
                                 "give out_grads, or put a loss such as MakeLoss on it")
            return output.as_torch()                       # its place only: no program reads it
        tensor = as_tensor(given, output.as_torch())
        if needed and tensor.shape != output.shape:
            raise ShapeError(f"backward(): the head gradient of {name!r} has shape {tuple(tensor.shape)}, the output "
                             f"{output.shape}")
        return tensor.to(output.as_torch().dtype) if needed else output.as_torch()

    # --- programs ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _tensors(arrays: Sequence[NDArray]) -> list[torch.Tensor]:
        return [a._tensor for a in arrays]                 # as_torch() would publish them

    def _programs_for(self, training: bool, differentiate: bool) -> Union[Programs, EagerPrograms]:
        """The programs of a mode, recorded at first use and kept for these shapes."""
        key = (training, differentiate, self._monitor is not None, self._choice())
        if key not in self._programs:
            symbol = self._symbol if self._monitor is None else self._observed_symbol()
            heads = [torch.empty_like(o.as_torch()) for o in self.outputs]
            self._programs[key] = self._made(symbol, training, Structure(
                self._tensors(self.arg_arrays), self._tensors(self.aux_arrays),
                self._wanted if differentiate else (), heads))
        return self._programs[key]

    def _choice(self) -> tuple[Any, ...]:
        """What decides, besides shapes, on how a program is made."""
        return self._options, engine.has_fast_kernels(), kernels.generation(), torch.get_num_threads()

    def _made(self, symbol: Symbol, training: bool, structure: Structure) -> Union[Programs, EagerPrograms]:
        function = lower(symbol, training, self._placement, self._options.precision)
        sparse = any(storage.is_sparse(t) for t in structure.arguments) or needs_sparse_gradients(symbol)
        if sparse or untraceable(symbol):
            return EagerPrograms(function, structure.wanted)
        try:
            return record_programs(function, structure, self._options.compiled)
        except Untraceable:
            return EagerPrograms(function, structure.wanted)

    # --- watching ----------------------------------------------------------------------------------------------------

    def set_monitor_callback(self, callback: Optional[Monitor], monitor_all: bool = False) -> None:
        """Call ``callback(name, array)`` for every node's outputs at each forward; with `monitor_all` inputs too.

        ``None`` stops it.
        """
        self._monitor, self._monitor_all = callback, monitor_all

    def _observed_symbol(self) -> Symbol:
        return Symbol([*self._symbol.entries, *self._observed_entries()])

    def _observed_entries(self) -> list[Any]:
        return [e for e in self._symbol.get_internals().entries if e.node.op is not None]

    def _show(self, observed: Sequence[torch.Tensor]) -> None:
        assert self._monitor is not None
        entries = self._observed_entries()
        values = {(id(e.node), e.index): NDArray(t, self._placement.of_entry(e)) for e, t in zip(entries, observed)}
        bound = {**self.arg_dict, **self.aux_dict}
        for node in self._symbol.get_internals().nodes:
            if node.op is None:
                values[id(node), 0] = bound[node.name]
            if self._monitor_all:
                shown = [(node.name, bound[node.name])] if node.op is None else \
                    [(f"{node.name}_{n}", values[id(e.node), e.index]) for n, e in zip(node.input_names, node.inputs)]
                for name, array in shown:
                    self._monitor(name, array)
            for k, name in enumerate(node.output_names if node.op else []):
                self._monitor(name, values[id(node), k])

    # --- other shapes and values -------------------------------------------------------------------------------------

    def copy_params_from(self, arg_params: dict[str, NDArray], aux_params: Optional[dict[str, NDArray]] = None,
                         allow_extra_params: bool = False) -> None:
        """Copy values into arguments and auxiliary states by name.

        Raises
        ------
        ValueError
            For a name that is not bound, unless `allow_extra_params`.
        """
        for kind, bound, given in (("argument", self.arg_dict, arg_params), ("auxiliary state", self.aux_dict,
                                                                             aux_params or {})):
            for name, array in given.items():
                if name in bound:
                    if array.shape != bound[name].shape:
                        raise ShapeError(f"copy_params_from(): {kind} {name!r} is bound with shape "
                                         f"{bound[name].shape}, got {array.shape}")
                    array.copyto(bound[name])
                elif not allow_extra_params:
                    raise ValueError(f"copy_params_from(): there is no {kind} {name!r}{suggest(name, bound)}")


def _unwritten(heads: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Head gradients in memory that is not written to meanwhile, such as that of an earlier gradient is."""
    written = {t.untyped_storage()._cdata for t in targets if not storage.is_sparse(t)}
    return [h.clone() if not storage.is_sparse(h) and h.untyped_storage()._cdata in written else h for h in heads]
