"""``mx.operator``: operators of one's own, written in Python over NDArrays or numpy arrays."""
from .custom import CustomOp, CustomOpProp, register
from .listing import OperatorArguments, get_all_registered_operators, get_operator_arguments
from .older import NDArrayOp, NumpyOp, PythonOp

__all__ = ["CustomOp", "CustomOpProp", "NDArrayOp", "NumpyOp", "OperatorArguments", "PythonOp",
           "get_all_registered_operators", "get_operator_arguments", "register"]
