"""``mx.runtime``: what this build can do."""
from __future__ import annotations

import importlib.util
import platform
from typing import Any, NamedTuple

import torch

from .base import MXNetError

__all__ = ["Feature", "Features", "feature_list"]


class Feature(NamedTuple):
    """A feature's name, and whether it is there."""

    name: str
    enabled: bool

    def __repr__(self) -> str:
        return f"{'✔' if self.enabled else '✖'} {self.name}"


def feature_list() -> list[Feature]:
    """MXNet's features, as torch and this machine have them.

    >>> [f.name for f in feature_list()][:2]
    ['CUDA', 'CUDNN']
    """
    cuda = torch.version.cuda is not None
    present: dict[str, Any] = {
        "CUDA": cuda, "CUDNN": cuda and torch.backends.cudnn.is_available(),
        "NCCL": cuda and torch.distributed.is_available() and torch.distributed.is_nccl_available(),
        "CUDA_RTC": False, "TENSORRT": False, "OPENMP": torch.backends.openmp.is_available(),
        "BLAS_MKL": torch.backends.mkl.is_available(), "LAPACK": torch._C.has_lapack,
        "MKLDNN": torch.backends.mkldnn.is_available(), "OPENCV": importlib.util.find_spec("cv2"), "PROFILER": True,
        "DIST_KVSTORE": torch.distributed.is_available(), "INT64_TENSOR_SIZE": True, "SIGNAL_HANDLER": False,
        "DEBUG": False, "TVM_OP": False}
    capability, x86 = torch.backends.cpu.get_cpu_capability(), platform.machine().lower() in ("x86_64", "amd64")
    present.update(dict.fromkeys(("CPU_SSE", "CPU_SSE2", "CPU_SSE3", "CPU_SSE4_1", "CPU_SSE4_2"), x86),
                   CPU_AVX=x86 and capability != "DEFAULT", CPU_AVX2=x86 and capability != "DEFAULT")
    absent = "CPU_SSE4A SSE F16C JEMALLOC BLAS_OPEN BLAS_ATLAS BLAS_APPLE CAFFE CXX14"
    present.update(dict.fromkeys(absent.split(), False))
    return [Feature(name, bool(enabled)) for name, enabled in present.items()]


class Features(dict[str, Feature]):
    """The features by name.

    >>> Features().is_enabled("profiler")
    True
    """

    def __init__(self) -> None:
        super().__init__({feature.name: feature for feature in feature_list()})

    def __repr__(self) -> str:
        return str(list(self.values()))

    def is_enabled(self, feature_name: str) -> bool:
        """Whether a feature is there, whatever the case of its letters.

        Raises
        ------
        MXNetError
            For a name that is not known; it is a RuntimeError.
        """
        name = feature_name.upper()
        if name not in self:
            raise MXNetError(f"Feature '{name}' is unknown, known features are: {list(self)}")
        return self[name].enabled
