"""``mx.profiler``: how long operators, and parts of a program that it names, take; over ``torch.profiler``."""
from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from typing import Any, NamedTuple, Optional

import torch

from .base import AttributeValueError, StateError, suggest
from .files import write_atomically

__all__ = ["Counter", "Domain", "Event", "Frame", "Marker", "Task", "dump", "dump_profile", "dumps", "pause",
           "profiler_set_config", "profiler_set_state", "resume", "set_config", "set_state"]

_SORTS = ("total", "avg", "min", "max", "count")
_SCOPES = ("global", "process", "thread", "task", "marker")


class _Time(NamedTuple):
    """One stretch of time, in microseconds; or one value of a counter."""

    category: str
    name: str
    duration: float


class _Profile:
    """What was set, and what has been seen."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {
            "filename": "profile.json", "profile_all": False, "profile_symbolic": False, "profile_imperative": False,
            "profile_memory": False, "profile_api": False, "continuous_dump": False, "dump_period": 1.0,
            "aggregate_stats": False, "profile_process": "worker"}
        self.session: Any = None                           # torch's profiler while it runs
        self.running = False                               # between set_state('run') and ('stop')
        self.times: list[_Time] = []
        self.trace: list[dict[str, Any]] = []              # Chrome's events, times in microseconds since 1970

    def start(self) -> None:
        """Have torch watch."""
        if self.session is None:
            activities = [torch.profiler.ProfilerActivity.CPU]
            if torch.cuda.is_available():
                activities.append(torch.profiler.ProfilerActivity.CUDA)
            self.session = torch.profiler.profile(activities=activities, profile_memory=self.config["profile_memory"])
            self.session.start()

    def stop(self) -> None:
        """Take over what torch has seen."""
        if self.session is None:
            return
        session, self.session = self.session, None
        session.stop()
        for event in session.events() or []:
            category = "operator" if str(event.device_type).endswith("CPU") else "kernel"
            self.times.append(_Time(category, event.name, event.time_range.elapsed_us()))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.json")
            session.export_chrome_trace(path)
            with open(path, encoding="utf-8") as stream:
                seen = json.load(stream)
        base = seen.get("baseTimeNanoseconds", 0) / 1000
        self.trace += [{**event, "ts": event["ts"] + base} if "ts" in event else event
                       for event in seen.get("traceEvents", [])]

    def refresh(self) -> None:
        """Take over what there is, and go on."""
        if self.session is not None:
            self.stop()
            self.start()

    def note(self, category: str, name: str, kind: str, start: float, **more: Any) -> None:
        """Add an event of the program's own, while profiling."""
        if self.session is not None:
            self.trace.append({"name": name, "cat": category, "ph": kind, "ts": start, "pid": os.getpid(),
                               "tid": category, **more})


_profile = _Profile()


def _now() -> float:
    return time.time_ns() / 1000


# --- control -------------------------------------------------------------------------------------------------------

def set_config(**kwargs: Any) -> None:
    """Set what is profiled, and where it goes.

    Parameters
    ----------
    filename : str
        The file that :func:`dump` writes; ``'profile.json'`` by default.
    profile_memory : bool
        Whether the trace shows memory too.
    **kwargs
        MXNet's ``profile_all``, ``profile_symbolic``, ``profile_imperative``, ``profile_api``, ``continuous_dump``,
        ``dump_period``, ``aggregate_stats`` and ``profile_process`` are accepted: everything is profiled.

    Raises
    ------
    AttributeValueError
        For a setting that does not exist.
    """
    for key in kwargs:
        if key not in _profile.config:
            raise AttributeValueError(f"profiler.set_config() has no {key!r}{suggest(key, _profile.config)} "
                                      f"(known: {', '.join(_profile.config)})")
    _profile.config.update(kwargs)


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """Start with ``'run'``, end with ``'stop'``.

    >>> import ganmod as mx
    >>> mx.profiler.set_state('run')
    >>> a = mx.nd.ones((2, 2)) + 1
    >>> mx.profiler.set_state('stop')
    >>> 'aten::add' in mx.profiler.dumps(reset=True)
    True
    """
    if state not in ("run", "stop"):
        raise AttributeValueError(f"profiler.set_state() takes 'run' or 'stop', got {state!r}")
    _profile.running = state == "run"
    (_profile.start if _profile.running else _profile.stop)()


def pause(profile_process: str = "worker") -> None:
    """Stop for a while."""
    _profile.stop()


def resume(profile_process: str = "worker") -> None:
    """Go on after :func:`pause`."""
    if _profile.running:
        _profile.start()


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Write what was seen to the file, for ``chrome://tracing``; with `finished` the profiler stops."""
    if finished:
        set_state("stop")
    _profile.refresh()
    first = min((event["ts"] for event in _profile.trace if "ts" in event), default=0.0)
    events = [{**event, "ts": event["ts"] - first} if "ts" in event else event for event in _profile.trace]
    write_atomically(_profile.config["filename"],
                     json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}).encode())


def dumps(reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False) -> str:
    """What was seen, by name: how often, and how long in milliseconds.

    Parameters
    ----------
    reset : bool
        Whether to count from nothing afterwards.
    format : {'table', 'json'}
        The form of the text.
    sort_by : {'total', 'avg', 'min', 'max', 'count'}
        What the lines are sorted by.
    ascending : bool
        Whether the smallest comes first.
    """
    for what, value, known in (("format", format, ("table", "json")), ("sort_by", sort_by, _SORTS)):
        if value not in known:
            raise AttributeValueError(f"Invalid value provided for {what}: {value}. Support: {', '.join(known)}")
    _profile.refresh()
    statistics = _statistics(_profile.times, _SORTS.index(sort_by), ascending)
    if reset:
        _profile.times.clear()
        _profile.trace.clear()
    return _as_json(statistics) if format == "json" else _as_table(statistics)


def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """:func:`set_config` under its old name."""
    warnings.warn("profiler.profiler_set_config() is deprecated. Please use profiler.set_config() instead",
                  stacklevel=2)
    set_config(filename=filename)


def profiler_set_state(state: str = "stop") -> None:
    """:func:`set_state` under its old name."""
    warnings.warn("profiler.profiler_set_state() is deprecated. Please use profiler.set_state() instead", stacklevel=2)
    set_state(state)


def dump_profile() -> None:
    """:func:`dump` under its old name."""
    warnings.warn("profiler.dump_profile() is deprecated. Please use profiler.dump() instead", stacklevel=2)
    dump(True)


# --- statistics ----------------------------------------------------------------------------------------------------

Row = tuple[float, float, float, float, int]               # total, avg, min, max in milliseconds; count


def _statistics(times: list[_Time], column: int, ascending: bool) -> dict[str, list[tuple[str, Row]]]:
    """The rows of each category, sorted."""
    grouped: dict[str, dict[str, list[float]]] = {}
    for category, name, duration in times:
        grouped.setdefault(category, {}).setdefault(name, []).append(duration / 1000)
    made = {}
    for category, names in sorted(grouped.items()):
        rows = [(name, (sum(d), sum(d) / len(d), min(d), max(d), len(d))) for name, d in names.items()]
        made[category] = sorted(rows, key=lambda row: row[1][column], reverse=not ascending)
    return made


def _as_table(statistics: dict[str, list[tuple[str, Row]]]) -> str:
    titles = ["Total Count", "Time (ms)", "Min Time (ms)", "Max Time (ms)", "Avg Time (ms)"]
    lines = ["", "Profile Statistics:", "\tNote the difference in units for different entries."]
    for category, rows in statistics.items():
        width = max(25, *(len(name) + 1 for name, _ in rows))
        lines += [category, "=" * 17, "Name".ljust(width) + "".join(title.rjust(17) for title in titles),
                  "----".ljust(width) + "".join(("-" * len(title)).rjust(17) for title in titles)]
        lines += [name.ljust(width) + f"{count:17d}{total:17.4f}{low:17.4f}{high:17.4f}{mean:17.4f}"
                  for name, (total, mean, low, high, count) in rows]
        lines.append("")
    return "\n".join(lines)


def _as_json(statistics: dict[str, list[tuple[str, Row]]]) -> str:
    times = {category: {name: {"Count": count, "Total": total, "Min": low, "Max": high, "Avg": mean}
                        for name, (total, mean, low, high, count) in rows} for category, rows in statistics.items()}
    return json.dumps({"Time": times, "Unit": {"Time": "ms"}}, indent=4)


# --- what a program names ------------------------------------------------------------------------------------------

class Domain:
    """A group of the program's own events.

    >>> domain = Domain('loading')
    >>> task = domain.new_task('images')
    >>> task.start()
    >>> task.stop()
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> "Task":
        """A :class:`Task` of this domain."""
        return Task(self, name)

    def new_frame(self, name: str) -> "Frame":
        """A :class:`Frame` of this domain."""
        return Frame(self, name)

    def new_counter(self, name: str, value: Optional[int] = None) -> "Counter":
        """A :class:`Counter` of this domain."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> "Marker":
        """A :class:`Marker` of this domain."""
        return Marker(self, name)


class _Stretch:
    """A stretch of time that is started and stopped."""

    def __init__(self, category: str, name: str) -> None:
        self.name, self._category = name, category
        self._start: Optional[float] = None

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        """Begin."""
        self._start = _now()

    def stop(self) -> None:
        """End, and note how long it took.

        Raises
        ------
        StateError
            Before :meth:`start`.
        """
        if self._start is None:
            raise StateError(f"{type(self).__name__} {self.name!r}: stop() needs start() first")
        start, self._start = self._start, None
        if _profile.session is not None:
            duration = _now() - start
            _profile.times.append(_Time(self._category, self.name, duration))
            _profile.note(self._category, self.name, "X", start, dur=duration)


class Task(_Stretch):
    """A piece of work of a domain."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(str(domain), name)


class Frame(_Stretch):
    """A repeated piece of work of a domain, such as a batch."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(f"{domain},frame", name)


class Event(_Stretch):
    """A piece of work of no domain."""

    def __init__(self, name: str) -> None:
        super().__init__("event", name)


class Counter:
    """A number that changes; its values are noted.

    >>> counter = Counter(Domain('loading'), 'images', 3)
    >>> counter += 2
    >>> counter.value
    5
    """

    def __init__(self, domain: Domain, name: str, value: Optional[int] = None) -> None:
        self.name, self.value, self._category = name, 0, str(domain)
        if value is not None:
            self.set_value(value)

    def __str__(self) -> str:
        return self.name

    def set_value(self, value: int) -> None:
        """Set the number."""
        self.value = value
        _profile.note(self._category, self.name, "C", _now(), args={self.name: value})

    def increment(self, delta: int = 1) -> None:
        """Add to the number."""
        self.set_value(self.value + delta)

    def decrement(self, delta: int = 1) -> None:
        """Take from the number."""
        self.set_value(self.value - delta)

    def __iadd__(self, delta: int) -> "Counter":
        self.increment(delta)
        return self

    def __isub__(self, delta: int) -> "Counter":
        self.decrement(delta)
        return self


class Marker:
    """A moment of a domain."""

    def __init__(self, domain: Domain, name: str) -> None:
        self.name, self._category = name, str(domain)

    def mark(self, scope: str = "process") -> None:
        """Note that it is now; `scope` is one of global, process, thread, task and marker."""
        if scope not in _SCOPES:
            raise AttributeValueError(f"mark() takes a scope of {', '.join(_SCOPES)}, got {scope!r}")
        _profile.note(self._category, self.name, "i", _now(), s={"global": "g", "process": "p"}.get(scope, "t"))
