"""``SequentialModule``: modules in a row, the outputs of each being the data of the next."""
from __future__ import annotations

import logging
from typing import Any, Optional, Sequence, Union

from ..base import InputError, StateError
from ..io import DataBatch, DataDesc
from ..ndarray import NDArray
from .base_module import DEFAULT_INITIALIZER, BaseModule, Params
from .executor_group import as_descriptions
from .python_module import PythonModule

__all__ = ["SequentialModule"]


class SequentialModule(BaseModule):
    """Modules in a row, driven as one.

    Parameters
    ----------
    logger : logging.Logger
        Where messages go.

    >>> import ganmod as mx
    >>> body = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=3, name='body')
    >>> head = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=2), name='softmax')
    >>> net = SequentialModule()
    >>> _ = net.add(mx.mod.Module(body, label_names=None))
    >>> _ = net.add(mx.mod.Module(head), take_labels=True, auto_wiring=True)
    >>> net.bind([('data', (4, 5))], [('softmax_label', (4,))])
    >>> net.init_params()
    >>> net.forward(mx.io.DataBatch([mx.nd.ones((4, 5))]), is_train=False)
    >>> net.get_outputs()[0].shape
    (4, 2)
    """

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger: Any = logging) -> None:
        super().__init__(logger)
        self._modules: list[BaseModule] = []
        self._metas: list[dict[str, Any]] = []
        self._data_shapes: Any = None
        self._label_shapes: Any = None

    def add(self, module: BaseModule, **kwargs: Any) -> "SequentialModule":
        """Append a module; the whole has to be bound anew.

        Parameters
        ----------
        module : BaseModule
            Not yet bound.
        take_labels : bool
            Whether it is shown the labels, and asked for the metric.
        auto_wiring : bool
            Whether the outputs before it go to its data inputs by their order, whatever their names.

        Returns
        -------
        SequentialModule
            This one, so that calls can be chained.

        Raises
        ------
        InputError
            For another keyword.
        """
        known = (self.META_TAKE_LABELS, self.META_AUTO_WIRING)
        for key in kwargs:
            if key not in known:
                raise InputError(f'add(): unknown meta "{key}", a typo? (known: {", ".join(known)})')
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        """The names of the first module's data inputs."""
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self) -> list[str]:
        """The names of the last module's outputs."""
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self) -> list[Any]:
        """The bound data inputs."""
        self._require("data_shapes")
        return self._modules[0].data_shapes

    @property
    def label_shapes(self) -> Optional[list[Any]]:
        """The bound labels; ``None`` if no module takes any."""
        self._require("label_shapes")
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The name and shape of each output."""
        self._require("output_shapes")
        return self._modules[-1].output_shapes

    # --- binding -----------------------------------------------------------------------------------------------------

    def bind(self, data_shapes: Sequence[Any], label_shapes: Optional[Sequence[Any]] = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Optional[BaseModule] = None,
             grad_req: Any = "write", mixed_precision: Optional[str] = None, compile: Union[bool, str] = False) -> None:
        """Bind the modules one after the other, each to the output shapes of the one before.

        Parameters are as in :meth:`Module.bind`; shared_module is not supported. Modules in Python have no programs
        that `mixed_precision` and `compile` could be about.
        """
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if not self._modules:
            raise StateError("bind() needs add() first: the SequentialModule is empty")
        if shared_module is not None:
            raise InputError("SequentialModule.bind(): shared_module is not supported")
        if inputs_need_grad and not for_training:
            raise StateError("bind(inputs_need_grad=True) needs for_training=True")
        shapes, taken = as_descriptions(data_shapes), False
        for number, (module, meta) in enumerate(zip(self._modules, self._metas)):
            takes = bool(meta.get(self.META_TAKE_LABELS))
            taken = taken or takes
            if meta.get(self.META_AUTO_WIRING):
                shapes = [DataDesc(name, d.shape, d.dtype, d.layout)
                          for name, d in zip(self._wired(module, len(shapes)), shapes)]
            programs: dict[str, Any] = {"mixed_precision": mixed_precision, "compile": compile}
            module.bind(data_shapes=shapes, label_shapes=label_shapes if takes else None, for_training=for_training,
                        inputs_need_grad=for_training and (inputs_need_grad or number > 0),
                        force_rebind=force_rebind, grad_req=grad_req,
                        **({} if isinstance(module, PythonModule) else programs))
            shapes = as_descriptions(module.output_shapes)
        self.for_training, self.inputs_need_grad, self.binded = for_training, inputs_need_grad, True
        self._data_shapes, self._label_shapes = data_shapes, label_shapes if taken else None

    @staticmethod
    def _wired(module: BaseModule, count: int) -> list[str]:
        if len(module.data_names) != count:
            raise InputError(f"SequentialModule: a module takes {len(module.data_names)} data input(s) "
                             f"({', '.join(module.data_names)}), and the one before it gives {count}")
        return list(module.data_names)

    def init_params(self, initializer: Any = DEFAULT_INITIALIZER, arg_params: Params = None, aux_params: Params = None,
                    allow_missing: bool = False, force_init: bool = False, allow_extra: bool = False) -> None:
        """Set the parameters of all modules; parameters are as in :meth:`Module.init_params`.

        Raises
        ------
        InputError
            If two modules have a parameter of the same name.
        """
        if self.params_initialized and not force_init:
            return
        self._require("init_params")
        for module in self._modules:
            module.init_params(initializer=initializer, arg_params=arg_params, aux_params=aux_params,
                               allow_missing=allow_missing, force_init=force_init, allow_extra=allow_extra)
        owner: dict[str, int] = {}
        for number, module in enumerate(self._modules):
            for name in (name for group in module.get_params() for name in group):
                if name in owner:
                    raise InputError(f"Duplicated parameter names: name {name!r} in layer {number} is already used in "
                                     f"layer {owner[name]}")
                owner[name] = number
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Parameters and auxiliary states of all modules, by name."""
        self._require("get_params", params=True)
        arg_params: dict[str, NDArray] = {}
        aux_params: dict[str, NDArray] = {}
        for module in self._modules:
            args, aux = module.get_params()
            arg_params.update(args)
            aux_params.update(aux)
        return arg_params, aux_params

    def init_optimizer(self, kvstore: Any = "local", optimizer: Any = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """Give each module an optimizer; parameters are as in :meth:`Module.init_optimizer`."""
        self._require("init_optimizer", params=True)
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        for module in self._modules:
            module.init_optimizer(kvstore=kvstore, optimizer=optimizer, optimizer_params=optimizer_params,
                                  force_init=force_init)
        self.optimizer_initialized = True

    # --- running -----------------------------------------------------------------------------------------------------

    def forward(self, data_batch: Any, is_train: Optional[bool] = None) -> None:
        """Compute the outputs of a batch; the outputs of each module are the data of the next."""
        self._require("forward", params=True)
        batch = data_batch
        for module, following in zip(self._modules, [*self._modules[1:], None]):
            module.forward(batch, is_train=is_train)
            if following is not None:
                outputs = module.get_outputs()
                names = self._wired(following, len(outputs))
                batch = DataBatch(outputs, data_batch.label, getattr(data_batch, "pad", None),
                                  bucket_key=getattr(data_batch, "bucket_key", None),
                                  provide_data=[DataDesc(n, o.shape, o.dtype) for n, o in zip(names, outputs)],
                                  provide_label=getattr(data_batch, "provide_label", None))

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients, from the last module to the first."""
        self._require("backward", params=True)
        for number, module in reversed(list(enumerate(self._modules))):
            module.backward(out_grads=out_grads)
            if number:
                out_grads = module.get_input_grads()

    def update(self) -> None:
        """Change the parameters of all modules by their gradients."""
        self._require("update", params=True, optimizer=True)
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The last module's outputs."""
        self._require("get_outputs", params=True)
        return self._modules[-1].get_outputs(merge_multi_context=merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data of the latest backward.

        Raises
        ------
        StateError
            Without ``bind(inputs_need_grad=True)``.
        """
        self._require("get_input_grads", params=True)
        if not self.inputs_need_grad:
            raise StateError("get_input_grads() needs bind(inputs_need_grad=True)")
        return self._modules[0].get_input_grads(merge_multi_context=merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Have a metric see the outputs of the modules that take labels."""
        self._require("update_metric", params=True)
        for module, meta in zip(self._modules, self._metas):
            if meta.get(self.META_TAKE_LABELS):
                module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Have a monitor watch the executors of all modules."""
        self._require("install_monitor")
        for module in self._modules:
            module.install_monitor(mon)
