"""Sentences: words as numbers, and batches of sentences of about one length."""
from __future__ import annotations

import bisect
import logging
import random
from typing import Any, Optional, Sequence

import numpy as np

from .. import ndarray as nd
from ..base import InputError, require
from ..io import DataBatch, DataDesc, DataIter
from ..ndarray import NDArray

__all__ = ["encode_sentences", "BucketSentenceIter"]

Vocabulary = dict[Any, int]


def encode_sentences(sentences: Sequence[Sequence[Any]], vocab: Optional[Vocabulary] = None, invalid_label: int = -1,
                     invalid_key: Any = "\n", start_label: int = 0, unknown_token: Any = None) \
        -> tuple[list[list[int]], Vocabulary]:
    """Sentences as lists of numbers, and the number of each word.

    Parameters
    ----------
    sentences : list of list of str
        The words of each sentence.
    vocab : dict of str to int, optional
        The numbers to use; by default a new vocabulary is made, in the order in which words appear.
    invalid_label, invalid_key : int, str
        Number and key of what fills sentences up; no word gets that number.
    start_label : int
        The first number for a new word.
    unknown_token : str, optional
        What takes the place of a new word.

    Raises
    ------
    InputError
        For a word that is not in `vocab`, unless there is an `unknown_token`.

    >>> encode_sentences([['a', 'b'], ['b', 'c']])
    ([[0, 1], [1, 2]], {'\\n': -1, 'a': 0, 'b': 1, 'c': 2})
    """
    closed = vocab is not None and not unknown_token
    known: Vocabulary = {invalid_key: invalid_label} if vocab is None else vocab
    following, encoded = start_label, []
    for sentence in sentences:
        numbers = []
        for word in sentence:
            if word not in known:
                require(not closed, f"Unknown token {word}", InputError)
                following += following == invalid_label
                word = unknown_token or word
                known[word] = following
                following += 1
            numbers.append(known[word])
        encoded.append(numbers)
    return encoded, known


class BucketSentenceIter(DataIter):
    """Batches of sentences, each with those of about its length, for a :class:`BucketingModule` language model.

    A sentence is filled up to the shortest bucket that holds it; its label is the sentence one word further on. The
    order of batches and of the sentences in each bucket is drawn anew at every :meth:`reset`, from Python's and numpy's
    generators. Sentences that do not fill a batch are left out of that epoch.

    Parameters
    ----------
    sentences : list of list of int
        As from :func:`encode_sentences`.
    batch_size : int
        Sentences per batch.
    buckets : list of int, optional
        The lengths; by default each that at least a batch of sentences has. Longer sentences are left out.
    invalid_label : int
        What fills sentences up.
    data_name, label_name : str
        Names of the inputs.
    dtype : str
        Type of the numbers.
    layout : {'NT', 'TN'}
        Whether batches are (batch, time) or (time, batch).

    Raises
    ------
    InputError
        For another layout, or if there are no buckets.

    >>> it = BucketSentenceIter([[1, 2], [3, 4], [5, 6, 7], [8, 9, 10]], 2, invalid_label=0)
    >>> sorted((batch.bucket_key, batch.data[0].shape) for batch in it)
    [(2, (2, 2)), (3, (2, 3))]
    """

    def __init__(self, sentences: Sequence[Sequence[int]], batch_size: int, buckets: Optional[Sequence[int]] = None,
                 invalid_label: int = -1, data_name: str = "data", label_name: str = "softmax_label",
                 dtype: Any = "float32", layout: str = "NT") -> None:
        super().__init__(batch_size)
        if not buckets:
            counts = np.bincount([len(sentence) for sentence in sentences])
            buckets = [length for length, count in enumerate(counts) if count >= batch_size]
        require(buckets, f"BucketSentenceIter: no length has {batch_size} sentences; give buckets",
                InputError)
        self.major_axis = layout.find("N")
        require(layout in ("NT", "TN"), f"Invalid layout {layout}: Must by NT (batch major) or TN (time major)",
                InputError)
        self.buckets = sorted(set(buckets))
        self.invalid_label, self.dtype, self.layout = invalid_label, dtype, layout
        self.data_name, self.label_name = data_name, label_name
        self.data = self._fill_buckets(sentences)
        self.nddata: list[NDArray] = []
        self.ndlabel: list[NDArray] = []
        self.default_bucket_key = max(self.buckets)
        self.provide_data = [self._describe(data_name, self.default_bucket_key)]
        self.provide_label = [self._describe(label_name, self.default_bucket_key)]
        self.idx = [(k, start) for k, rows in enumerate(self.data)
                    for start in range(0, len(rows) - batch_size + 1, batch_size)]
        self.curr_idx = 0
        self.reset()

    def _fill_buckets(self, sentences: Sequence[Sequence[int]]) -> list[np.ndarray[Any, Any]]:
        """For each bucket its sentences, filled up, one per row; empty buckets go."""
        rows: list[list[np.ndarray[Any, Any]]] = [[] for _ in self.buckets]
        left_out = 0
        for sentence in sentences:
            k = bisect.bisect_left(self.buckets, len(sentence))
            if k == len(self.buckets):
                left_out += 1
                continue
            row = np.full((self.buckets[k],), self.invalid_label, dtype=self.dtype)
            row[:len(sentence)] = sentence
            rows[k].append(row)
        self.buckets = [length for length, filled in zip(self.buckets, rows) if filled]
        if left_out:
            logging.warning("discarded %d sentences longer than the largest bucket.", left_out)
        require(self.buckets, "BucketSentenceIter: no sentence fits into a bucket", InputError)
        return [np.asarray(filled, dtype=self.dtype) for filled in rows if filled]

    def _describe(self, name: str, length: int) -> DataDesc:
        shape = (self.batch_size, length) if self.major_axis == 0 else (length, self.batch_size)
        return DataDesc(name=name, shape=shape, layout=self.layout)

    def reset(self) -> None:
        """Begin anew, in another order."""
        self.curr_idx = 0
        random.shuffle(self.idx)
        self.nddata, self.ndlabel = [], []
        for rows in self.data:
            np.random.shuffle(rows)
            label = np.full_like(rows, self.invalid_label)
            label[:, :-1] = rows[:, 1:]
            self.nddata.append(nd.array(rows, dtype=self.dtype))
            self.ndlabel.append(nd.array(label, dtype=self.dtype))

    def next(self) -> DataBatch:
        """The next batch; its ``bucket_key`` is the length of its sentences."""
        if self.curr_idx == len(self.idx):
            raise StopIteration
        k, start = self.idx[self.curr_idx]
        self.curr_idx += 1
        data, label = (arrays[k][start:start + self.batch_size] for arrays in (self.nddata, self.ndlabel))
        if self.major_axis == 1:
            data, label = data.T, label.T
        return DataBatch([data], [label], pad=0, bucket_key=self.buckets[k],
                         provide_data=[DataDesc(name=self.data_name, shape=data.shape, layout=self.layout)],
                         provide_label=[DataDesc(name=self.label_name, shape=label.shape, layout=self.layout)])
