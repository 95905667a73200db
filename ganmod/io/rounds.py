"""Which samples make a batch: epochs that fill their last batch from the next one, in MXNet's orders."""
from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np

from ..base import InputError, require

__all__ = ["Rounds", "Shuffler", "part_of_lines"]


Keep = Callable[[np.ndarray], np.ndarray]
State = tuple[int, int, bool, Optional[np.ndarray]]


class Shuffler:
    """Draws orders, the same for a seed as MXNet's C++ iterators draw them.

    >>> Shuffler(0).order(6)
    array([0, 2, 3, 5, 4, 1])
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.RandomState(seed % 2**32)          # the Mersenne twister of C++, from the same seed

    def order(self, count: int) -> np.ndarray:
        """The numbers below `count` in another order than last time."""
        order = list(range(count))
        drawn = self._words(max(count - 1, 0))
        for i in range(1, count):
            width = 0xffffffff // (i + 1)
            number = drawn[i - 1]
            while number >= width * (i + 1):               # keeps the numbers equally probable
                drawn.append(self._words(1)[0])
                del drawn[i - 1]
                number = drawn[i - 1]
            other = number // width
            order[i], order[other] = order[other], order[i]
        return np.array(order, dtype=np.int64)

    def state_dict(self) -> dict[str, Any]:
        """The generator's state, for :meth:`load_state_dict`."""
        state: Any = self._random.get_state()
        return {"words": state[1], "position": state[2]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on drawing as the one that gave this state."""
        self._random.set_state(("MT19937", state["words"], state["position"], 0, 0.0))

    def _words(self, count: int) -> list[int]:
        return self._random.randint(0, 2**32, size=count, dtype=np.uint32).tolist()


class Rounds:
    """Epochs of batches, as numbers of samples.

    Parameters
    ----------
    draw : callable
        Gives the order of the samples, a new one for every pass over them.
    batch_size : int
    round_batch : bool
        Whether a last batch is filled up with the first samples of the next pass, which the next epoch then leaves
        out. Otherwise what the batch before had in these places stays there.

    >>> rounds = Rounds(lambda: np.arange(5), 3)
    >>> rounds.next(), rounds.next(), rounds.next()
    ((array([0, 1, 2]), 0), (array([3, 4, 0]), 1), None)
    >>> rounds.reset()
    >>> rounds.next()
    (array([1, 2, 3]), 0)
    """

    def __init__(self, draw: Callable[[], np.ndarray], batch_size: int, round_batch: bool = True) -> None:
        self._draw, self._batch_size, self._round_batch = draw, batch_size, round_batch
        self._before: Optional[np.ndarray] = None
        self._wrapped = False
        self._drawn: dict[int, np.ndarray] = {}            # orders by the number of the pass
        self._pass, self._recorded = -1, False
        self.reset()

    def _begin_pass(self) -> None:
        self._pass, self._at = self._pass + 1, 0
        if not self._recorded:
            self._drawn.clear()
        if self._pass not in self._drawn:
            self._drawn[self._pass] = self._draw()
        self._order = self._drawn[self._pass]

    def state(self) -> State:
        """Where the rounds are, for :meth:`restore`; orders are kept until :meth:`forget`."""
        self._recorded = True
        return self._pass, self._at, self._wrapped, self._before

    def restore(self, state: State) -> None:
        """Go back to what :meth:`state` gave."""
        self._pass, self._at, self._wrapped, self._before = state
        self._order = self._drawn[self._pass]

    def forget(self, state: State) -> None:
        """Nothing before this state will be restored."""
        for number in [number for number in self._drawn if number < state[0]]:
            del self._drawn[number]

    def state_dict(self, state: State) -> dict[str, Any]:
        """What :meth:`state` gave, with the orders that were drawn since, for :meth:`load_state_dict`."""
        number, at, wrapped, before = state
        return {"pass": number, "at": at, "wrapped": wrapped, "before": before,
                "drawn": {k: order for k, order in self._drawn.items() if k >= number}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to what :meth:`state_dict` described; the orders drawn from then on are another's to restore."""
        self._drawn = {int(k): np.asarray(order) for k, order in state["drawn"].items()}
        self.restore((state["pass"], state["at"], state["wrapped"], state["before"]))

    def reset(self) -> None:
        """Begin the next epoch."""
        if not self._wrapped:
            self._begin_pass()
        self._wrapped = False

    def restart(self) -> None:
        """Begin an epoch with a whole pass, even if the last epoch has used some of its samples."""
        if self._wrapped:
            self._at, self._wrapped = 0, False
        else:
            self.reset()

    def next(self, keep: Optional[Keep] = None) -> Optional[tuple[np.ndarray, int]]:
        """The samples of the next batch and how many of them only fill it up; None at the end of the epoch.

        Parameters
        ----------
        keep : callable, optional
            Is given samples in turn, and returns those of them that can be used; others take the places of the rest.

        Raises
        ------
        InputError
            If none can be used.
        """
        keep = keep or _all
        taken = np.empty(0, np.int64) if self._wrapped else self._take(self._batch_size, keep)
        if not len(taken):
            return None
        pad = missing = self._batch_size - len(taken)
        if missing and not self._round_batch:
            before = np.resize(taken, self._batch_size) if self._before is None else self._before
            taken = np.concatenate([taken, keep(before[len(taken):])])
        while len(taken) < self._batch_size:
            self._wrapped = True
            self._begin_pass()
            more = self._take(self._batch_size - len(taken), keep)
            require(len(more), "none of the samples can be used", InputError)
            taken = np.concatenate([taken, more])
        self._before = taken
        return taken, pad

    def _take(self, count: int, keep: Keep) -> np.ndarray:
        """The next `count` samples of this pass that can be used; fewer at its end."""
        found = np.empty(0, np.int64)
        while len(found) < count and self._at < len(self._order):
            asked = self._order[self._at:self._at + count - len(found)]
            self._at += len(asked)
            found = np.concatenate([found, keep(asked)])
        return found


def _all(samples: np.ndarray) -> np.ndarray:
    return samples


def part_of_lines(starts: np.ndarray, size: int, num_parts: int, part_index: int) -> slice:
    """Which records of a file belong to a part of it, as MXNet cuts: after the first one that begins beyond a share.

    Parameters
    ----------
    starts : array of int
        Where the records begin, in bytes.
    size : int
        Bytes of the file.
    num_parts, part_index : int

    >>> part_of_lines(np.array([0, 10, 20, 30]), 40, 2, 0), part_of_lines(np.array([0, 10, 20, 30]), 40, 2, 1)
    (slice(0, 3, None), slice(3, 4, None))
    """
    share = -(-size // num_parts)
    first, last = (0 if not k or not len(starts) else int(np.searchsorted(starts, min(share * k, size), side="right"))
                   for k in (part_index, part_index + 1))
    return slice(first, last)
