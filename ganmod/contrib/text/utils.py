"""``mx.contrib.text.utils``: counting words."""
from __future__ import annotations

import collections
import re
from typing import Optional

__all__ = ["count_tokens_from_str"]


def count_tokens_from_str(source_str: str, token_delim: str = " ", seq_delim: str = "\n", to_lower: bool = False,
                          counter_to_update: Optional["collections.Counter[str]"] = None) \
        -> "collections.Counter[str]":
    """How often each word occurs in a text.

    Parameters
    ----------
    source_str : str
        The text.
    token_delim, seq_delim : str
        Regular expressions for what is between words, and between lines.
    to_lower : bool
        Whether to lower the case of letters first.
    counter_to_update : Counter, optional
        A counter to add to; it is returned.

    >>> count_tokens_from_str("to be or not\\nto be", to_lower=True).most_common(2)
    [('to', 2), ('be', 2)]
    """
    words = [word for word in re.split(f"{token_delim}|{seq_delim}", source_str) if word]
    counter = collections.Counter() if counter_to_update is None else counter_to_update
    counter.update(word.lower() for word in words) if to_lower else counter.update(words)
    return counter
