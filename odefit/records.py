"""Data classes whose fields are looked at, and whose methods are written, when the first value is made, not when their
module is imported.

`dataclasses.dataclass(frozen=True)` compiles six functions for each class, a third of a millisecond, and looks at its
fields for 20 to 70 microseconds; a command imports two hundred classes and makes values of a few dozen. Fields,
`replace`, `asdict` and `__match_args__` are the standard library's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

Record = TypeVar("Record")


def changed(record: Record, **fields: Any) -> Record:
    """A copy of a record with other values of some fields, as they are: `replace` without what its class does to them.

    Not for classes with cached properties, which would be copied as well.
    """
    copy = object.__new__(type(record))
    vars(copy).update(vars(record) | fields)
    return copy


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    import threading
    from functools import partial
    from operator import attrgetter
    from reprlib import recursive_repr

    def dataclass(cls=None, /, *, init=True, repr=True, eq=True, frozen=False):
        """`dataclasses.dataclass`, as far as odefit needs it: the same values, errors and order of fields."""
        if cls is None:
            return partial(dataclass, init=init, repr=repr, eq=eq, frozen=frozen)
        own = set(vars(cls))
        hashed = "__hash__" in own and not (cls.__hash__ is None and "__eq__" in own)
        if "__init__" in own or not init:
            _describe(cls)  # values may be made without a look at the fields
        else:
            for name in _DESCRIPTION:
                setattr(cls, name, _Description(cls, name))
        methods = {}
        if init:
            methods["__init__"] = _Init(cls)
        if repr:
            methods["__repr__"] = _repr
        if eq:
            methods["__eq__"] = _eq
        if frozen:
            methods |= {"__setattr__": _refusal(cls, "assign to"), "__delattr__": _refusal(cls, "delete")}
        for name, method in methods.items():
            if name not in own:
                setattr(cls, name, method)
        if eq and not hashed:
            cls.__hash__ = _hash if frozen else None
        return cls

    _DESCRIPTION = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")
    _describing = threading.RLock()

    def _describe(cls):
        """Let the standard library look at the fields."""
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)

    class _Description:
        """What the standard library says of a class, found out when any of it is first looked up."""

        def __init__(self, cls, name):
            self.cls, self.name = cls, name

        def __get__(self, value, owner=None):
            with _describing:
                if isinstance(vars(self.cls)["__dataclass_fields__"], _Description):
                    if "__match_args__" in vars(self.cls):
                        del self.cls.__match_args__
                    _describe(self.cls)
            return getattr(self.cls, self.name)

    class _Init:
        """`__init__` of a class, written when it is first looked up."""

        def __init__(self, cls):
            self.cls = cls

        def __get__(self, value, owner=None):
            self.cls.__init__ = init = _init(self.cls)
            return init if value is None else init.__get__(value, owner)

    def _init(cls):
        """Set each field from an argument or its default, then call `__post_init__`."""
        names = {"_set_field": object.__setattr__, "_missing_argument": dataclasses.MISSING}
        positional, named, lines = ["_self"], [], []
        for field in dataclasses.fields(cls):
            name, value = field.name, field.name
            parameters = named if field.kw_only else positional
            if field.default_factory is not dataclasses.MISSING:
                names[f"_factory_{name}"] = field.default_factory
                value = f"_factory_{name}()"
                if field.init:
                    parameters.append(f"{name}=_missing_argument")
                    value += f" if {name} is _missing_argument else {name}"
            elif field.init and field.default is not dataclasses.MISSING:
                names[f"_default_{name}"] = field.default
                parameters.append(f"{name}=_default_{name}")
            elif field.init:
                parameters.append(name)
            else:
                continue  # `__post_init__` sets it, or it stays the attribute of the class
            lines.append(f" _set_field(_self, {name!r}, {value})")
        if hasattr(cls, "__post_init__"):
            lines.append(" _self.__post_init__()")
        parameters = ", ".join([*positional, *(["*", *named] if named else [])])
        exec("\n".join([f"def __init__({parameters}):", *(lines or [" pass"])]), names)  # noqa: S102 names of fields
        init = names["__init__"]
        init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
        init.__annotations__ = {field.name: field.type for field in dataclasses.fields(cls) if field.init}
        return init

    def _compared(value):
        """What two values are compared by."""
        cls = type(value)
        try:
            get = cls.__dict__["_compared_fields"]
        except KeyError:
            names = [field.name for field in dataclasses.fields(cls) if field.compare]
            get = attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, name) for name in names)
            cls._compared_fields = staticmethod(get)
            get = cls.__dict__["_compared_fields"]
        return get(value)

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _compared(self) == _compared(other)

    def _hash(self):
        return hash(_compared(self))

    @recursive_repr()
    def _repr(self):
        shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _refusal(cls, verb):
        """`__setattr__` or `__delattr__` of a frozen class; a plain class derived from it may set what is no field."""
        name_of_base = "__setattr__" if verb == "assign to" else "__delattr__"

        def refuse(self, name, *value):
            if type(self) is cls or name in cls.__dataclass_fields__:
                raise dataclasses.FrozenInstanceError(f"cannot {verb} field {name!r}")
            getattr(super(cls, self), name_of_base)(name, *value)

        return refuse
