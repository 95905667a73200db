"""``mx.contrib.text.embedding``: words and their vectors, from files on this machine."""
from __future__ import annotations

import os
import warnings
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from ... import ndarray as nd
from ...base import FileFormatError, InputError, suggest
from ...ndarray import NDArray
from .vocab import Vocabulary

__all__ = ["CompositeEmbedding", "CustomEmbedding", "create", "register"]

_registry: dict[str, type] = {}


def register(embedding_cls: type) -> type:
    """Decorator: file a class under its lower-cased name, for :func:`create`."""
    _registry[embedding_cls.__name__.lower()] = embedding_cls
    return embedding_cls


def create(embedding_name: str, **kwargs: Any) -> Any:
    """An embedding of a class that was registered.

    Raises
    ------
    InputError
        If there is none of that name. MXNet's ``glove`` and ``fasttext`` download their files; read yours with
        :class:`CustomEmbedding`.
    """
    if embedding_name.lower() not in _registry:
        raise InputError(f"there is no embedding {embedding_name!r}{suggest(embedding_name.lower(), _registry)}; "
                         "ganmod downloads none: read a file with CustomEmbedding")
    return _registry[embedding_name.lower()](**kwargs)


class _TokenEmbedding(Vocabulary):
    """A vocabulary with a vector for each word."""

    _vectors: NDArray

    @property
    def vec_len(self) -> int:
        """The length of a vector."""
        return self._vectors.shape[1]

    @property
    def idx_to_vec(self) -> NDArray:
        """The vectors by number, of shape (words, vec_len)."""
        return self._vectors

    def get_vecs_by_tokens(self, tokens: Union[str, Sequence[str]], lower_case_backup: bool = False) -> NDArray:
        """The vector of a word, or the vectors of a list of them.

        With `lower_case_backup`, a word that is not known is looked up in lower case.
        """
        words = [tokens] if isinstance(tokens, str) else list(tokens)
        if lower_case_backup:
            words = [word if word in self.token_to_idx else word.lower() for word in words]
        vectors = nd.take(self._vectors, nd.array(self.to_indices(words)))
        return vectors[0] if isinstance(tokens, str) else vectors

    def update_token_vectors(self, tokens: Union[str, Sequence[str]], new_vectors: NDArray) -> None:
        """Set the vector of a word, or of each in a list.

        Raises
        ------
        ValueError
            For an unknown word.
        InputError
            If the vectors do not fit.
        """
        words = [tokens] if isinstance(tokens, str) else list(tokens)
        if new_vectors.size != len(words) * self.vec_len or new_vectors.shape[-1] != self.vec_len:
            raise InputError(f"new_vectors must be {len(words)} vector(s) of length {self.vec_len}, got the shape "
                             f"{new_vectors.shape}")
        for word in words:
            if word not in self.token_to_idx:
                raise ValueError(f"Token {word} is unknown. To update the embedding vector for an unknown token, "
                                 "please specify it explicitly as the `unknown_token` "
                                 f"{self.unknown_token} in `tokens`. This is to avoid unintended updates.")
        for word, vector in zip(words, new_vectors.reshape((len(words), self.vec_len))):
            self._vectors[self.token_to_idx[word]] = vector

    def _number(self, tokens: Sequence[str]) -> None:
        self._idx_to_token = list(tokens)
        self._token_to_idx = {token: index for index, token in enumerate(self._idx_to_token)}


class CustomEmbedding(_TokenEmbedding):
    """The vectors of a file whose lines are a word and numbers.

    Parameters
    ----------
    pretrained_file_path : str
        The file. A word that occurs again is passed over with a warning, and so is a line of one number (a header).
    elem_delim : str
        What is between the word and the numbers.
    encoding : str
        The file's encoding.
    init_unknown_vec : function
        Gives the vector of unknown words from its shape, unless the file has one.
    vocabulary : Vocabulary, optional
        The words to keep; by default those of the file.
    **kwargs
        ``unknown_token`` and ``reserved_tokens``, as in :class:`Vocabulary`.

    Raises
    ------
    FileFormatError
        For a line of another form or length.
    """

    def __init__(self, pretrained_file_path: str, elem_delim: str = " ", encoding: str = "utf8",
                 init_unknown_vec: Callable[..., NDArray] = nd.zeros, vocabulary: Optional[Vocabulary] = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        path = os.path.expanduser(pretrained_file_path)
        found = _read(path, elem_delim, encoding)
        if not found:
            raise FileFormatError(f"{path}: there are no vectors in it")
        length = len(next(iter(found.values())))
        unknown = found.pop(self.unknown_token, None)
        first = init_unknown_vec(shape=length).asnumpy() if unknown is None else unknown
        if vocabulary is not None:
            self._unknown_token, self._reserved_tokens = vocabulary.unknown_token, vocabulary.reserved_tokens
            self._number(vocabulary.idx_to_token)
        else:
            known = set(self._idx_to_token)
            self._number([*self._idx_to_token, *(token for token in found if token not in known)])
        self._vectors = nd.array(np.stack([np.asarray(first)] + [found.get(t, first) for t in self._idx_to_token[1:]]))


class CompositeEmbedding(_TokenEmbedding):
    """The words of a vocabulary, with the vectors of several embeddings one after the other.

    Parameters
    ----------
    vocabulary : Vocabulary
        The words.
    token_embeddings : embedding or list of them
        Where their vectors come from.
    """

    def __init__(self, vocabulary: Vocabulary, token_embeddings: Any) -> None:
        super().__init__(unknown_token=vocabulary.unknown_token, reserved_tokens=vocabulary.reserved_tokens)
        parts = [token_embeddings] if isinstance(token_embeddings, _TokenEmbedding) else list(token_embeddings)
        self._number(vocabulary.idx_to_token)
        self._vectors = nd.concat(*[part.get_vecs_by_tokens(self._idx_to_token) for part in parts], dim=1)


def _read(path: str, delimiter: str, encoding: str) -> dict[str, np.ndarray]:
    """The vectors of a file by word."""
    found: dict[str, np.ndarray] = {}
    with open(path, encoding=encoding) as stream:
        for number, line in enumerate(stream, 1):
            token, *texts = line.rstrip().split(delimiter)
            if not texts:
                raise FileFormatError(f"{path}, line {number}: expected a word and its vector, got {line!r:.60}")
            if token in found:
                warnings.warn(f"At line {number} of the pre-trained token embedding file: the embedding vector for "
                              f"token {token} has been loaded and a duplicate embedding for the same token is seen and "
                              "skipped.", stacklevel=4)
                continue
            if len(texts) == 1:
                warnings.warn(f"At line {number} of the pre-trained text embedding file: token {token} with "
                              f"1-dimensional vector {texts} is likely a header and is skipped.", stacklevel=4)
                continue
            found[token] = _vector(texts, path, number, next(iter(found.values()), None))
    return found


def _vector(texts: list[str], path: str, number: int, like: Optional[np.ndarray]) -> np.ndarray:
    try:
        vector = np.array([float(text) for text in texts], dtype="float32")
    except ValueError:
        raise FileFormatError(f"{path}, line {number}: a vector has to be numbers, got {texts!r:.60}") from None
    if like is not None and len(vector) != len(like):
        raise FileFormatError(f"{path}, line {number}: the vector has {len(vector)} numbers, those before have "
                              f"{len(like)}")
    return vector
