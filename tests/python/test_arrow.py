"""multibuffer.open() of what hands over Arrow's C structs: pyarrow and polars, where they are, and a
producer made of ctypes here, which can say anything."""

import array
import ctypes
import gc
import json
import pickle
import random
import struct
import threading
import unittest

import multibuffer
from packages import numpy, polars, pyarrow
from support import needs, sampled

# ---- A producer

class ArrowSchema(ctypes.Structure):
    pass


class ArrowArray(ctypes.Structure):
    pass


class ArrowArrayStream(ctypes.Structure):
    pass


ArrowSchema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(ArrowSchema))),
    ("dictionary", ctypes.POINTER(ArrowSchema)), ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p)]
ArrowArray._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(ArrowArray))),
    ("dictionary", ctypes.POINTER(ArrowArray)), ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p)]
ArrowArrayStream._fields_ = [
    ("get_schema", ctypes.c_void_p), ("get_next", ctypes.c_void_p),
    ("get_last_error", ctypes.c_void_p), ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p)]

alive = {}  # what has been handed over, and is not released yet, by its number
faults = []  # releases of what was not alive


def _numbers():
    number = 0
    while True:
        number += 1
        yield number


numbers = _numbers()


def hand_over(struct_, keep):
    number = next(numbers)
    struct_.private_data = number
    alive[number] = keep


def _release(pointer):
    held = pointer.contents
    if alive.pop(held.private_data, None) is None:
        faults.append(held.private_data)
    held.release = None


def _function(result, *arguments):
    return ctypes.CFUNCTYPE(result, *map(ctypes.POINTER, arguments))


def _address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


# They live as long as the module: a release may drop all else that it has come from.
RELEASES = {kind: _function(None, kind)(_release)
            for kind in (ArrowSchema, ArrowArray, ArrowArrayStream)}
CHILDRENS = {kind: _function(None, kind)(lambda pointer: faults.append("a child was released"))
             for kind in (ArrowSchema, ArrowArray)}


@_function(ctypes.c_int, ArrowArrayStream, ArrowSchema)
def GET_SCHEMA(stream, out):
    return alive[stream.contents.private_data].get_schema(out)


@_function(ctypes.c_int, ArrowArrayStream, ArrowArray)
def GET_NEXT(stream, out):
    return alive[stream.contents.private_data].get_next(out)


@_function(ctypes.c_void_p, ArrowArrayStream)
def GET_LAST_ERROR(stream):
    return alive[stream.contents.private_data].get_last_error()


_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Field:
    """A type: lies about its fields are given by the fields' names."""

    def __init__(self, format, *children, name=b"x", **lies):
        self.format, self.children, self.name, self.lies = format, children, name, lies

    def fill(self, schema, keep, release=CHILDRENS[ArrowSchema]):
        schema.format, schema.name = self.format, self.name
        children = [ArrowSchema() for _ in self.children]
        for child, field in zip(children, self.children):
            field.fill(child, keep)
        schema.n_children = len(children)
        schema.children = (ctypes.POINTER(ArrowSchema) * len(children))(
            *map(ctypes.pointer, children))
        schema.release = _address(release)
        for name, lie in self.lies.items():
            setattr(schema, name, lie)
        keep += [schema.children, children, self.lies]

    def hand_over(self, out):
        keep = []
        self.fill(out, keep, RELEASES[ArrowSchema])
        hand_over(out, keep)


class Array:
    """Elements. buffers: each bytes, an address, or None."""

    def __init__(self, length, buffers, /, *children, offset=0, null_count=0, **lies):
        self.length, self.buffers, self.children = length, buffers, children
        self.offset, self.null_count, self.lies = offset, null_count, lies

    def fill(self, held, keep, release=CHILDRENS[ArrowArray]):
        held.length, held.offset, held.null_count = self.length, self.offset, self.null_count
        memory = [ctypes.create_string_buffer(buffer, len(buffer)) if isinstance(buffer, bytes)
                  else buffer for buffer in self.buffers]
        held.buffers = (ctypes.c_void_p * len(memory))(
            *(ctypes.addressof(each) if isinstance(each, ctypes.Array) else each
              for each in memory))
        held.n_buffers = len(memory)
        children = [ArrowArray() for _ in self.children]
        for child, elements in zip(children, self.children):
            elements.fill(child, keep)
        held.n_children = len(children)
        held.children = (ctypes.POINTER(ArrowArray) * len(children))(
            *map(ctypes.pointer, children))
        held.release = _address(release)
        for name, lie in self.lies.items():
            setattr(held, name, lie)
        keep += [memory, held.buffers, held.children, children, self.lies]

    def hand_over(self, out):
        keep = []
        self.fill(out, keep, RELEASES[ArrowArray])
        hand_over(out, keep)


class _State:
    """A stream that is being read."""

    def __init__(self, stream):
        self.stream = stream
        self.left = iter(stream.batches)
        self.words = None

    def get_schema(self, out):
        if self.stream.schema_error:
            self.words = ctypes.create_string_buffer(b"no schema today")
            return self.stream.schema_error
        if self.stream.field is not None:
            self.stream.field.hand_over(out.contents)
        return 0

    def get_next(self, out):
        batch = next(self.left, None)
        if isinstance(batch, str):
            self.words = ctypes.create_string_buffer(batch.encode()) if batch else None
            return 5
        if batch is None:
            out.contents.release = None
        else:
            batch.hand_over(out.contents)
        return 0

    def get_last_error(self):
        return ctypes.addressof(self.words) if self.words else None


class Stream:
    """An object with __arrow_c_stream__. batches: Arrays; a str is an error."""

    def __init__(self, field, batches, schema_error=0, **lies):
        self.field, self.batches, self.lies = field, batches, lies
        self.schema_error = schema_error

    def __arrow_c_stream__(self, requested_schema=None):
        stream = ArrowArrayStream()
        stream.get_schema, stream.get_next = _address(GET_SCHEMA), _address(GET_NEXT)
        stream.get_last_error = _address(GET_LAST_ERROR)
        stream.release = _address(RELEASES[ArrowArrayStream])
        for name, lie in self.lies.items():
            setattr(stream, name, lie)
        self.struct = stream  # which must live until it is moved
        if stream.release:
            hand_over(stream, _State(self))
        return _capsule(ctypes.addressof(stream), b"arrow_array_stream", None)


class Single:
    """An object with __arrow_c_array__."""

    def __init__(self, field, elements):
        self.field, self.elements = field, elements

    def __arrow_c_array__(self, requested_schema=None):
        self.schema, self.array = ArrowSchema(), ArrowArray()
        self.field.hand_over(self.schema)
        self.elements.hand_over(self.array)
        return (_capsule(ctypes.addressof(self.schema), b"arrow_schema", None),
                _capsule(ctypes.addressof(self.array), b"arrow_array", None))


def int32s(*values):
    return struct.pack(f"{len(values)}i", *values)


INT32 = Field(b"i")


class Case(unittest.TestCase):
    """All that has been handed over in a test is released at its end, once."""

    def tearDown(self):
        gc.collect()
        self.assertEqual(alive, {})
        self.assertEqual(faults, [])

    def refused(self, source, error, words):
        with self.assertRaisesRegex(error, words):
            multibuffer.open(source)


class Columns(Case):
    def test_batches_are_joined_where_they_lie(self):
        stream = Stream(INT32, [Array(2, [None, int32s(1, 2)]), Array(0, [None, None]),
                                Array(3, [None, int32s(9, 3, 4, 5)], offset=1)])
        dataset = multibuffer.open(stream)
        self.assertEqual(len(alive), 3)  # the batches, and neither the stream nor its schema
        self.assertEqual(dataset.shape, (5,))
        self.assertEqual(dataset[[4, 0, 2, -2]].tolist(), [5, 1, 3, 4])
        self.assertEqual(dataset.reference().tolist(), [1, 2, 3, 4, 5])
        self.assertEqual(dataset[1:4][::-1].copy().tolist(), [4, 3, 2])
        self.assertEqual(dataset.upload("host").tolist(), [1, 2, 3, 4, 5])

    def test_a_table_of_one_column(self):
        column = Array(4, [None, int32s(0, 1, 2, 3, 4)], offset=1)
        table = Stream(Field(b"+s", INT32), [Array(2, [None], column, offset=1)])
        self.assertEqual(multibuffer.open(table).copy().tolist(), [2, 3])

    def test_a_single_array(self):
        single = Single(Field(b"g"), Array(2, [None, struct.pack("2d", 0.5, -1)]))
        self.assertEqual(multibuffer.open(single).copy().tolist(), [0.5, -1])
        self.assertEqual(multibuffer.open([single, single]).copy().tolist(), [0.5, -1, 0.5, -1])

    def test_offsets_of_lists_at_every_level(self):
        # Rows 2 and 3 of lists of 2 lists of 3: elements (1 + 2) * 2 on, in lists, from 1 on; and
        # those times 3, from 2 on.
        field = Field(b"+s", Field(b"+w:2", Field(b"+w:3", INT32)))
        elements = Array(60, [None, int32s(*range(62))], offset=2)
        inner = Array(15, [None], elements, offset=1)
        outer = Array(5, [None], inner, offset=2)
        table = Array(2, [None], outer, offset=1)
        first = ((2 + 1) * 2 + 1) * 3 + 2
        dataset = multibuffer.open(Stream(field, [table]))
        self.assertEqual(dataset.shape, (2, 2, 3))
        self.assertEqual(dataset.copy().tolist(),
                         [[[first + 6 * i + 3 * j + k for k in range(3)] for j in range(2)]
                          for i in range(2)])

    def test_no_rows_have_their_type(self):
        for batches in [], [Array(0, [None, None])]:
            dataset = multibuffer.open(Stream(Field(b"+w:4", Field(b"e")),
                                              [Array(0, [None], each) for each in batches]))
            self.assertEqual((dataset.shape, str(dataset.dtype)), ((0, 4), "float16"))

    def test_types(self):
        for code, dtype, size in [
                (b"c", "int8", 1), (b"C", "uint8", 1), (b"s", "int16", 2), (b"S", "uint16", 2),
                (b"i", "int32", 4), (b"I", "uint32", 4), (b"l", "int64", 8), (b"L", "uint64", 8),
                (b"e", "float16", 2), (b"f", "float32", 4), (b"g", "float64", 8),
                (b"tdD", "int32", 4), (b"tdm", "datetime64[ms]", 8), (b"tts", "int32", 4),
                (b"ttm", "int32", 4), (b"ttu", "int64", 8), (b"ttn", "int64", 8),
                (b"tss:", "datetime64[s]", 8), (b"tsm:", "datetime64[ms]", 8),
                (b"tsu:Europe/Berlin", "datetime64[us]", 8), (b"tsn:", "datetime64[ns]", 8),
                (b"tDs", "timedelta64[s]", 8), (b"tDm", "timedelta64[ms]", 8),
                (b"tDu", "timedelta64[us]", 8), (b"tDn", "timedelta64[ns]", 8)]:
            dataset = multibuffer.open(Single(Field(code), Array(1, [None, bytes(size)])))
            self.assertEqual((str(dataset.dtype), dataset.itemsize), (dtype, size))
        dataset = multibuffer.open(Single(Field(b"w:3"), Array(2, [None, b"abcdef"])))
        self.assertEqual(bytes(dataset[[1, 0]]), b"defabc")

    def test_what_cannot_be_gathered_is_refused_with_the_way_out(self):
        for code, words in [
                (b"b", "bools.*cast them to uint8"), (b"n", "null"), (b"u", "strings"),
                (b"U", "strings"), (b"vu", "strings"), (b"z", "fixed-size binaries"),
                (b"Z", "fixed-size binaries"), (b"vz", "fixed-size binaries"),
                (b"d:19,10", "decimals"), (b"tiM", "intervals"), (b"+l", "fixed-size lists"),
                (b"+L", "fixed-size lists"), (b"+vl", "fixed-size lists"), (b"+m", "maps"),
                (b"+ud:0,1", "unions"), (b"+us:0", "unions"), (b"+r", "run-end"),
                (b"w:0", "no bytes"), (b"hello", "format 'hello', which is not known"),
                (b"", "format '', which is not known")]:
            for field in Field(code), Field(b"+s", Field(code)), Field(b"+w:2", Field(code)):
                self.refused(Stream(field, []), TypeError, words)
        self.refused(Stream(Field(b"+w:2", Field(b"+s", INT32)), []), TypeError, "structs")
        self.refused(Stream(Field(b"+s", Field(b"i", name=b"a"), Field(b"i", name=b"b")), []),
                     TypeError, r"2 columns \(a, b\).*table.select\(\['a'\]\)")
        values = ArrowSchema()
        self.refused(Stream(Field(b"i", dictionary=ctypes.pointer(values)), []), TypeError,
                     "dictionary")

    def test_tensors_have_their_shape(self):
        def metadata(*pairs):
            words = struct.pack("i", len(pairs) // 2)
            return words + b"".join(struct.pack("i", len(word)) + word for word in pairs)

        def tensors(shape, **more):
            described = json.dumps({"shape": shape, **more}).encode()
            words = metadata(b"a", b"b", b"ARROW:extension:name", b"arrow.fixed_shape_tensor",
                             b"ARROW:extension:metadata", described)
            memory = ctypes.create_string_buffer(words, len(words))
            field = Field(b"+w:6", INT32)
            field.lies = {"metadata": ctypes.cast(memory, ctypes.c_char_p)}
            field.memory = memory
            elements = Array(2, [None], Array(12, [None, int32s(*range(12))]))
            return multibuffer.open(Single(field, elements))

        self.assertEqual(tensors([2, 3]).copy().tolist(),
                         [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]])
        self.assertEqual(tensors([2, 3], permutation=[1, 0]).copy().tolist(),
                         [[[0, 3], [1, 4], [2, 5]], [[6, 9], [7, 10], [8, 11]]])
        for wrong in ({"shape": [2, 2]}, {"shape": [-2, -3]}, {"shape": [2, 3], "permutation": [0]},
                      {"shape": [2, 3], "permutation": [1, 1]},
                      {"shape": [2, 3], "permutation": [0, 2]}):
            with self.assertRaises(ValueError):
                tensors(**wrong)

    def test_a_dict_of_columns(self):
        datasets = multibuffer.open({"a": Single(INT32, Array(2, [None, int32s(1, 2)])),
                                     "b": Single(INT32, Array(2, [None, int32s(3, 4)]))})
        self.assertEqual({name: each.tolist() for name, each in datasets[[1, 0]].items()},
                         {"a": [2, 1], "b": [4, 3]})


class Uploads(Case):
    """What takes arrays takes a column where open() does."""

    def test_a_column_in_one_piece_stays_where_it_lies(self):
        field = Field(b"+w:2", INT32)
        single = Single(field, Array(2, [None], Array(4, [None, int32s(1, 2, 3, 4)])))
        for source in single, Stream(field, [Array(2, [None], Array(4, [None, int32s(1, 2, 3, 4)]))]):
            array = multibuffer.upload(source, device="host", placement="in_place")
            self.assertEqual(array.levels, 0)
            self.assertEqual(len(alive), 1)  # the array, which the upload holds
            self.assertEqual(array[:, ::-1].tolist(), [[2, 1], [4, 3]])
            self.assertEqual(multibuffer.reference(source).tolist(), [[1, 2], [3, 4]])
            del array
            gc.collect()
            self.assertEqual(alive, {})

    def test_batches_are_rows_of_one_array(self):
        stream = Stream(Field(b"+w:3", INT32), [
            Array(2, [None], Array(6, [None, int32s(*range(6))])),
            Array(1, [None], Array(3, [None, int32s(6, 7, 8)]))])
        array = multibuffer.upload(stream, device="host")
        self.assertEqual(alive, {})
        self.assertEqual(array.tolist(), [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
        self.assertTrue(multibuffer.verify(array, multibuffer.reference(stream)))
        numbers = Stream(INT32, [Array(2, [None, int32s(1, 2)]), Array(1, [None, int32s(3)])])
        self.assertEqual(multibuffer.upload(numbers, device="host").tolist(), [1, 2, 3])

    def test_lists_of_columns_have_an_axis_of_their_own(self):
        one, two = (Single(INT32, Array(2, [None, int32s(i, i + 1)])) for i in (1, 5))
        self.assertEqual(multibuffer.upload([one, two, one], device="host").tolist(),
                         [[1, 2], [5, 6], [1, 2]])
        self.assertEqual(multibuffer.stack([one, two]).copy().tolist(), [[1, 2], [5, 6]])
        self.assertEqual(multibuffer.gather_in_pieces(one, [1], device="host").tolist(), [2])

    def test_no_rows(self):
        self.assertEqual(multibuffer.upload(Stream(INT32, []), device="host").shape, (0,))

    def test_what_cannot_be_gathered_is_refused_in_the_same_words(self):
        for source, error, words in (
                (Stream(Field(b"+l", INT32), []), TypeError, r"multibuffer\.ragged\(\)"),
                (Single(INT32, Array(2, [b"\x01", int32s(1, 2)], null_count=1)), ValueError, "row 1"),
                (Stream(Field(b"u"), []), TypeError, "strings")):
            for call in multibuffer.upload, multibuffer.reference:
                with self.assertRaisesRegex(error, words):
                    call(source)

    def test_the_memory_is_not_written_to(self):
        single = Single(INT32, Array(2, [None, int32s(1, 2)]))
        with self.assertRaisesRegex(BufferError, "read-only"):
            multibuffer.upload(single, device="host").copy(out=single)


class Nulls(Case):
    def bits(self, zeros, count):
        bits = bytearray(b"\xff" * (count // 8 + 1))
        for zero in zeros:
            bits[zero // 8] &= ~(1 << zero % 8)
        return bytes(bits)

    def test_they_are_refused_with_their_place(self):
        for seed in sampled(300):
            choice = random.Random(seed)
            offset, rows, per_row = choice.randrange(70), choice.randrange(1, 300), \
                choice.randrange(1, 4)
            row = choice.randrange(rows)
            zero = offset + row * per_row + choice.randrange(per_row)
            count = offset + rows * per_row
            others = {choice.randrange(offset) for _ in range(2)} if offset else set()
            elements = Array(count - offset, [self.bits(others | {zero}, count), bytes(4 * count)],
                             offset=offset, null_count=choice.choice([-1, 1]))
            lists = Array(rows, [None], elements)
            good = Array(1, [None], Array(per_row, [None, bytes(12)]))
            self.refused(Stream(Field(b"+w:%d" % per_row, INT32), [good, lists]), ValueError,
                         f"batch 1 has a null in its row {row};")

    def test_nulls_outside_of_a_slice_are_no_nulls(self):
        column = Array(100, [self.bits([0, 10, 61, 99], 100), int32s(*range(100))], null_count=4)
        table = Array(50, [None], column, offset=11)
        self.assertEqual(multibuffer.open(Single(Field(b"+s", INT32), table)).copy().tolist(),
                         list(range(11, 61)))
        longer = Array(51, [None], column, offset=11)
        self.refused(Single(Field(b"+s", INT32), longer), ValueError, "null in its row 50;")

    def test_every_level_has_them(self):
        elements = Array(4, [None, bytes(16)])
        for null in (Array(2, [b"\x02"], elements, null_count=1),
                     Array(2, [None], Array(4, [b"\x0e", bytes(16)], null_count=-1))):
            self.refused(Single(Field(b"+w:2", INT32), null), ValueError, "null in its row 0;")
        column = Array(2, [None, bytes(8)])
        self.refused(Single(Field(b"+s", INT32), Array(2, [b"\x01"], column, null_count=1)),
                     ValueError, "null in its row 1;")

    def test_a_bitmap_without_zeros(self):
        array_ = Array(9, [b"\xff\xff", int32s(*range(9))], null_count=-1)
        self.assertEqual(multibuffer.open(Single(INT32, array_)).copy().tolist(), list(range(9)))


class Hostile(Case):
    def test_arrays_that_contradict_themselves(self):
        good = Array(4, [None, bytes(16)])
        most = 2**63 - 1
        plain = {
            "a negative length": Array(-1, [None, bytes(4)]),
            "a length or an offset": Array(1, [None, bytes(4)], offset=-1),
            "length or an offset that is negative or too large":
                Array(most, [None, bytes(4)], offset=1),
            "do not fit": Array(most, [None, bytes(4)]),
            "beyond all addresses": Array(2**61 - 1, [None, 2**64 - 4096]),
            "at no address": Array(1, [None, None]),
            "1 buffers where its type has 2": Array(1, [None]),
            "3 buffers": Array(1, [None, bytes(4), bytes(4)]),
            "has 2 buffers|0 buffers": Array(1, []),
            "-2 nulls": Array(1, [b"\1", bytes(4)], null_count=-2),
            "5 nulls": Array(4, [b"\1", bytes(16)], null_count=5),
            "2 nulls, in rows": Array(4, [None, bytes(16)], null_count=2),
            "1 nulls, in rows": Array(4, [b"\xff", bytes(16)], null_count=1),
            "dictionary": Array(4, [None, bytes(16)], dictionary=ctypes.pointer(ArrowArray())),
            "-1 buffers": Array(4, [None, bytes(16)], n_buffers=-1),
            r"2 buffers": Array(4, [None, bytes(16)],
                                buffers=ctypes.POINTER(ctypes.c_void_p)()),
        }
        for words, array_ in plain.items():
            self.refused(Single(INT32, array_), ValueError, words)
            self.refused(Stream(INT32, [good, array_, good]), ValueError, words)
        lists = {
            "4 elements where 0 \\+ 6 are needed": Array(3, [None], good),
            "4 elements where 4 \\+ 2 are needed": Array(1, [None], good, offset=2),
            "0 children": Array(1, [None]),
            "2 children": Array(1, [None], good, good),
            "has -1 children": Array(1, [None], good, n_children=-1),
            "1 children": Array(1, [None], good,
                                children=ctypes.POINTER(ctypes.POINTER(ArrowArray))()),
            "children where": Array(1, [None], good, children=(ctypes.POINTER(ArrowArray) * 1)()),
            "do not fit": Array(2**62, [None], good),
            "2 buffers where its type has 1": Array(1, [None, bytes(1)], good),
            "has been released": Array(1, [None], Array(2, [None, bytes(8)], release=None)),
        }
        for words, array_ in lists.items():
            self.refused(Single(Field(b"+w:2", INT32), array_), ValueError, words)
        self.refused(Single(Field(b"+s", INT32), Array(5, [None], good)), ValueError,
                     "4 elements where 0 \\+ 5")
        self.refused(Single(Field(b"+s", INT32), Array(2, [None], good, offset=3)), ValueError,
                     "4 elements where 3 \\+ 2")

    def test_lists_of_nothing(self):
        none = Single(Field(b"+w:0", INT32), Array(3, [None], Array(0, [None, None])))
        self.assertEqual(multibuffer.open(none).shape, (3, 0))
        many = Single(Field(b"+w:0", INT32), Array(2**62, [None], Array(0, [None, None])))
        try:
            multibuffer.open(many)
        except ValueError:
            pass

    def test_schemas_that_contradict_themselves(self):
        deep = INT32
        for _ in range(80):
            deep = Field(b"+w:1", deep)
        for words, field in [
                ("without a format", Field(None)),
                ("without columns", Field(b"+s")),
                ("without columns", Field(b"+s", INT32, n_children=-3)),
                ("1 children", Field(b"+s", INT32,
                                     children=ctypes.POINTER(ctypes.POINTER(ArrowSchema))())),
                ("1 children", Field(b"+s", INT32, children=(ctypes.POINTER(ArrowSchema) * 1)())),
                ("lists with 0 children", Field(b"+w:2")),
                ("lists with 2 children", Field(b"+w:2", INT32, INT32)),
                ("without a format", Field(b"+w:2", Field(None))),
                ("format '\\+w:'", Field(b"+w:", INT32)),
                ("format '\\+w:-1'", Field(b"+w:-1", INT32)),
                ("format '\\+w:2x'", Field(b"+w:2x", INT32)),
                ("format '\\+w:9{20}'", Field(b"+w:" + b"9" * 20, INT32)),
                ("format 'w:9{20}'", Field(b"w:" + b"9" * 20)),
                ("nested deeper", deep)]:
            self.refused(Stream(field, []), ValueError, words)

    def test_streams_that_break_off(self):
        good = Array(1, [None, bytes(4)])
        self.refused(Stream(INT32, [good, good, "the disk is on fire"]), OSError,
                     "at batch 2: the disk is on fire")
        self.refused(Stream(INT32, [""]), OSError, "at batch 0: Input/output error")
        self.refused(Stream(INT32, [good], schema_error=22), OSError,
                     "before its schema: no schema today")
        self.refused(Stream(INT32, ["\udcff".encode("utf8", "surrogatepass").decode("latin1")]),
                     OSError, "at batch 0")
        self.refused(Stream(None, []), ValueError, "without a schema")
        self.refused(Stream(INT32, [], get_next=None), ValueError, "without its functions")
        self.refused(Stream(INT32, ["x"], get_last_error=None), OSError, "Input/output error")
        self.refused(Stream(INT32, [], release=None), ValueError, "another consumer")

    def test_methods_that_return_something_else(self):
        def returns(thing, name):
            return type("Odd", (), {name: lambda self: thing})()

        for thing in None, 3, (), (None, None), (1, 2, 3), _capsule(8, b"else", None):
            for name in "__arrow_c_stream__", "__arrow_c_array__":
                with self.assertRaises((TypeError, ValueError)):
                    multibuffer.open(returns(thing, name))
        with self.assertRaises(ZeroDivisionError):
            multibuffer.open(type("Odd", (), {"__arrow_c_stream__": lambda self: 1 / 0})())

    def test_a_capsule_that_has_been_used(self):
        stream = Stream(INT32, [Array(1, [None, int32s(7)])])
        capsule = stream.__arrow_c_stream__()
        once = type("Once", (), {"__arrow_c_stream__": lambda self: capsule})()
        self.assertEqual(multibuffer.open(once).copy().tolist(), [7])
        self.refused(once, ValueError, "another consumer")

    def test_batches_of_another_type_are_refused(self):
        one = Single(INT32, Array(1, [None, bytes(4)]))
        other = Single(Field(b"l"), Array(1, [None, bytes(8)]))
        self.refused([one, other], ValueError, "part 1")
        lists = Single(Field(b"+w:2", INT32), Array(1, [None], Array(2, [None, bytes(8)])))
        self.refused([one, lists], ValueError, "part 1")

    def test_random_lies(self):
        choice = random.Random(7)
        odd = [-2**63, -1, 0, 1, 2, 3, 2**31, 2**62, 2**63 - 1]
        for _ in range(3000):
            lies = {name: choice.choice(odd) for name in ("offset", "length", "null_count",
                                                          "n_buffers", "n_children")
                    if choice.random() < 0.3}
            inner = {name: choice.choice(odd) for name in ("offset", "length", "null_count",
                                                           "n_buffers", "n_children")
                     if choice.random() < 0.2}
            # Bits are looked at, since their size is not told: no null_count, where there are any.
            elements = Array(8, [None, bytes(32)], **inner)
            try:
                multibuffer.open(Single(Field(b"+w:2", INT32), Array(4, [None], elements, **lies)))
            except (ValueError, OverflowError):
                pass


class Lifetimes(Case):
    def open(self):
        return multibuffer.open(Stream(INT32, [Array(2, [None, int32s(1, 2)])] * 5))

    def test_views_keep_the_memory(self):
        dataset = self.open()
        view = dataset[3:]
        del dataset
        gc.collect()
        self.assertEqual(view.copy().tolist(), [2, 1, 2, 1, 2, 1, 2])
        self.assertEqual(len(alive), 5)
        del view
        self.assertEqual(alive, {})

    def test_cycles_are_collected(self):
        stream = Stream(INT32, [Array(2, [None, int32s(1, 2)])])
        stream.dataset = multibuffer.open(stream)  # which has the stream, to be pickled
        del stream
        gc.collect()
        self.assertEqual(alive, {})

    def test_results_do_not(self):
        result = self.open()[[0, 1]]
        self.assertEqual(alive, {})
        self.assertEqual(result.tolist(), [1, 2])

    def test_another_thread_lets_go(self):
        held = [self.open()]
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        self.assertEqual(alive, {})

    def test_an_exception_under_way_stays(self):
        def fail():
            dataset = self.open()
            raise KeyError(dataset.shape)
        with self.assertRaises(KeyError):
            fail()

    def test_many_threads_read(self):
        dataset = self.open()
        wrong = []

        def read():
            for _ in range(100):
                if dataset[[9, 0, 4]].tolist() != [2, 1, 1]:
                    wrong.append(1)
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Random(Case):
    def test_columns_of_our_own(self):
        """Random batches, offsets and lists, against what they were made of."""
        for seed in sampled(150):
            choice = random.Random(seed)
            lists = [choice.randrange(1, 4) for _ in range(choice.randrange(3))]
            field = INT32
            for length in reversed(lists):
                field = Field(b"+w:%d" % length, field)
            in_table = choice.random() < 0.5
            expected, batches = [], []
            for _ in range(choice.randrange(1, 20)):
                rows = choice.randrange(8)
                offsets = [choice.randrange(4) for _ in range(len(lists) + 2)]
                # What is asked for of each array, from the outside.
                begin, count = (offsets[0] if in_table else 0), rows
                needs_ = []
                for length, offset in zip(lists, offsets[1:]):
                    needs_.append((offset, begin + count))
                    begin, count = (begin + offset) * length, count * length
                begin_of_all = begin + offsets[-1]
                values = [choice.randrange(-1000, 1000) for _ in range(begin_of_all + count)]
                expected += values[begin_of_all:]
                elements = Array(begin + count, [None, int32s(*values) or b"\0"],
                                 offset=offsets[-1])
                for offset, length in reversed(needs_):
                    elements = Array(length, [None], elements, offset=offset)
                batches.append(Array(rows, [None], elements, offset=offsets[0])
                               if in_table else elements)
            dataset = multibuffer.open(Stream(Field(b"+s", field) if in_table else field, batches))
            per_row = 1
            for length in lists:
                per_row *= length
            rows = len(expected) // per_row
            self.assertEqual(dataset.shape, (rows, *lists))
            self.assertEqual(bytes(dataset.copy()), array.array("i", expected).tobytes())
            self.assertEqual(bytes(dataset.reference()), array.array("i", expected).tobytes())
            for _ in range(20 if rows else 0):
                at = [choice.randrange(-rows, rows) for _ in range(choice.randrange(1, 10))]
                taken = [value for i in at
                         for value in expected[i % rows * per_row:(i % rows + 1) * per_row]]
                self.assertEqual(bytes(dataset.take(at)), array.array("i", taken).tobytes())


@needs(pyarrow, "pyarrow")
@needs(numpy, "numpy")
class Pyarrow(Case):
    TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16",
             "float32", "float64")

    def test_random_tables(self):
        for seed in sampled(60):
            choice = numpy.random.default_rng(seed)
            name = str(choice.choice(self.TYPES))
            lists = [int(n) for n in choice.integers(1, 5, choice.integers(0, 3))]
            chunks, expected = [], []
            for _ in range(int(choice.integers(1, 201))):
                rows, before, behind = (int(n) for n in choice.integers(0, [30, 4, 4]))
                size = (rows + before + behind, *lists)
                values = choice.integers(0, 255, (*size, numpy.dtype(name).itemsize), "u1")
                values = values.view(name).reshape(size)
                if name.startswith("float"):
                    values = numpy.nan_to_num(values)
                chunk = pyarrow.array(values.reshape(-1))
                for length in reversed(lists):
                    chunk = pyarrow.FixedSizeListArray.from_arrays(chunk, length)
                chunks.append(chunk.slice(before, rows))
                expected.append(values[before:before + rows])
            expected = numpy.concatenate(expected)
            column = pyarrow.chunked_array(chunks)
            table = pyarrow.table({"x": column})
            part = slice(*sorted(int(n) for n in choice.integers(0, len(expected) + 1, 2)))
            sliced = table.slice(part.start, part.stop - part.start)
            for source, values in ((column, expected), (table, expected),
                                   (sliced, expected[part]),
                                   (table.to_batches()[0] if table.num_rows else table,
                                    expected[:len(table.to_batches()[0])]
                                    if table.num_rows else expected),
                                   (sliced.combine_chunks(), expected[part])):
                dataset = multibuffer.open(source)
                self.assertEqual(dataset.shape, values.shape)
                self.assertEqual(numpy.asarray(dataset).tobytes(), values.tobytes())
                for _ in range(10 if len(values) else 0):
                    at = choice.integers(0, len(values), choice.integers(1, 50))
                    found = dataset.take(at)
                    self.assertEqual(bytes(found), values[at].tobytes())
                    out = numpy.empty(values[at].shape, values.dtype)
                    dataset.take(at, out=out)
                    self.assertEqual(out.tobytes(), values[at].tobytes())
            # pyarrow 26 takes wrong rows of one chunk that is a slice of lists of lists.
            if len(expected) and len(lists) < 2:
                at = choice.integers(0, len(expected), 20)
                taken = table.take(pyarrow.array(at))["x"].combine_chunks()
                for _ in lists:
                    taken = taken.flatten()
                self.assertEqual(bytes(multibuffer.open(table).take(at)),
                                 taken.to_numpy(zero_copy_only=False).tobytes())

    def test_times(self):
        for type_ in (pyarrow.timestamp("us", "UTC"), pyarrow.duration("ns"), pyarrow.date64(),
                      pyarrow.time64("us")):
            values = pyarrow.array([1, 2**40, 3], pyarrow.int64())
            read = multibuffer.open(values.view(type_))
            self.assertEqual(read.copy(dtype="int64").tolist(), [1, 2**40, 3])
            if not pyarrow.types.is_time(type_):
                self.assertEqual(numpy.asarray(read).dtype,
                                 values.view(type_).to_numpy(zero_copy_only=False).dtype)

    def test_tensors(self):
        storage = pyarrow.array([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]],
                                pyarrow.list_(pyarrow.int32(), 6))
        for permutation in None, [0, 1], [1, 0]:
            type_ = pyarrow.fixed_shape_tensor(pyarrow.int32(), [2, 3], permutation=permutation)
            tensors = pyarrow.ExtensionArray.from_storage(type_, storage)
            dataset = multibuffer.open(pyarrow.table({"x": tensors}))
            self.assertEqual(dataset.copy().tolist(), tensors.to_numpy_ndarray().tolist())

    def test_nulls(self):
        column = pyarrow.chunked_array([[1, 2], [3, None, 5]])
        self.refused(column, ValueError, "batch 1 has a null in its row 1;")
        self.assertEqual(multibuffer.open(column.slice(0, 3)).copy().tolist(), [1, 2, 3])
        self.assertEqual(multibuffer.open(column.slice(4)).copy().tolist(), [5])
        self.assertEqual(multibuffer.open(column.fill_null(0)).copy().tolist(), [1, 2, 3, 0, 5])
        self.assertEqual(multibuffer.open(column.drop_null()).copy().tolist(), [1, 2, 3, 5])

    def test_the_way_out(self):
        bools = pyarrow.array([True, False])
        self.refused(bools, TypeError, "uint8")
        self.assertEqual(multibuffer.open(bools.cast("uint8")).copy().tolist(), [1, 0])
        table = pyarrow.table({"a": [1, 2], "b": [3, 4]})
        self.refused(table, TypeError, "table.select")
        self.assertEqual(multibuffer.open(table.select(["a"])).copy().tolist(), [1, 2])
        self.assertEqual(multibuffer.open(table["b"]).copy().tolist(), [3, 4])
        words = pyarrow.array([1, 2, 1]).dictionary_encode()
        self.refused(words, TypeError, "dictionary_decode")
        self.assertEqual(multibuffer.open(words.dictionary_decode()).copy().tolist(), [1, 2, 1])
        lists = pyarrow.array([[1, 2], [3, 4]])
        self.refused(lists, TypeError, "fixed-size lists")
        fixed = lists.cast(pyarrow.list_(pyarrow.int64(), 2))
        self.assertEqual(multibuffer.open(fixed).copy().tolist(), [[1, 2], [3, 4]])

    def test_upload_reads_what_open_does(self):
        fixed = pyarrow.array([[1, 2], [3, 4]], pyarrow.list_(pyarrow.int16(), 2))
        table = pyarrow.table({"x": pyarrow.chunked_array([fixed, fixed.slice(1)])})
        when = pyarrow.array([1, 2, 3], pyarrow.timestamp("ms"))
        for source in (fixed, fixed.slice(1), table, table["x"], table.slice(1, 2)["x"], when,
                       pyarrow.array([0.5, 1.5]), pyarrow.chunked_array([[1, 2], [3]])):
            expected = multibuffer.open(source).copy()
            array = multibuffer.upload(source, device="host")
            self.assertEqual((array.shape, array.dtype), (expected.shape, expected.dtype))
            self.assertTrue(multibuffer.verify(array, expected))
            self.assertTrue(multibuffer.verify(multibuffer.reference(source), expected))
        both = multibuffer.upload([fixed, fixed[::-1]], device="host")
        self.assertEqual(both.tolist(), [[[1, 2], [3, 4]], [[3, 4], [1, 2]]])
        for source, error, words in (
                (pyarrow.array([[1], [2, 3]]), TypeError, r"multibuffer\.ragged\(\)"),
                (pyarrow.array([1, None]), ValueError, "a null in its row 1"),
                (pyarrow.array(["a"]), TypeError, "strings"),
                (pyarrow.table({"a": [1], "b": [2]}), TypeError, "table.select")):
            with self.assertRaisesRegex(error, words):
                multibuffer.upload(source, device="host")
        array = multibuffer.upload(fixed, device="host", placement="in_place")
        del fixed, table, source, both
        gc.collect()
        self.assertEqual(array.tolist(), [[1, 2], [3, 4]])

    def test_a_stream_of_python_objects(self):
        def batches():
            for i in range(3):
                yield pyarrow.record_batch({"x": [i, i + 1]})
        schema = pyarrow.schema({"x": pyarrow.int64()})
        reader = pyarrow.RecordBatchReader.from_batches(schema, batches())
        self.assertEqual(multibuffer.open(reader).copy().tolist(), [0, 1, 1, 2, 2, 3])

        def fails():
            yield pyarrow.record_batch({"x": [1]})
            raise RuntimeError("no more of this")
        reader = pyarrow.RecordBatchReader.from_batches(schema, fails())
        self.refused(reader, OSError, "no more of this")

    def test_pickles_carry_the_columns(self):
        table = pyarrow.table({"x": pyarrow.chunked_array([[1, 2], [3, 4, 5]])})
        for source in table, [table, table.slice(3)], table["x"]:
            dataset = multibuffer.open(source)
            for each in dataset, dataset[1:][::-2], dataset.on("host")[2:]:
                again = pickle.loads(pickle.dumps(each))
                self.assertEqual(again.copy().tolist(), each.copy().tolist())
                once_more = pickle.loads(pickle.dumps(again))
                self.assertEqual(once_more[[0]].tolist(), each[[0]].tolist())
        datasets = multibuffer.open({"a": table, "b": table["x"]})
        again = pickle.loads(pickle.dumps(datasets))
        self.assertEqual(again[[4]]["b"].tolist(), [5])
        make, (objects, view, device) = dataset.__reduce__()
        for damaged in (view[:-1], b"", multibuffer.open(pyarrow.array(range(99)))
                        .__reduce__()[1][1]):
            with self.assertRaises(ValueError):
                make(objects, damaged, device)

    def test_memory_of_numpy_goes_when_it_may(self):
        values = numpy.arange(1000)
        dataset = multibuffer.open(pyarrow.array(values))
        self.assertEqual(dataset.upload("host").tolist(), values.tolist())
        view = dataset[5:]
        values += 1  # the same memory
        del dataset
        self.assertEqual(view[[0]].tolist(), [6])


@needs(polars, "polars")
@needs(numpy, "numpy")
class Polars(Case):
    def test_series_and_frames(self):
        series = polars.Series("x", [1, 2, 3], dtype=polars.Int16)
        appended = series.append(polars.Series("x", [4], dtype=polars.Int16))
        for source in appended, polars.DataFrame({"x": appended}):
            self.assertEqual(multibuffer.open(source).copy().tolist(), [1, 2, 3, 4])
        lists = polars.Series("x", [[1.5, 2], [3, 4]], dtype=polars.Array(polars.Float32, 2))
        dataset = multibuffer.open(lists)
        self.assertEqual((str(dataset.dtype), dataset.copy().tolist()),
                         ("float32", [[1.5, 2], [3, 4]]))
        self.refused(polars.Series([1, None]), ValueError, "a null in its row 1")
        self.refused(polars.Series(["a"]), TypeError, "strings")
        self.refused(polars.DataFrame({"a": [1], "b": [2]}), TypeError, "2 columns")

    def test_random_slices(self):
        choice = numpy.random.default_rng(3)
        for _ in range(50):
            values = choice.integers(-100, 100, choice.integers(1, 200))
            parts = numpy.array_split(values, 5)
            series = polars.concat([polars.Series("x", part) for part in parts], rechunk=False)
            begin, length = choice.integers(0, len(values), 2)
            part = series.slice(int(begin), int(length))
            dataset = multibuffer.open(part)
            self.assertEqual(dataset.copy().tolist(), values[begin:begin + length].tolist())


if __name__ == "__main__":
    unittest.main()
