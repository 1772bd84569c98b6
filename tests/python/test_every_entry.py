"""Every class, method, property and function of the module, called with arguments that are wrong,
empty, hostile, or were never initialised: each call ends in a result or in a documented exception
whose message is ours.

The calls are made in a child process, which says what it is about to do: should it die, that is the
call. The stub lists what there is, so that an entry or a parameter which is new fails here until
VALID knows an argument for it."""

import array
import copy
import copyreg
import ctypes
import faulthandler
import itertools
import math
import os
import pickle
import re
import subprocess
import sys
import tempfile
import unittest
import warnings
import weakref

import multibuffer
from support import ALL_CASES, exporter, optional_import
from test_stubs import stubbed

numpy = optional_import("numpy")

DOCUMENTED = (TypeError, ValueError, IndexError, BufferError, MemoryError, OverflowError)
# What only some entries raise.
ALSO = {
    "DeviceBuffer.__cuda_array_interface__": AttributeError,  # of an array on the host
    "DeviceArray.__cuda_array_interface__": AttributeError,
    "DeviceArray.__array_interface__": AttributeError,  # of an array with pointer tables
    "rows": (AttributeError, ImportError),  # of what is no image; where Pillow is not installed
    "open": OSError,
    "Drawing.save": OSError,
    "Datasets.__getitem__": KeyError,  # as of a dict
    "Dataset.batches": ImportError,  # where torch is not installed
    "Datasets.batches": ImportError,
    "Dataset.torch": ImportError,
    "Datasets.torch": ImportError,
}
# What is pickled, and what is written in Python, whose classes are called and derived from as any.
PICKLED = {"Dataset", "Datasets", "Batches"}
IN_PYTHON = {"Datasets", "Batches", "StaleError"} | {"Packed"}  # a tuple, which is made as any
# CPython 3.9 cannot make types that nobody changes.
IMMUTABLE = sys.version_info >= (3, 10)
UNDOCUMENTED = (UnicodeError, RecursionError)
# Words of a binding, or of the C++ library.
NOT_OURS = re.compile(r"pybind|incompatible|Unable to c|constructor|C\+\+|std::|__n \(which|"
                      r"vector|basic_string|codec can't|unknown kind|bad_", re.IGNORECASE)


class Mine(Exception):
    """What the hostile objects raise: the caller's to see."""


FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "data", "shards",
                    "rows_0.npy")
MEMORY = ctypes.create_string_buffer(bytes(range(64)))
ADDRESS = ctypes.addressof(MEMORY)

# An argument for each parameter, by its name or by that of its entry.
VALID = {
    "arrays": [b"ab", b"cd"], "atol": 0.0, "axes": (1, 0), "axis": 0, "coordinates": [[0]],
    "copy": None, "device": "host", "dl_device": None, "dtype": None, "expected": b"ab",
    "format": "B", "image": None, "indices": [0], "key": 0, "max_version": None, "mode": "raise",
    "obj": [b"ab", b"cd"], "order": "C", "out": None, "owner": None, "placement": "auto",
    "pointers": [ADDRESS, ADDRESS + 8], "result": b"ab", "rtol": 0.0, "saturate": False,
    "scale": None, "bias": None, "channel_axis": -1,
    "reads": (), "shape": -1, "stream": None, "strides": None, "ulp": 0, "writes": (),
    "kind": None, "error": None, "traceback": None,
    "index": (0, 0), "at": None, "offsets": True, "title": "", "measure": False, "path": os.devnull,
    "keep_sources": False, "checked": False, "memory_limit": 0, "progress": None,
    "astype.dtype": "f4", "from_pointers.shape": 4,
    "source": b"abcd", "join": "concatenate", "window": 0, "offset": 0, "open.shape": None,
    "bytes": 64, "protocol": 2, "n": 2, "shuffle": False, "seed": 0, "rank": 0, "world": 1,
    "table": memoryview(bytes(8)).cast("i"), "allow_negative": False, "levels": 1,
    "prefetch": 0, "drop_last": False, "framework": "numpy", "state": {}, "name": "a",
    # No rows: as many bytes as a hostile length asks for would be there.
    "pad.rows": [], "plan_pad.rows": [], "pack.rows": None, "plan_pack.rows": None,
    "rows": [b"ab", b"cde"], "offsets": None, "lengths": None, "offsets_dtype": "int64",
    "items": None, "length": None, "fill": 0, "side": "right", "truncate": False,
}


def valid(entry, parameter):
    return VALID.get(f"{entry.split('.')[-1]}.{parameter}", VALID.get(parameter, ...))


def subjects():
    """Objects of every class."""
    rows = [bytes(range(4)), bytes(range(4, 8)), bytes(range(8, 12))]
    indirect = multibuffer.upload(rows, device="host", placement="preserved")
    arrays = [
        indirect, indirect[:0], indirect[1, 2],
        multibuffer.upload(array.array("d", [1.0, math.nan, -2.5]), device="host"),
        multibuffer.upload(exporter(ADDRESS, (3,), (8,), format="T{i:a:(2)H:b:}", itemsize=8),
                           device="host"),
        multibuffer.upload(exporter(ADDRESS, (3,), (5,), format="nonsense \xff", itemsize=5),
                           device="host", placement="in_place"),
    ]
    result = {
        "DeviceArray": arrays,
        "DeviceBuffer": [each.copy() for each in arrays] + [indirect.copy("F")],
        "Plan": [indirect.plan_take([0, 2]),
                 indirect.plan_copy(out=memoryview(bytearray(12)).cast("B", (3, 4)))],
        "Stack": [multibuffer.stack(rows), multibuffer.from_pointers([ADDRESS] * 2, 4)],
        "Reference": [multibuffer.reference(rows), multibuffer.reference(rows)[:, 1:2],
                      multibuffer.reference(array.array("i", [1, 2]))],
        "Comparison": [multibuffer.verify(b"ab", b"ab"), multibuffer.verify(b"ab", b"cd")],
        "Explanation": [multibuffer.explain(rows, (1, 2)), multibuffer.explain(indirect, (1, 2))],
        "Drawing": [multibuffer.draw(rows)],
        "PlanExplanation": [indirect.plan_take([0, 2]).explain()],
        "DeviceInfo": multibuffer.devices()[-1:],
        "Axis": list(indirect.axes[:1]),
        "Access": [multibuffer.access(None, indirect, writes=indirect.copy())],
        "Dataset": [multibuffer.open(FILE), multibuffer.open(FILE, window=64)[:, 1]],
        "StaleError": [multibuffer.StaleError("a file")],
    }
    unequal = [b"abc", b"", b"de", b"abc"]
    ragged = multibuffer.ragged(unequal, device="host")
    result.update({
        "RaggedArray": [
            ragged, ragged[:0], ragged[::-2], multibuffer.ragged(unequal, placement="packed",
                                                                 device="host"),
            multibuffer.ragged(exporter(ADDRESS, (4,), (8,), format="T{i:a:(2)H:b:}", itemsize=8),
                               lengths=[1, 0, 3], device="host"),
            multibuffer.ragged([exporter(ADDRESS, (3,), (5,), format="nonsense \xff", itemsize=5)],
                               device="host")],
        "RaggedReference": [multibuffer.ragged_reference(unequal),
                            multibuffer.ragged_reference(array.array("d", [1, math.nan]),
                                                         offsets=[0, 2, 2])],
        "Packed": [ragged.pack()],
        "PackPlan": [ragged.plan_pack([2, 0]), ragged.plan_pack(out=bytearray(8))],
        "PadPlan": [ragged.plan_pad(fill=7),
                    ragged.plan_pad(out=memoryview(bytearray(12)).cast("B", (4, 3)))],
    })
    result["Datasets"] = [multibuffer.open({"a": FILE, "b": FILE})]
    result["Batches"] = [result["Dataset"][0].batches(2, framework="numpy")] if numpy else []
    return result


# ---- Hostile objects

def raising(*_, **__):
    raise Mine("hostile")


SPECIAL = ("__index__", "__len__", "__getitem__", "__iter__", "__next__", "__bool__", "__repr__",
           "__str__", "__float__", "__int__", "__eq__", "__hash__", "__contains__", "__array__",
           "__dlpack__", "__dlpack_device__", "__cuda_stream__", "__buffer__", "__fspath__")
ATTRIBUTES = ("__cuda_array_interface__", "__array_interface__", "__array_struct__",
              "__dlpack_device__", "__dlpack__", "__dlpack_c_exchange_api__", "dtype", "str", "name",
              "__name__", "shape", "cuda_stream", "ptr", "kind", "__class__", "__dict__")
ANSWERS = {
    "None": None, "a str": "x", "a lone surrogate": "\ud800", "-1": -1, "2**70": 2**70,
    "NaN": math.nan, "an object": object(), "a list": [], "a tuple": (1,), "a pair": (1, 0),
    "another pair": (2, -1), "a large pair": (2**40, 2**70), "a pair of str": ("a", "\ud800"),
    "bytes": b"ab", "a class": int, "a dict": {}, "a key": {"\ud800": 1},
}


def hostile_classes():
    """(name, maker) of objects with one method or attribute that is not what it should be."""
    def made(name, members):
        return lambda: type("Hostile", (), dict(members))()

    for method in SPECIAL:
        yield f"{method} raises", made(method, {method: raising})
        for text, answer in ANSWERS.items():
            def method_of(*_, answer=answer, **__):
                return answer
            yield f"{method} gives {text}", made(method, {method: method_of})
    for attribute in ATTRIBUTES:
        if attribute not in ("__class__", "__dict__"):
            yield f"{attribute} raises", made(attribute, {attribute: property(raising)})
        for text, answer in ANSWERS.items():
            yield (f"{attribute} is {text}",
                   made(attribute, {attribute: property(lambda _, answer=answer: answer)}))

    # Half of a protocol that is right.
    host = multibuffer.upload(b"abcd", device="host").copy()
    for text, answer in {**ANSWERS, "used": "used"}.items():
        def give(*_, answer=answer, **__):
            if answer != "used":
                return answer
            capsule = host.__dlpack__()
            numpy and numpy.from_dlpack(type("Once", (), {
                "__dlpack__": lambda *_, **__: capsule,
                "__dlpack_device__": lambda _: (1, 0)})())
            return capsule
        yield (f"a tensor that is {text}", made("", {
            "__dlpack__": give, "__dlpack_device__": lambda _: (1, 0)}))
        yield (f"a tensor on the device {text}", made("", {
            "__dlpack__": lambda _, **__: host.__dlpack__(), "__dlpack_device__": give}))
    interface = {"shape": (4,), "typestr": "|u1", "data": (ADDRESS, False), "version": 3,
                 "strides": None, "stream": None, "mask": None, "descr": [("", "|u1")]}
    for field in interface:
        for text, answer in {**ANSWERS, "gone": ...}.items():
            changed = dict(interface, **{field: answer})
            if answer is ...:
                del changed[field]
            yield (f"an interface whose {field} is {text}",
                   made("", {"__cuda_array_interface__": changed}))


def changing_lists():
    """Lists that are changed by what is in them while they are read."""
    for change in ("clear", "grow", "shrink"):
        def make(change=change):
            items = []

            def act(*_):
                if change == "grow":
                    items.extend(items[:3])
                elif change == "clear":
                    items.clear()
                elif items:
                    items.pop()
                return 0

            source = exporter(ADDRESS, (2,), (1,))
            source.on_getbuffer = act
            number = type("Number", (), {"__index__": act})()
            items[:] = [source, number, source] if change == "grow" else [number, source, number]
            return items
        yield f"a list that is made to {change}", make

        def numbers(change=change, make=make):
            items = make()
            items[:] = [each for each in items if hasattr(each, "__index__")] * 3
            return items
        yield f"a list of numbers that is made to {change}", numbers


def nested(depth):
    items = []
    for _ in range(depth):
        items = [items]
    return items


def looped():
    items = []
    items.append(items)
    return items


def calling_back(method):
    """Asks the module about itself when it is asked."""
    def ask(self, *_, **__):
        small = multibuffer.upload(b"ab", device="host")
        if method == "__repr__":
            return small.astype(self)
        return small[self] if method == "__index__" else multibuffer.upload([self], device="host")

    return type("Hostile", (), {method: ask, "__dlpack_device__": lambda _: (1, 0)})()


def refusing(kind):
    source = exporter(ADDRESS, (2,), (1,))
    if kind == "raises":
        source.on_getbuffer = raising
    elif kind == "raises in the end":
        source.on_release = raising
    elif kind == "is silent":
        source.misbehave = "silent"
    elif kind == "does both":
        source.misbehave = "both"
    elif kind == "has 65 axes":
        source.ndim, source.shape, source.strides = 65, [1] * 65, [1] * 65
    elif kind == "is endless":
        source.shape, source.strides, source.len = [2**62], [0], 2**62
    elif kind == "has no bytes":
        source.shape, source.len = [0], 0
    elif kind == "has negative axes":
        source.shape = [-2]
    elif kind == "means nothing":
        source.format = "\x01{{"
    return source


def released():
    view = memoryview(b"abcd")
    view.release()
    return view


class Text(str):
    __hash__ = None


class Number(int):
    def __index__(self):
        raise Mine("hostile")


class Listed(list):
    def __len__(self):
        return 2**62

    def __getitem__(self, key):
        raise Mine("hostile")


class Endless:
    def __getitem__(self, key):
        return 0


def plain_values():
    values = [
        None, True, False, 0, 1, -1, 3, 64, 2**31, -2**31 - 1, 2**32, 2**63 - 1, 2**63, -2**63, 2**64,
        2**70, -2**70, 0.0, 1.5, math.nan, math.inf, 1j, "", "x", "a", "f4", ">f4", "raise", "C",
        "host", "cuda", "cuda:99999999999999999999", "\ud800", "a\0b", "\U0010ffff", "é" * 1000,
        "T{", "%s%n", b"", b"ab", bytearray(b"abcd"), memoryview(b"abcd"), (), [], {}, set(),
        frozenset([1]), object(), object, int, type, ..., NotImplemented, slice(None),
        slice("a", None), slice(None, None, 0), slice(2**70, -2**70, -2**70), slice(math.nan),
        range(3), range(2**62), iter([1]), lambda: 0, Mine(), sys, [None], [[]], [[], []],
        [[1], [2, 3]], [["a"]], ["\ud800"], ["a", "b"], ["a", 1], [b"ab", 3], [b"ab", b"abc"],
        [b"ab", "x"], [math.nan], [2**70], [-1, 2**63], [True], [True, 2], [[True] * 4] * 3,
        (None,) * 63, (None,) * 65, (...,) * 2, (0,) * 65, [0] * 100, (1, 2, 3), (2**31, 2**31),
        (2**62, 4), (-1, -1), (-2, -3), ("a", "b"), ("\ud800", 0), (0, "\ud800"), (1.5, 0),
        (slice(None), [0], None, True), ([0], [[0], [1]], [0, 1, 2]), {"a": 1}, {1: 2},
        array.array("d", [1.0]), array.array("q", [0, 2**62, -2**63]), array.array("B"),
        ctypes.c_int(1), ctypes.c_void_p(), (ctypes.c_int * 0)(), ctypes.pointer(ctypes.c_int()),
        Text("x"), Number(1), Listed([1, 2]), Endless(), itertools.count(), nested(63), nested(70),
        nested(5000), looped(), released(), type("Sub", (bytearray,), {})(b"abcd"),
    ]
    if numpy:
        values += [
            numpy.zeros((2, 2)), numpy.array(3), numpy.array([[[1]]]), numpy.zeros(0, bool),
            numpy.zeros((0, 3)), numpy.array([None, 1], object), numpy.array(["\ud800"]),
            numpy.zeros(2, "M8[s]"), numpy.zeros(2, "i4,f4"), numpy.array([2**64 - 1], "u8"),
            numpy.int64(2), numpy.uint64(2**64 - 1), numpy.float32(1), numpy.bool_(True),
            numpy.dtype("i4"), numpy.dtype("i4,f4"), numpy.dtype("O"), numpy.float32,
            numpy.ma.array([1, 2], mask=[0, 1]), numpy.matrix([[1]]),
        ]
    for value in values:
        yield name_of(value), lambda value=value: value


def name_of(value):
    try:
        return ascii(value)[:60]
    except RecursionError:
        return f"a deep {type(value).__name__}"


def hostile_values():
    yield from plain_values()
    yield from hostile_classes()
    yield from changing_lists()
    for method in ("__repr__", "__index__", "__dlpack__"):
        yield f"{method} that is as deep as the stack", lambda method=method: calling_back(method)
    for kind in ("raises", "raises in the end", "is silent", "does both", "has 65 axes",
                 "is endless", "has no bytes", "has negative axes", "means nothing"):
        yield f"an exporter that {kind}", lambda kind=kind: refusing(kind)
    for name, objects in subjects().items():
        for each in objects[:1]:
            yield f"a {name}", lambda each=each: each
            yield f"a list of {name}", lambda each=each: [each, each]


# Where any iterable is read whole, as list() does, one without an end is nobody's fault but the
# caller's.
READ_WHOLE = {"stack.arrays"}
ENDLESS = re.compile(r"Endless|count\(|range\(0, 46|LP_c_int|__getitem__ gives")


# ---- The walk

class Walk:
    def __init__(self, log):
        self.log = os.open(log, os.O_WRONLY)
        self.calls = 0
        self.turn = 0
        self.bad = []

    def check(self, entry, what, call):
        """Makes the call, which has a result or a documented exception."""
        about = f"{entry}: {what}"
        os.pwrite(self.log, about.encode(errors="backslashreplace")[:300].ljust(300), 0)
        self.calls += 1
        try:
            self.look_at(call())
        except Mine:
            pass
        except BaseException as error:
            if str(error) == "and yet it failed":  # an exporter's own
                return
            if isinstance(error, RecursionError) and "deep" in what:  # of the list's own repr
                return
            kinds = DOCUMENTED + (ALSO.get(entry, ()) if isinstance(ALSO.get(entry), tuple) else
                                  (ALSO[entry],) if entry in ALSO else ())
            about_devices = isinstance(error, RuntimeError) and re.search("CUDA|cuda", str(error))
            if isinstance(error, UNDOCUMENTED) or not (isinstance(error, kinds) or about_devices):
                self.report(about, f"{type(error).__name__}: {ascii(str(error))}")
            elif not str(error) or NOT_OURS.search(str(error)):
                self.report(about, f"not our words: {type(error).__name__}: {ascii(str(error))}")

    def look_at(self, result):
        repr(result)
        if isinstance(result, multibuffer.DeviceBuffer) and result.nbytes < 1 << 16:
            result.tobytes()
        if hasattr(type(result), "itemsize") and type(result).__module__ == "multibuffer":
            str((result.shape, result.ndim, result.format, result.dtype))

    def report(self, about, what):
        if len(self.bad) < 300:
            self.bad.append(f"{about}: {what}")

    def refused(self, entry, what, call, kind=TypeError):
        """Makes a call that cannot have a result."""
        def refused_call():
            call()
            self.report(f"{entry}: {what}", "not refused")
        self.check(entry, what, refused_call)

    def sample(self):
        """All values, or a quarter of them, another one each time."""
        if ALL_CASES or len(self.values) < 100:
            return self.values
        self.turn += 1
        return self.values[self.turn % 4::4]

    def function(self, entry, function, parameters):
        """parameters: (name, kind) with the kinds of `parameters_of`."""
        positional = [name for name, kind in parameters if kind == "any"]
        named = {name: valid(entry, name) for name, kind in parameters if kind != "rest"}
        rest = [valid(entry, name) for name, kind in parameters if kind == "rest"]
        for name, value in [*named.items(), *zip(("axes",), rest)]:
            if value is ...:
                self.report(entry, f"VALID has no argument for the new parameter {name}")
                return
        if rest:  # what stands in front of *names cannot be named then
            in_front = [named.pop(name) for name in positional]
            self.check(entry, "as it should be called",
                       lambda: function(*in_front, *rest[0], **named))
        else:
            self.check(entry, "as it should be called", lambda: function(**named))
        for name, _ in parameters:
            for text, make in self.sample():
                if f"{entry}.{name}" in READ_WHOLE and ENDLESS.search(text):
                    continue
                if rest:
                    self.check(entry, f"*({text})", lambda: function(make()))
                    self.check(entry, f"*(1, {text})", lambda: function(1, make()))
                    continue
                self.check(entry, f"{name} = {text}", lambda: function(**{**named, name: make()}))
        for text, make in self.values[::7]:
            if ENDLESS.search(text):
                continue
            self.check(entry, f"({text})", lambda: function(make()))
            self.check(entry, f"({text}, ...)",
                       lambda: function(*[make() for _ in positional]))
        self.refused(entry, "with too many arguments", lambda: function(*[0] * (len(parameters) + 1))
                     if not rest else function(*[0] * 70))
        for name in ("\ud800", "", "self", "out\0", "a" * 100_000, "\U0010ffff"):
            self.refused(entry, f"with the keyword {ascii(name)[:20]}",
                         lambda: function(**{**named, name: 1}))
            self.refused(entry, f"with the keyword {ascii(name)[:20]} alone",
                         lambda: function(**{name: 1}))
        if positional:
            first = positional[0]
            self.refused(entry, "with an argument twice",
                         lambda: function(valid(entry, first),
                                          **{**named, first: valid(entry, first)}))

    def every_entry(self):
        self.values = values = list(hostile_values())
        self.subjects = subjects()
        for name, members in stubbed().items():
            if not name:
                for member, overloads in members.items():
                    self.function(member, getattr(multibuffer, member), parameters_of(overloads[0]))
                continue
            if not self.subjects.get(name):
                self.report(name, "subjects() has no object of the new class")
                continue
            for number, subject in enumerate(self.subjects[name]):
                # The first of a class is asked everything, the others some of it.
                self.values = values[number % 11::11] if number else values
                self.one_object(name, members, subject)
            self.values = values
            if name in IN_PYTHON:
                continue
            self.one_class(name, getattr(multibuffer, name), members)

    def one_object(self, name, members, subject):
        for member, overloads in members.items():
            entry = f"{name}.{member}"
            if member == "__init__":  # made already
                continue
            if member == "__buffer__":
                # PyBUF_READ, 0x100, is no request: CPython refuses it by a SystemError from 3.12 on.
                for flags in (0, 1, 0x8, 0x18, 0x118, 0x11c, 0x1c, 0x3c, 0x5c, 0x98, 0x4,
                              *((0x100,) if sys.version_info < (3, 12) else ())):
                    self.check(entry, f"flags {flags}", lambda: ask_for_buffer(subject, flags))
                self.check(entry, "memoryview", lambda: memoryview(subject).tobytes())
            elif member == "__len__":
                self.check(entry, "len", lambda: len(subject))
            elif member == "__bool__":
                self.check(entry, "bool", lambda: bool(subject))
            elif member == "__getitem__":
                for text, make in self.sample():
                    self.check(entry, text, lambda: subject[make()])
                    self.check(entry, f"(0, {text})", lambda: subject[0, make()])
                    self.check(entry, f"(..., {text})", lambda: subject[..., make()])
            elif not overloads:  # an attribute of the class
                self.check(entry, "read", lambda: getattr(subject, member))
            elif any(getattr(each, "id", "") == "property" for each in overloads[0].decorator_list):
                self.check(entry, "read", lambda: getattr(subject, member))
                with_attribute_error(lambda: setattr(subject, member, 1), self, entry)
                with_attribute_error(lambda: delattr(subject, member), self, entry)
            else:
                self.function(entry, getattr(subject, member), parameters_of(overloads[0]))
        for text, call in (
                ("iteration", lambda: list(itertools.islice(subject, 100))),
                ("in", lambda: 1 in subject), ("not in", lambda: "\ud800" in subject),
                ("equality", lambda: subject == 1), ("order", lambda: subject < subject),
                ("hash", lambda: hash(subject)), ("size", lambda: sys.getsizeof(subject)),
                ("format", lambda: f"{subject}"), ("reversed", lambda: list(reversed(subject))),
                ("weakref", lambda: weakref.ref(subject)()), ("dir", lambda: dir(subject)),
                ("float", lambda: float(subject)), ("index", lambda: [1][subject]),
                ("sum", lambda: subject + subject), ("call", lambda: subject())):
            self.check(name, text, call)
        if name in PICKLED:
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                self.check(name, f"pickle of protocol {protocol}",
                           lambda: pickle.loads(pickle.dumps(subject, protocol)))
        for protocol in () if name in PICKLED | IN_PYTHON else range(pickle.HIGHEST_PROTOCOL + 1):
            self.refused(name, f"pickle.dumps of protocol {protocol}",
                         lambda: pickle.dumps(subject, protocol))
            self.refused(name, f"__reduce_ex__({protocol})", lambda: subject.__reduce_ex__(protocol))
        if name not in PICKLED | IN_PYTHON:
            self.refused(name, "__reduce_ex__ of a str", lambda: subject.__reduce_ex__("\ud800"))
            self.refused(name, "__reduce__", lambda: subject.__reduce__())
            self.refused(name, "copy.copy", lambda: copy.copy(subject))
            self.refused(name, "copy.deepcopy", lambda: copy.deepcopy([subject]))
        for other in self.subjects:
            if name in IN_PYTHON and other in IN_PYTHON or name == other and not IMMUTABLE:
                continue
            self.refused(name, f"__class__ = {other}",
                         lambda: setattr(subject, "__class__", getattr(multibuffer, other)))

    def one_class(self, name, cls, members):
        base = cls.__mro__[1]
        for text, call in (
                ("called", lambda: cls()), ("called with arguments", lambda: cls(1, a=2)),
                ("called with a surrogate", lambda: cls(**{"\ud800": 1})),
                ("__new__", lambda: cls.__new__(cls)), ("__new__ of int", lambda: cls.__new__(int)),
                ("__new__ of nothing", lambda: cls.__new__()),
                ("object.__new__", lambda: object.__new__(cls)),
                ("the base called", lambda: base()), ("the base's __new__", lambda: base.__new__(cls)),
                ("the base's __new__ of the base", lambda: base.__new__(base)),
                ("copyreg.__newobj__", lambda: copyreg.__newobj__(cls)),
                ("copyreg._reconstructor", lambda: copyreg._reconstructor(cls, object, None)),
                ("copyreg._reconstructor of the base", lambda: copyreg._reconstructor(cls, base, None)),
                ("a pickle", lambda: pickle.loads(
                    b"cmultibuffer\n" + name.encode() + b"\n)\x81.")),
                ("derived from", lambda: type("Derived", (cls,), {})),
                ("derived from with __new__", lambda: type("Derived", (cls,), {
                    "__new__": lambda kind: object.__new__(kind)})()),
                ("the base derived from", lambda: type("Derived", (base,), {})()),
                ("derived from with another", lambda: type("Derived", (cls, bytearray), {})()),
                ("its type called", lambda: type(cls)("Derived", (cls,), {})()),
                ("its bases set", lambda: setattr(cls, "__bases__", (int,)))):
            self.refused(name, text, call)
        for text, call in (
                ("an attribute set", lambda: setattr(cls, "shape", 1)),
                ("a method set", lambda: setattr(cls, "__getitem__", raising)),
                ("an attribute deleted", lambda: delattr(cls, next(iter(members))))):
            if IMMUTABLE:
                self.refused(name, text, call)
        strangers = [None, 1, object(), b"ab", cls, base] + [
            each for other, objects in self.subjects.items() if other != name for each in objects[:1]]
        for member in [*vars(cls), "__repr__", "__reduce__", "__reduce_ex__"]:
            value = getattr(cls, member)
            for stranger in strangers:
                if callable(value) and member not in ("__new__", "__init__", "__doc__"):
                    self.check(f"{name}.{member}", f"on {type(stranger).__name__}",
                               lambda: value(stranger))
                    self.check(f"{name}.{member}", f"on {type(stranger).__name__}, and more",
                               lambda: value(stranger, stranger))
                elif hasattr(value, "__get__") and hasattr(value, "__set__"):
                    self.check(f"{name}.{member}", f"of {type(stranger).__name__}",
                               lambda: value.__get__(stranger))
            # CPython 3.13.0 crashes by itself where one call has had objects and then has none:
            # list.sort does, too.
            if callable(value) and member != "__new__" and sys.version_info[:2] != (3, 13):
                self.check(f"{name}.{member}", "on nothing", lambda: value())


def with_attribute_error(call, walk, entry):
    try:
        call()
    except AttributeError:
        return
    walk.report(entry, "is no read-only property")


def ask_for_buffer(subject, flags):
    get = ctypes.pythonapi.PyObject_GetBuffer
    view = (ctypes.c_char * 256)()
    get(ctypes.py_object(subject), view, flags)  # raises what it raises
    ctypes.pythonapi.PyBuffer_Release(view)


def parameters_of(stub):
    """(name, kind): "any", "keyword", or "rest" for *names."""
    arguments = stub.args
    result = [(each.arg, "any") for each in arguments.args if each.arg != "self"]
    if arguments.vararg:
        result.append((arguments.vararg.arg, "rest"))
    return result + [(each.arg, "keyword") for each in arguments.kwonlyargs]


class EveryEntry(unittest.TestCase):
    def test_no_arguments_end_in_anything_but_a_result_or_a_documented_exception(self):
        with tempfile.NamedTemporaryFile() as log:
            process = subprocess.run([sys.executable, os.path.abspath(__file__), log.name],
                                     capture_output=True, text=True, errors="replace")
            last = log.read().decode(errors="replace").rstrip()
        self.assertEqual(process.returncode, 0,
                         f"{process.stdout}\n{process.stderr}\nthe last call was {last}")
        calls = int(process.stdout.split()[0])
        print(f"{calls} calls")
        self.assertGreater(calls, 20_000)


def main(log):
    faulthandler.enable()
    slower = float(os.environ.get("MULTIBUFFER_TEST_SLOWER", 1))
    faulthandler.dump_traceback_later(100 * slower, exit=True)
    sys.unraisablehook = lambda _: None  # of exporters whose release raises
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(400)  # deep enough, and soon reached
    walk = Walk(log)
    sys.path[:] = [os.path.abspath(each) for each in sys.path]
    with tempfile.TemporaryDirectory() as scratch:  # for what writes files under hostile names
        os.chdir(scratch)
        walk.every_entry()
        os.chdir(os.sep)
    print(walk.calls, "calls")
    print("\n".join(walk.bad))
    return 1 if walk.bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 and os.path.exists(sys.argv[1]) else
             unittest.main())
