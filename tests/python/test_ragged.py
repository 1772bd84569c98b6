"""Rows of unequal length: their views, what is selected, packed and padded, and who keeps them."""

import array
import ctypes
import gc
import random
import struct
import subprocess
import sys
import threading
import unittest
import weakref

import multibuffer
from packages import numpy
from ragged_rows import ON_HOST, ROWS, Case, ints, lists_of, ragged
from support import exporter, needs, require_device


def setUpModule():
    require_device()


class Rows(Case):
    def setUp(self):
        self.array = ragged(ints(*ROWS))

    def test_views(self):
        row = self.array[2]
        self.assertEqual((type(row), row.shape, row.tolist()),
                         (multibuffer.DeviceArray, (3,), [3, 4, 5]))
        self.assertEqual(self.array[-4][::-1].tolist(), [2, 1])
        for key in (slice(None), slice(1, 3), slice(None, None, -2), slice(3, 0, -1), slice(2, 2), ...):
            view = self.array[key]
            self.assertIs(type(view), multibuffer.RaggedArray)
            self.assertEqual(view.tolist(), ROWS[key] if key is not ... else ROWS)
            self.assertEqual(view.lengths.tolist(), [len(row) for row in view.tolist()])
        self.assertEqual(self.array[::-1][1:][0].tolist(), [3, 4, 5])
        self.assertEqual([row.tolist() for row in self.array], ROWS)
        reference = multibuffer.ragged_reference(ints(*ROWS))
        for rows in self.array, reference:
            for element in 5, 5.0, True:
                self.assertIn(element, rows)
            for element in 7, 5.5, "a", None:
                self.assertNotIn(element, rows)

    def test_index_arrays_and_masks(self):
        for key, rows in (([2, 0, 2], [2, 0, 2]), ([-1], [3]), ([], []), (range(3), [0, 1, 2]),
                          (array.array("b", [3, 1]), [3, 1]),
                          ([True, False, False, True], [0, 3])):
            with self.subTest(key):
                expected = [ROWS[row] for row in rows]
                self.assertIs(type(self.array[key]), multibuffer.Packed)
                self.assertEqual(lists_of(self.array[key]), expected)
                self.assertEqual(self.array.take(key).tolist(), expected)
                self.assertEqual(lists_of(self.array.pack(key)), expected)
                self.assertEqual(self.array.pad(key, length=3, fill=-1).tolist(),
                                 [row + [-1] * (3 - len(row)) for row in expected])

    def test_modes(self):
        self.assertEqual(self.array.take([-1, 9, 1], mode="clip").tolist(), [[1, 2], [6], []])
        self.assertEqual(lists_of(self.array.pack([-1, 9, 1], mode="clip")), [[1, 2], [6], []])
        self.assertEqual(lists_of(self.array.pack([-1, 6, 4], mode="wrap")), [[6], [3, 4, 5], [1, 2]])
        for call in (self.array.take, self.array.pad, self.array.__getitem__, self.array.plan_pack):
            self.refused(IndexError, "4", call, [0, 4])
        self.refused(IndexError, "", self.array.__getitem__, -5)
        self.refused(IndexError, "", self.array[:0].take, [0], mode="clip")

    def test_taken_rows_share_their_memory(self):
        taken = self.array.take([2, 0, 2])
        self.assertEqual((type(taken), taken.shape), (multibuffer.RaggedArray, (3, None)))
        self.assertEqual(taken[::-1].take([0]).pad().tolist(), [[3, 4, 5]])
        self.assertEqual(taken.placement, self.array.placement)
        if ON_HOST:
            rows = ints([1], [2, 3])
            taken = multibuffer.ragged(rows, device="host").take([1])
            rows[1][0] = 9
            self.assertEqual(taken.tolist(), [[9, 3]])
        with multibuffer.access(None, taken):
            pass

    def test_keys_that_are_none(self):
        for key in ((0, 1), None, ([0], [1]), [[0, 1], [2, 3]], 1.5, "ab", True, (slice(None), 0),
                    [True, False], [0.5], ([0], None), {}):
            with self.subTest(key):
                with self.assertRaises((IndexError, TypeError, ValueError)):
                    self.array[key]
        self.refused(IndexError, "one axis", self.array.pack, 3)
        self.refused(IndexError, "one axis", self.array.pack, [[1]])
        self.refused(TypeError, "not None", self.array.take, None)

    @needs(numpy, "numpy")
    def test_what_is_said_of_such_keys(self):
        for key in (slice(None), 0), (0, 0), (..., 0, 0), (None, 0), ([0, 1], 0):
            self.refused(IndexError, "indexed by its rows alone", self.array.__getitem__, key)
        self.assertEqual(self.array[0, ...].tolist(), [1, 2])
        self.refused(IndexError, "mask with a bool for every row", self.array.__getitem__, True)
        reference = multibuffer.ragged_reference(ints(*ROWS))
        for key in (slice(None), 0), (0, 0), True:
            self.refused(IndexError, "rows by integers", reference.__getitem__, key)

    def test_a_row_shares_its_memory(self):
        if ON_HOST:
            rows = [numpy.arange(3), numpy.arange(5)]
            row = numpy.asarray(multibuffer.ragged(rows, device="host")[1])
            self.assertTrue(numpy.shares_memory(row, rows[1]))
        self.refused(BufferError, "no NumPy array", numpy.asarray, self.array)


class Packs(Case):
    def setUp(self):
        self.array = ragged(ints(*ROWS))

    def test_offsets(self):
        self.assertEqual(self.array.pack().offsets.tolist(), [0, 2, 2, 5, 6])
        self.assertEqual(self.array.pack().offsets.dtype, "int64")
        self.assertEqual(self.array.pack(offsets_dtype="int32").offsets.dtype, "int32")
        self.refused(ValueError, "int64 and int32", self.array.pack, offsets_dtype="int16")
        self.refused(TypeError, "", self.array.pack, offsets_dtype="words")

    def test_conversions(self):
        self.assertEqual(self.array.pack(dtype="f4").values.tolist(), [1, 2, 3, 4, 5, 6])
        wide = ragged(ints([300], [-1, 7]))
        self.assertEqual(wide.pack(dtype="u1").values.tolist(), [44, 255, 7])
        self.assertEqual(wide.pack(dtype="u1", saturate=True).values.tolist(), [255, 0, 7])
        self.assertEqual(wide.pad(dtype="u1", saturate=True).tolist(), [[255, 0], [0, 7]])

    def test_out(self):
        out = array.array("i", [0] * 6)
        packed = self.array.pack(out=out)
        self.assertIs(packed.values, out)
        self.assertEqual(out.tolist(), [1, 2, 3, 4, 5, 6])
        halves = array.array("f", [0] * 4)
        self.array.pack([2, 3], dtype="f4", out=halves)
        self.assertEqual(halves.tolist(), [3, 4, 5, 6])
        self.refused(ValueError, r"out has shape \(4,\), the result \(6,\)", self.array.pack,
                     out=array.array("i", [0] * 4))
        self.refused(ValueError, "out has format", self.array.pack, out=halves, rows=[2, 3])
        self.refused(BufferError, "read-only|writable", self.array.pack, out=bytes(24),
                     dtype="u1", rows=[])
        padded = memoryview(bytearray(8)).cast("B", (2, 4))
        self.assertIs(self.array.pad([2, 3], length=4, dtype="u1", fill=9, out=padded), padded)
        self.assertEqual(padded.tolist(), [[3, 4, 5, 9], [6, 9, 9, 9]])

    @unittest.skipUnless(ON_HOST, "rows are copied")
    def test_out_over_what_is_read(self):
        memory = array.array("i", [1, 2, 3, 4, 5, 6])
        here = ragged(memory, lengths=[2, 4])
        self.refused(ValueError, "overlaps", here.pack, out=memory)
        self.refused(ValueError, "overlaps", here.plan_pack, [0], out=memoryview(memory)[1:3])

    def test_room_for_items(self):
        self.assertEqual(self.array.pack(items=6).values.shape, (6,))
        self.refused(ValueError, "6 items, and there is room for 5", self.array.pack, items=5)
        self.refused(ValueError, "items is -1", self.array.pack, items=-1)

    def test_the_result_is_a_tuple_with_names(self):
        packed = self.array.pack()
        self.assertEqual(len(packed), 2)
        values, offsets = packed
        self.assertIs(values, packed.values)
        self.assertIs(offsets, packed.offsets)
        self.assertIn("values=DeviceBuffer(shape=(6,)", repr(packed))


class Pads(Case):
    def setUp(self):
        self.array = ragged(ints(*ROWS))

    def test_sides_and_lengths(self):
        self.assertEqual(self.array.pad().tolist(), [[1, 2, 0], [0, 0, 0], [3, 4, 5], [6, 0, 0]])
        self.assertEqual(self.array.pad(side="left", fill=7).tolist(),
                         [[7, 1, 2], [7, 7, 7], [3, 4, 5], [7, 7, 6]])
        self.assertEqual(self.array.pad([0, 3]).tolist(), [[1, 2], [6, 0]])
        self.assertEqual(self.array.pad([1]).shape, (1, 0))
        self.assertEqual(self.array.pad([]).shape, (0, 0))
        self.assertEqual(self.array.pad(length=5).shape, (4, 5))
        self.refused(ValueError, "length is -1", self.array.pad, length=-1)
        self.refused(ValueError, "side 'up'", self.array.pad, side="up")
        self.refused(TypeError, "side", self.array.pad, side=1)

    def test_truncation(self):
        self.refused(ValueError, "row 2 has 3 items, and the padded length is 2", self.array.pad,
                     length=2)
        for truncate, kept in ((True, [3, 4]), ("right", [3, 4]), ("left", [4, 5])):
            self.assertEqual(self.array.pad(length=2, truncate=truncate).tolist(),
                             [[1, 2], [0, 0], kept, [6, 0]])
        self.assertEqual(self.array.pad(length=2, truncate="left", side="left").tolist()[3], [0, 6])
        self.assertEqual(self.array.pad(length=0, truncate=True).shape, (4, 0))
        self.refused(ValueError, "truncate 'up'", self.array.pad, truncate="up")
        self.refused(TypeError, "truncate is a bool", self.array.pad, truncate=1)

    def fill_of(self, fill, dtype=None, rows=ROWS):
        return ragged(ints(*rows)).pad(fill=fill, dtype=dtype, length=4).tolist()[0][3]

    def test_fill_is_an_element_of_the_result(self):
        self.assertEqual(self.fill_of(-1), -1)
        self.assertEqual(self.fill_of(0.1, "f4"), struct.unpack("f", struct.pack("f", 0.1))[0])
        self.assertEqual(self.fill_of(float("inf"), "f8"), float("inf"))
        self.assertNotEqual(self.fill_of(float("nan"), "f2"), self.fill_of(float("nan"), "f2"))
        self.assertEqual(self.fill_of(2**64 - 1, "u8"), 2**64 - 1)
        self.assertEqual(self.fill_of(True), 1)
        self.assertEqual(self.fill_of(True, "bool"), True)
        self.assertEqual(self.fill_of(2.0), 2)
        self.assertEqual(self.fill_of(1 + 2j, "c8"), 1 + 2j)
        self.assertEqual(self.fill_of(b"\1\0\0\0"), 1)
        self.assertEqual(self.fill_of(258, ">i2"), 258)
        self.assertEqual(self.fill_of(1, "bfloat16"), 1)
        for fill, dtype in ((1.5, None), (300, "u1"), (-1, "u1"), (2, "bool"), (float("nan"), "i8"),
                            (2**64, "u8"), (-2**70, "i8")):
            with self.subTest(fill):
                self.refused(ValueError, "fill", self.fill_of, fill, dtype)
        for fill, dtype in ((-1e9, "f2"), (1e39, "f4"), (10**6, "f2"), (1e39j, "c8"),
                            (1e6, "float8_e4m3fn"), (1e39, "bfloat16")):
            with self.subTest(fill):
                self.refused(ValueError, "beyond the numbers of", self.fill_of, fill, dtype)
        self.assertEqual(self.fill_of(-65504.0, "f2"), -65504)
        self.assertEqual(self.fill_of(1e-30, "f2"), 0)
        self.assertEqual(self.fill_of(float("-inf"), "f2"), float("-inf"))
        self.refused(ValueError, "fill has 2 bytes, and an element of 'i' has 4", self.fill_of, b"ab")
        for fill in (None, "a", [], object()):
            self.refused(TypeError, "fill is a number", self.fill_of, fill)
        self.refused(ValueError, "one element", self.fill_of, array.array("i", [1]))

    @needs(numpy, "numpy")
    def test_fill_by_scalars_of_numpy(self):
        self.assertEqual(self.fill_of(numpy.int16(-3)), -3)
        self.assertEqual(self.fill_of(numpy.float32(0.5), "f8"), 0.5)
        self.assertEqual(self.fill_of(numpy.array(5, ">i8")), 5)
        self.refused(ValueError, "fill", self.fill_of, numpy.int64(2**40))

    def test_fill_of_structs_is_bytes(self):
        memory = ctypes.create_string_buffer(struct.pack("<ihh", 1, 2, 3), 8)
        row = exporter(ctypes.addressof(memory), (1,), (8,), format="T{<i:a:<(2)h:b:}", itemsize=8,
                       keep=memory)
        result = ragged([row, row])
        self.assertEqual(result.pad(length=2).tolist()[0], [(1, [2, 3]), (0, [0, 0])])
        self.assertEqual(result.pad(length=2, fill=struct.pack("<ihh", 7, 8, 9)).tolist()[1][1],
                         (7, [8, 9]))
        self.refused(TypeError, "", result.pad, fill=1)


class Plans(Case):
    def test_runs_write_the_same_memory(self):
        rows = ints(*ROWS)
        source = ragged(rows)
        pack, pad = source.plan_pack([2, 0], offsets_dtype="int32"), source.plan_pad(fill=-1)
        self.assertEqual(lists_of(pack.run()), [[3, 4, 5], [1, 2]])
        self.assertEqual(pad.run().tolist(), [[1, 2, -1], [-1, -1, -1], [3, 4, 5], [6, -1, -1]])
        if ON_HOST:
            rows[2][1] = 40
            self.assertEqual(lists_of(pack.run())[0], [3, 40, 5])
            self.assertEqual(lists_of(pack.result)[0], [3, 40, 5])
            self.assertEqual(pad.result.tolist()[2], [3, 4, 5])
            self.assertEqual(pad.run().tolist()[2], [3, 40, 5])
        self.assertIn("PackPlan(shape=(5,)", repr(pack))
        self.assertIn("PadPlan(shape=(4, 3)", repr(pad))

    @unittest.skipUnless(ON_HOST, "a plan on a GPU writes there")
    def test_outputs(self):
        out = array.array("i", [0] * 6)
        plan = ragged(ints(*ROWS)).plan_pack(out=out)
        self.assertEqual(out.tolist(), [0] * 6)
        plan.run()
        self.assertEqual(out.tolist(), [1, 2, 3, 4, 5, 6])

    def test_the_array_may_go(self):
        plan = ragged([array.array("i", [1, 2]), array.array("i", [3])]).plan_pad()
        gc.collect()
        self.assertEqual(plan.run().tolist(), [[1, 2], [3, 0]])


class References(Case):
    def test_equal_and_unequal(self):
        rows = ints(*ROWS)
        result, expected = ragged(rows), multibuffer.ragged_reference(rows)
        self.assertEqual((expected.shape, expected.tolist(), len(expected)), ((4, None), ROWS, 4))
        self.assertEqual(expected[2].tolist(), [3, 4, 5])
        self.assertEqual([row.tolist() for row in expected], ROWS)
        self.assertTrue(multibuffer.verify(result, expected))
        self.assertTrue(multibuffer.verify(result.pack([3, 0]), expected.pack([3, 0])))
        self.assertTrue(multibuffer.verify(result.pack(offsets_dtype="int32"), expected))
        self.assertTrue(multibuffer.verify(result.pad(fill=3), expected.pad(fill=3)))
        other = multibuffer.ragged_reference(ints([1, 2], [], [3, 4], [5, 6]))
        wrong = multibuffer.verify(result, other)
        self.assertFalse(wrong)
        self.assertEqual((wrong.elements, wrong.mismatches, wrong.first), (4, 2, (2,)))
        self.assertEqual((wrong.actual, wrong.expected), ("3 items", "2 items"))
        self.assertEqual(repr(wrong), "Comparison(row 2 has 3 items, expected 2 items; 2 of 4 rows "
                                      "differ in length)")
        self.refused(ValueError, "^4 rows, expected 3$", multibuffer.verify, result, expected.pack([0, 1, 2]))
        moved = multibuffer.Packed((bytes(3), array.array("q", [1, 3])))
        wrong = multibuffer.verify(moved, multibuffer.Packed((bytes(3), array.array("q", [0, 2]))))
        self.assertEqual((bool(wrong), wrong.first), (False, (0,)))
        other = multibuffer.ragged_reference(ints([1, 2], [], [3, 9, 5], [6]))
        wrong = multibuffer.verify(result, other)
        self.assertEqual((wrong.first, wrong.actual, wrong.expected), ((3,), "4", "9"))
        self.refused(IndexError, "by integers", expected.__getitem__, [1])
        self.refused(ValueError, "row 2 has 3 items", expected.pad, length=2)

    def test_random_rows(self):
        for seed in range(300):
            with self.subTest(seed):
                self.one(random.Random(seed))

    def one(self, die):
        code = die.choice("bBhHiIqQfd")
        item = die.choice([(), (), (3,), (2, 2), (0,), (1, 5)])
        size = 1
        for extent in item:
            size *= extent
        itemsize = struct.calcsize(code)
        pool = []
        for _ in range(die.randrange(1, 12)):
            length = int(2 ** die.uniform(0, 8)) - 1
            shift = die.randrange(4)  # at odd addresses, too
            memory = bytearray(die.randbytes(shift + length * size * itemsize))
            if code in "fd":  # NaN are many, and conversions of them have a test of their own
                numbers = array.array(code, [die.randrange(-999, 999) for _ in range(length * size)])
                memory[shift:] = numbers.tobytes()
            pool.append(self.array_over(memory, shift, (length, *item), code, itemsize))
        rows = [die.choice(pool) for _ in range(die.randrange(1, 30))]
        placement = die.choice(["auto", "packed"])
        result, expected = ragged(rows, placement=placement), multibuffer.ragged_reference(rows)
        self.assertTrue(multibuffer.verify(result, expected))
        count = len(rows)
        mode = die.choice(["raise", "clip", "wrap"])
        indices = [die.randrange(-count, count) if mode == "raise" else die.randrange(-99, 99)
                   for _ in range(die.randrange(40))]
        dtype, saturate = die.choice([None, None, "f4", "i2", ">u4", "f8"]), die.random() < 0.5
        which = die.choice([None, indices])
        words = {"mode": mode, "dtype": dtype, "saturate": saturate}
        self.assertTrue(multibuffer.verify(result.pack(which, **words), expected.pack(which, **words)))
        length = die.choice([None, 0, 7, 300])
        words.update(length=length, fill=die.choice([0, 1, 100]), side=die.choice(["left", "right"]),
                     truncate=die.choice(["left", "right"]))
        padded = expected.pad(which, **words)
        self.assertTrue(multibuffer.verify(result.pad(which, **words), padded))
        start, stop, step = die.randrange(-9, 9), die.randrange(-9, 9), die.choice([1, 2, -1, -3])
        self.assertTrue(multibuffer.verify(
            result[start:stop:step].pack(), expected.pack(range(count)[start:stop:step])))

    def array_over(self, memory, shift, shape, code, itemsize):
        strides, stride = [], itemsize
        for extent in reversed(shape):
            strides.insert(0, stride)
            stride *= extent
        address = ctypes.addressof((ctypes.c_char * max(len(memory), 1)).from_buffer(
            memory)) if memory else 0
        return exporter(address + shift if memory else 0, shape, strides, format=code,
                        itemsize=itemsize, keep=memory)


class Cycles(Case):
    """A row may hold the array that holds it; Python's collector finds that."""

    def cycle(self, also):
        class Row(bytearray):
            pass

        row = Row(b"abc")
        array_ = multibuffer.ragged([row, b"x"], device="host")
        row.array = array_
        row.others = also(array_)
        return weakref.ref(row)

    def test_cycles_are_collected(self):
        for name, also in (("alone", lambda a: None), ("with views", lambda a: [a[1:], a[:1], a[::-1]]),
                           ("with a plan", lambda a: a.plan_pad()),
                           ("after a take", lambda a: a.take([0]).tolist()),
                           ("after two", lambda a: (a.take([0])[:1].plan_pad(),
                                                    a.take([0]).tolist())[1]),
                           ("with plans and views", lambda a: [a.plan_pack([1]), a[1:].plan_pad(),
                                                               a[:1]])):
            with self.subTest(name):
                row = self.cycle(also)
                gc.collect(), gc.collect()
                self.assertIsNone(row())

    def test_a_taken_array_alone_is_collected(self):
        class Row(bytearray):
            pass

        row = Row(b"abc")
        row.taken = multibuffer.ragged([row, b"x"], device="host").take([0, 0])
        row.view, row.plan = row.taken[1:], row.taken.plan_pad()
        gone = weakref.ref(row)
        del row
        gc.collect(), gc.collect()
        self.assertIsNone(gone())

    def test_what_is_reached_stays(self):
        kept = []
        for also in (lambda a: kept.append(a[:1]), lambda a: kept.append(a[0]),
                     lambda a: kept.append(a.plan_pack()), lambda a: kept.append(a.take([1])),
                     lambda a: kept.append(a.take([0])[0]),
                     lambda a: kept.append((a[:1], a.take([0])))):
            row = self.cycle(also)
            gc.collect(), gc.collect()
            self.assertIsNotNone(row())
            self.assertTrue(hasattr(row(), "array"))  # nobody has cleared it
            kept.clear()
        del row


class WithoutNumpy(Case):
    def test_none_of_it_needs_numpy(self):
        program = """
import sys
sys.modules["numpy"] = sys.modules["torch"] = None
import array, multibuffer
rows = [array.array("f", range(n)) for n in (2, 0, 3)]
r = multibuffer.ragged(rows, device="host")
assert r.tolist() == [list(row) for row in rows]
assert r.pad(fill=1.5).tolist()[1] == [1.5] * 3
assert r[[2]].values.tolist() == [0, 1, 2] and r.lengths.tolist() == [2, 0, 3]
assert multibuffer.verify(r, multibuffer.ragged_reference(rows))
assert multibuffer.ragged(array.array("i", range(4)), lengths=[1, 3]).tolist() == [[0], [1, 2, 3]]
print("done")
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.stdout, done.stderr), ("done\n", ""))


if __name__ == "__main__":
    unittest.main()
