"""Shapes that unify: what an operator's shape rule works with.

A shape is a tuple in which 0 stands for an unknown size, or ``None`` while even the number of axes is unknown.
"""
from __future__ import annotations

from typing import Any, Iterable, Iterator, Optional, Sequence

from ..base import ShapeError

__all__ = ["Known", "ShapeTable", "complete", "unify", "product", "window", "transposed_window",
           "reshape_target"]

Known = Optional[tuple[int, ...]]


def complete(shape: Known) -> bool:
    """Whether every size is known.

    >>> complete((2, 3)), complete((0, 3)), complete(None)
    (True, False, False)
    """
    return shape is not None and 0 not in shape


def product(sizes: Iterable[int]) -> int:
    """The product, 0 (unknown) as soon as one size is unknown.

    >>> product((2, 3)), product((2, 0)), product(())
    (6, 0, 1)
    """
    total = 1
    for size in sizes:
        total *= size
    return total


def unify(one: Known, other: Known) -> Known:
    """The most that two descriptions of one shape say together; ``ValueError`` where they disagree.

    >>> unify((2, 0), (0, 3)), unify(None, (1,))
    ((2, 3), (1,))
    """
    if one is None or other is None:
        return other if one is None else one
    if len(one) != len(other) or any(a and b and a != b for a, b in zip(one, other)):
        raise ValueError(f"{one} != {other}")
    return tuple(a or b for a, b in zip(one, other))


def window(size: int, kernel: int, stride: int = 1, pad: int = 0, dilate: int = 1, ceil: bool = False) -> int:
    """How many positions a sliding window has along an axis of `size` (both paddings equal); 0 stays unknown.

    >>> window(8, kernel=3, stride=2, pad=1), window(0, 3)
    (4, 0)
    """
    if not size:
        return 0
    room = size + 2 * pad - (dilate * (kernel - 1) + 1)
    if room < 0:
        raise ValueError(f"kernel {kernel} (dilated to {dilate * (kernel - 1) + 1}) exceeds the padded size "
                         f"{size + 2 * pad}")
    return (-(-room // stride) if ceil else room // stride) + 1


def transposed_window(size: int, kernel: int, stride: int = 1, pad: int = 0, dilate: int = 1, adj: int = 0) -> int:
    """The size that a transposed convolution makes of `size`; 0 stays unknown.

    >>> transposed_window(4, kernel=4, stride=2, pad=1)
    8
    """
    return (size - 1) * stride + dilate * (kernel - 1) + 1 - 2 * pad + adj if size else 0


class ShapeTable:
    """The shapes of one node's inputs and outputs, by name; an assignment unifies or raises.

    ``s.data`` reads (``None`` when unknown), ``s.weight = (10, 0)`` unifies. Outputs have the names that the operator
    gives them (``s.output``). The inputs of a variadic operator are ``s["arg0"]``, ``s["arg1"]``, …, listed by
    ``s.inputs``.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __init__(self, node: str, inputs: Sequence[str], outputs: Sequence[str], known: dict[str, Known]) -> None:
        self.__dict__.update(node=node, inputs=tuple(inputs), outputs=tuple(outputs), known=dict(known))

    def __getitem__(self, name: str) -> Known:
        return self.known[name]

    def __setitem__(self, name: str, shape: Optional[Sequence[int]]) -> None:
        if shape is None:
            return
        wanted, had = tuple(shape), self.known[name]
        try:
            self.known[name] = unify(had, wanted)
        except ValueError:
            kind = "output" if name in self.outputs else "input"
            raise ShapeError(f"{self.node}: {kind} {name!r} has shape {had}, but must be {wanted} "
                             f"(0 is any size){self._others(name)}") from None

    def _others(self, name: str) -> str:
        known = [f"{other} {shape}" for other, shape in self.known.items() if other != name and shape is not None]
        return f"; given {', '.join(known)}" if known else ""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, shape: Optional[Sequence[int]]) -> None:
        self[name] = shape

    def __contains__(self, name: str) -> bool:
        return name in self.known

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def same(self, names: Iterable[str]) -> None:
        """Unify the shapes of all `names` with one another."""
        names = list(names)
        for _ in range(2):
            for one, other in zip(names, names[1:] + names[:1]):
                self[other] = self[one]


def reshape_target(shape: Sequence[int], spec: Sequence[int], reverse: bool = False) -> tuple[int, ...]:
    """The shape that MXNet's reshape codes make of `shape`.

    0 keeps an axis, -1 takes what is left, -2 keeps all remaining axes, -3 joins two axes, -4 splits one into the two
    sizes that follow (one of them may be -1). With `reverse` the codes are read from the right.

    >>> reshape_target((2, 3, 4), (-1, 0)), reshape_target((2, 3, 4), (-1, 0), reverse=True)
    ((8, 3), (6, 4))
    >>> reshape_target((2, 3, 4), (-3, -2)), reshape_target((2, 3, 4), (-4, 1, 2, -2))
    ((6, 4), (1, 2, 3, 4))
    """
    source, codes = list(shape), list(spec)
    if reverse:
        source.reverse()
        codes = _reversed_codes(codes)
    made: list[int] = []
    at, k = 0, 0
    try:
        while k < len(codes):
            code = codes[k]
            if code == -4:
                pair = codes[k + 1:k + 3]
                made += _split_axis(source[at], pair)
                at, k = at + 1, k + 2
            elif code == -3:
                made.append(source[at] * source[at + 1])
                at += 2
            elif code == -2:
                made += source[at:]
                at = len(source)
            elif code == 0:
                made.append(source[at])
                at += 1
            else:
                made.append(code)
                at += 1
            k += 1
    except (IndexError, ValueError):
        raise ShapeError(f"reshape: the codes {tuple(spec)} do not fit the shape {tuple(shape)}") from None
    if reverse:
        made.reverse()
    return _fill_rest(tuple(shape), tuple(spec), made)


def _reversed_codes(codes: list[int]) -> list[int]:
    """The codes from the right, each -4 kept before its two sizes."""
    groups, k = [], 0
    while k < len(codes):
        length = 3 if codes[k] == -4 else 1
        groups.append(codes[k:k + length])
        k += length
    return [c for g in reversed(groups) for c in ([-4, *g[:0:-1]] if g[0] == -4 else g)]


def _split_axis(size: int, pair: list[int]) -> list[int]:
    one, other = pair
    if one == -1:
        one = size // other
    elif other == -1:
        other = size // one
    if size and one * other != size:                       # a size of 0 is unknown
        raise ValueError
    return [one, other]


def _fill_rest(shape: tuple[int, ...], spec: tuple[int, ...], made: list[int]) -> tuple[int, ...]:
    open_axes = [k for k, size in enumerate(made) if size == -1]
    total, rest = product(shape), product(size for size in made if size != -1)
    if open_axes and rest and (total % rest == 0 or 0 in shape):
        made[open_axes[0]] = total // rest
    if len(open_axes) > 1 or product(made) != total and 0 not in shape:
        raise ShapeError(f"reshape: the shape {shape} has {total} elements and cannot become {spec}")
    return tuple(made)
