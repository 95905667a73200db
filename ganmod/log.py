"""``mx.log``: loggers whose lines begin with level, time and place."""
from __future__ import annotations

import logging
import sys
import warnings
from logging import CRITICAL, DEBUG, ERROR, INFO, NOTSET, WARNING
from typing import Optional

__all__ = ["CRITICAL", "DEBUG", "ERROR", "INFO", "NOTSET", "WARNING", "getLogger", "get_logger"]

_LABELS = {CRITICAL: "C", ERROR: "E", WARNING: "W", INFO: "I", DEBUG: "D"}


class _Formatter(logging.Formatter):
    """``I1123 07:52:40 5738 train.py:main:3] text``, with the head in colour on a terminal."""

    def __init__(self, coloured: bool) -> None:
        super().__init__(datefmt="%m%d %H:%M:%S")
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        head = (f"{_LABELS.get(record.levelno, 'U')}{self.formatTime(record, self.datefmt)} {record.process} "
                f"{record.pathname}:{record.funcName}:{record.lineno}]")
        if self._coloured:
            colour = 31 if record.levelno >= WARNING else 32 if record.levelno >= INFO else 34
            head = f"\x1b[{colour}m{head}\x1b[0m"
        text = f"{head} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def get_logger(name: Optional[str] = None, filename: Optional[str] = None, filemode: Optional[str] = None,
               level: int = WARNING) -> logging.Logger:
    """A logger with a handler of its own; asked for again, the same one.

    Parameters
    ----------
    name : str, optional
        Its name; without one the root logger is returned as it is.
    filename, filemode : str, optional
        A file to write to, and how it is opened ('a' by default); without one, the standard error stream.
    level : int
        The least level that is written.

    >>> get_logger("training", level=INFO).isEnabledFor(INFO)
    True
    """
    logger = logging.getLogger(name)
    if name is None or getattr(logger, "_ganmod", False):
        return logger
    handler: logging.Handler
    if filename:
        handler = logging.FileHandler(filename, filemode or "a")
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(_Formatter(sys.stderr.isatty()))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger._ganmod = True  # type: ignore[attr-defined]
    return logger


def getLogger(name: Optional[str] = None, filename: Optional[str] = None, filemode: Optional[str] = None,  # noqa: N802
              level: int = WARNING) -> logging.Logger:
    """:func:`get_logger` under its old name."""
    warnings.warn("getLogger is deprecated, Use get_logger instead.", DeprecationWarning, stacklevel=2)
    return get_logger(name, filename, filemode, level)
