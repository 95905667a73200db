"""``mx.contrib.text.vocab``: words and their numbers."""
from __future__ import annotations

import collections
from typing import Any, Optional, Sequence, Union

from ...base import InputError

__all__ = ["Vocabulary"]


class Vocabulary:
    """Words with their numbers: the unknown word is 0, reserved ones follow, then the most frequent ones.

    Parameters
    ----------
    counter : Counter, optional
        How often each word occurs.
    most_freq_count : int, optional
        How many words to take from it at most.
    min_freq : int
        How often a word has to occur.
    unknown_token : str
        Stands for every word that is not known.
    reserved_tokens : list of str, optional
        Words that are always known.

    >>> from collections import Counter
    >>> words = Vocabulary(Counter("b a a c".split()), min_freq=2, reserved_tokens=["<pad>"])
    >>> words.idx_to_token, words.to_indices(["a", "z"])
    (['<unk>', '<pad>', 'a'], [2, 0])
    """

    def __init__(self, counter: Optional["collections.Counter[str]"] = None, most_freq_count: Optional[int] = None,
                 min_freq: int = 1, unknown_token: str = "<unk>", reserved_tokens: Optional[Sequence[str]] = None) \
            -> None:
        if min_freq < 1:
            raise InputError(f"`min_freq` must be set to a positive value, got {min_freq}")
        if reserved_tokens is not None and len(set(reserved_tokens)) != len(reserved_tokens):
            raise InputError(f"`reserved_tokens` cannot contain duplicate reserved tokens: {reserved_tokens}")
        if reserved_tokens is not None and unknown_token in reserved_tokens:
            raise InputError("`reserved_tokens` cannot contain `unknown_token`")
        if counter is not None and not isinstance(counter, collections.Counter):
            raise InputError(f"`counter` must be an instance of collections.Counter, got {type(counter).__name__}")
        self._unknown_token = unknown_token
        self._reserved_tokens = None if not reserved_tokens else list(reserved_tokens)
        self._idx_to_token = [unknown_token, *(reserved_tokens or ())]
        self._take(counter or collections.Counter(), most_freq_count, min_freq)
        self._token_to_idx = {token: index for index, token in enumerate(self._idx_to_token)}

    def _take(self, counter: "collections.Counter[str]", most: Optional[int], least: int) -> None:
        """The most frequent words, those of one frequency in alphabetical order."""
        known = set(self._idx_to_token)
        frequent = [token for token, count in sorted(sorted(counter.items()), key=lambda pair: pair[1], reverse=True)
                    if count >= least and token not in known]
        self._idx_to_token += frequent[:most]

    def __len__(self) -> int:
        return len(self._idx_to_token)

    @property
    def idx_to_token(self) -> list[str]:
        """The words by number."""
        return self._idx_to_token

    @property
    def token_to_idx(self) -> dict[str, int]:
        """The numbers by word."""
        return self._token_to_idx

    @property
    def unknown_token(self) -> str:
        """What stands for every unknown word."""
        return self._unknown_token

    @property
    def reserved_tokens(self) -> Optional[list[str]]:
        """Words that are always known; None without any."""
        return self._reserved_tokens

    def to_indices(self, tokens: Union[str, Sequence[str]]) -> Any:
        """The number of a word, or of each in a list; unknown words have 0."""
        if isinstance(tokens, str):
            return self._token_to_idx.get(tokens, 0)
        return [self._token_to_idx.get(token, 0) for token in tokens]

    def to_tokens(self, indices: Union[int, Sequence[int]]) -> Any:
        """The word of a number, or of each in a list.

        Raises
        ------
        ValueError
            For a number that no word has.
        """
        numbers: list[Any] = list(indices) if isinstance(indices, (list, tuple)) else [indices]
        for number in numbers:
            if not isinstance(number, int) or not 0 <= number < len(self._idx_to_token):
                raise ValueError(f"Token index {number} in the provided `indices` is invalid.")
        tokens = [self._idx_to_token[number] for number in numbers]
        return tokens if isinstance(indices, (list, tuple)) else tokens[0]
