"""Creation by name: one registry per base class, shared by optimizers, initializers, metrics and iterators."""
from __future__ import annotations

import json
import warnings
from typing import Any, Callable, Optional, TypeVar

from .base import suggest

__all__ = ["get_registry", "get_register_func", "get_alias_func", "get_create_func"]

T = TypeVar("T", bound=type)
_REGISTRIES: dict[type, dict[str, type]] = {}


def get_registry(base_class: type) -> dict[str, type]:
    """A copy of the registered classes of `base_class`, by lower-case name."""
    return dict(_REGISTRIES.setdefault(base_class, {}))


def get_register_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """A decorator ``register(cls, name=None)`` that files subclasses of `base_class` under their lower-cased name."""
    registry = _REGISTRIES.setdefault(base_class, {})

    def register(cls: T, name: Optional[str] = None) -> T:
        if not (isinstance(cls, type) and issubclass(cls, base_class)):
            raise TypeError(f"only subclasses of {base_class.__name__} can be registered as {nickname}, got {cls!r}")
        key = (name or cls.__name__).lower()
        known = registry.get(key)
        if known is not None and known is not cls:
            warnings.warn(f"new {nickname} {cls.__module__}.{cls.__name__} registered with name {key} "
                          f"overrides {known.__module__}.{known.__name__}", stacklevel=2)
        registry[key] = cls
        return cls

    register.__doc__ = f"File a subclass of {base_class.__name__} under its lower-cased name, to be created by it."
    return register


def get_alias_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """A decorator ``alias('a', 'b')`` that files a class under further names."""
    register = get_register_func(base_class, nickname)

    def alias(*names: str) -> Callable[[T], T]:
        def decorate(cls: T) -> T:
            for name in names:
                register(cls, name)
            return cls
        return decorate

    return alias


def get_create_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """``create(name_or_instance_or_json, *args, **kwargs)``: an instance of a registered class.

    The JSON form is what attributes of saved symbols hold: ``'["normal", {"sigma": 0.02}]'``, or a dict with the
    nickname as one of its keys.
    """
    registry = _REGISTRIES.setdefault(base_class, {})

    def create(*args: Any, **kwargs: Any) -> Any:
        name, *rest = args if args else (kwargs.pop(nickname, None),)
        if isinstance(name, base_class):
            if rest or kwargs:
                raise ValueError(f"{nickname} is already an instance; further arguments mean nothing: {rest} {kwargs}")
            return name
        if isinstance(name, dict):
            return create(**name)
        if not isinstance(name, str):
            raise TypeError(f"{nickname} must be a name, an instance or a dict, got {name!r}")
        if name.startswith("["):
            name, settings = json.loads(name)
            return create(name, **settings)
        if name.startswith("{"):
            return create(**json.loads(name))
        if name.lower() not in registry:
            raise ValueError(f"{name!r} is not a registered {nickname}{suggest(name.lower(), registry)} "
                             f"(known: {', '.join(sorted(registry))})")
        return registry[name.lower()](*rest, **kwargs)

    create.__doc__ = f"Create a registered {nickname} from its name, an instance, or its JSON form."
    return create
