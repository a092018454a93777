"""Calls between the process of a program and the process of its tests, over one socket.

The tests hold handles of the program's functions and objects: calling one sends its arguments, and what comes back is
plain data or another handle. The program never holds the tests, their expected values, or the channel of results; of
the tests' own things it may only call the functions, and read and set the public attributes of the objects, that it was
given as arguments.
"""

import builtins
import collections.abc
import json
import os
import struct
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

from ._codec import decode, encode

MUTABLE = (list, dict, set, bytearray)
LARGEST_MESSAGE = 1 << 28

_NOT_MADE = (UnicodeError, StopIteration, StopAsyncIteration)
"""Exceptions that arrive as :class:`RemoteError`: of several arguments, and those that would end a loop of the tests as if all
were done (``all(map(f, …))``)."""

Message = dict[str, Any]


class ProgramEnded(BaseException):
    """The other process is gone, or does not keep to the protocol. ``except Exception`` does not catch it."""


class RemoteError(Exception):
    """An exception of the program that is no builtin one."""


class Handle:
    """Something of the other process. Equal to nothing but itself: what it would say of its value is not believed."""

    def __init__(self, peer: "Peer", target: Any, kind: str) -> None:
        self.__dict__.update(_peer=peer, _target=target, _kind=kind)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._peer.ask("call", self._target, list(args), kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._peer.ask("get", self._target, [name], {})

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.ask("set", self._target, [name, value], {})

    def __getitem__(self, key: Any) -> Any:
        return self._peer.ask("item", self._target, [key], {})

    def __len__(self) -> int:
        return int(self._peer.ask("len", self._target, [], {}))

    def __iter__(self) -> Any:
        return iter(self._peer.ask("list", self._target, [], {}))

    def __bool__(self) -> bool:
        return bool(self._peer.ask("bool", self._target, [], {}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other._target == self._target

    def __hash__(self) -> int:
        return hash(self._target)

    def __str__(self) -> str:
        return str(self._peer.ask("str", self._target, [], {}))

    def __repr__(self) -> str:
        return f"<{self._kind} of the program>"


class Coroutine(Handle):
    """A coroutine of the program, which may be awaited here: the program runs it to its end."""

    def send(self, value: Any) -> Any:
        """Run it."""
        raise StopIteration(self._peer.ask("await", self._target, [], {}))

    def throw(self, *error: Any) -> Any:
        """End it."""
        raise error[0]

    def close(self) -> None:
        """Leave it."""

    def __await__(self) -> Any:
        return self._peer.ask("await", self._target, [], {})
        yield


collections.abc.Coroutine.register(Coroutine)


def _wait_for(value: Any) -> Any:
    import asyncio

    return asyncio.run(value)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "get": getattr, "set": setattr, "item": lambda value, key: value[key], "len": len, "list": list, "bool": bool,
    "str": str, "await": _wait_for,
}  # fmt: skip


class Peer:
    """One end of the socket.

    Args:
        link: descriptor of the socket.
        names: what the other side may name; None = it may only call what it was given.
    """

    def __init__(self, link: int, names: dict[str, Any] | None) -> None:
        self.link = link
        self.names = names
        self.is_over = False
        self.has_asked = False
        self._given: dict[int, Any] = {}
        self._errors: dict[str, type[Exception]] = {}

    def stand_in(self, name: str) -> type[Exception]:
        """Return the class that the program's exceptions of that name arrive as."""
        return self._errors.setdefault(name, type(name, (RemoteError,), {}))

    def _give_up(self, why: str) -> ProgramEnded:
        self.is_over = True
        return ProgramEnded(why)

    def send(self, message: Message) -> None:
        """Send one message."""
        data = json.dumps(message).encode()
        view = memoryview(struct.pack("I", len(data)) + data)
        try:
            while view:
                view = view[os.write(self.link, view) :]
        except OSError as error:
            raise self._give_up("the other process ended") from error

    def receive(self) -> Message:
        """Wait for one message."""
        (size,) = struct.unpack("I", self._read(4))
        if size > LARGEST_MESSAGE:
            raise self._give_up("a message without end")
        try:
            message = json.loads(self._read(size))
        except (ValueError, RecursionError) as error:
            raise self._give_up("a message that cannot be read") from error
        if not isinstance(message, dict):
            raise self._give_up("a message that cannot be read")
        return message

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = os.read(self.link, min(size - len(data), 1 << 20))
            except OSError as error:
                raise self._give_up("the other process ended") from error
            if not part:
                raise self._give_up("the other process ended")
            data += part
        return bytes(data)

    def ask(self, operation: str, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Have the other side do something, and return the value or raise what it raised."""
        self.has_asked = True
        sent = [encode(a, self._export) for a in args]
        named = {k: encode(v, self._export) for k, v in kwargs.items()}
        self.send({"ask": operation, "of": target, "args": sent, "kwargs": named})
        while "ask" in (message := self.receive()):
            self.answer(message)
        try:
            if "raised" in message:
                raise _make_error(message, self._errors)
            for i, data in message["changed"]:
                _overwrite(args[i], decode(data, self._handle))
            return decode(message["value"], self._handle)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            if hasattr(error, "line"):
                raise
            raise self._give_up("a value that cannot be read") from error

    def answer(self, message: Message) -> None:
        """Do what the other side asks for, and send what came of it."""
        try:
            args = [decode(a, self._handle) for a in message["args"]]
            kwargs = {k: decode(v, self._handle) for k, v in message["kwargs"].items()}
            value = self._do(message["ask"], message["of"], args, kwargs)
            now = [(i, encode(a, self._export)) for i, a in enumerate(args) if isinstance(a, MUTABLE)]
            changed = [[i, data] for i, data in now if data != message["args"][i]]
            reply = {"value": encode(value, self._export), "changed": changed}
        except ProgramEnded:
            raise
        except BaseException as error:  # noqa: BLE001 whatever the program raises is its answer
            reply = describe(error)
        self.send(reply)

    def _do(self, operation: str, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self.names is None and not self._may(operation, target, args):
            raise PermissionError("not an argument of the program")
        value = self._given[target] if isinstance(target, int) else (self.names or {})[target]
        return value(*args, **kwargs) if operation == "call" else _OPERATIONS[operation](value, *args)

    def _may(self, operation: str, target: Any, args: list[Any]) -> bool:
        """Say whether the program may do this to something of the tests': call, or look at data that it was given."""
        if operation == "call":
            return True
        if operation == "await":
            return False
        is_code = isinstance(self._given[target], type | types.ModuleType | types.FunctionType | types.MethodType)
        return not is_code and not (operation in ("get", "set") and str(args[0]).startswith("_"))

    def _export(self, value: Any) -> list[Any]:
        if isinstance(value, Handle):
            return ["o", value._target]
        self._given[id(value)] = value
        return ["x", id(value), type(value).__name__]

    def _handle(self, data: list[Any]) -> Any:
        if data[0] == "x" and data[2] == "coroutine" and self.names is None:
            return Coroutine(self, int(data[1]), "coroutine")
        if data[0] == "x":
            return Handle(self, int(data[1]), str(data[2]))
        if data[0] == "o" and isinstance(data[1], int):
            return self._given[data[1]]
        if data[0] == "o" and self.names is not None:
            return self.names[data[1]]
        raise ValueError("not a value")


class RemoteProgram:
    """A program in the other process: its functions by name. One that did not load raises its error at each."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._hello = peer.receive()

    def __getattr__(self, name: str) -> Handle:
        if (failed := self._hello.get("failed")) is not None:
            raise _make_error(failed)
        if name not in self._hello["names"]:
            line = f"name {name!r} is not defined"
            raise _make_error({"raised": "AttributeError", "text": line, "line": f"NameError: {line}"})
        return Handle(self._peer, name, "function")


def describe(error: BaseException) -> Message:
    """Return an exception as data."""
    kind = type(error).__name__
    kinds = [kind]
    try:
        kinds = [str(one.__name__) for one in type.__dict__["__mro__"].__get__(type(error))[:20]]
        line = traceback.format_exception_only(type(error), error)[-1].strip()
        line = line.removeprefix(f"{type(error).__module__}.")
        text = str(error)
    except BaseException:  # noqa: BLE001 a program's exception can raise while it is shown
        line = text = kind
    return {"raised": kind, "kinds": kinds, "text": text[:2000], "line": line[:2000]}


def _make_error(message: Message, errors: Mapping[str, type[Exception]] = types.MappingProxyType({})) -> Exception:
    """Return an exception of the program: a builtin one, or one of its own, as what the tests know it by."""
    text, line = str(message["text"]), str(message["line"])
    builtin = _usable(str(message["raised"]))
    error: Exception
    if builtin is not None and str(message["raised"]) not in errors:
        error = builtin(text)
    else:
        error = _own_error(message, errors)(text if errors else line)
    error.line = line  # type: ignore[attr-defined]
    return error


def _own_error(message: Message, errors: Mapping[str, type[Exception]]) -> type[Exception]:
    """Return a class below the stand-ins and the builtin exceptions that the program's class is below."""
    kinds = [str(message["raised"]), *map(str, message.get("kinds") or [])]
    known = [errors[k] for k in dict.fromkeys(kinds) if k in errors]
    above = next((one for k in kinds if k not in errors and (one := _usable(k)) is not None), None)
    bases = [*known, *([above] if above not in (None, Exception) else [])] or [RemoteError]
    try:
        return type("RemoteError", tuple(bases), {}) if len(bases) > 1 or bases[0] is above else bases[0]
    except TypeError:  # no order of such bases
        return known[0] if known else RemoteError


def _usable(kind: str) -> type[Exception] | None:
    found = getattr(builtins, kind, None)
    is_usable = isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, _NOT_MADE)
    return found if is_usable else None


def _overwrite(mine: Any, theirs: Any) -> None:
    """Let a change that the program made in an argument be seen by the tests."""
    if type(mine) is not type(theirs):
        raise ValueError("a changed argument of another type")
    if isinstance(mine, list | bytearray):
        mine[:] = theirs
    else:
        mine.clear()
        mine.update(theirs)
