"""stack(), reference() and verify()."""

import array
import ctypes
import gc
import subprocess
import sys
import textwrap
import unittest
import weakref
import zlib

import multibuffer
from support import Tables, needs, optional_import

numpy = optional_import("numpy")


class Row(bytearray):
    """Memory that can have attributes."""


def address_of(row):
    return ctypes.addressof(ctypes.c_char.from_buffer(row))


class Cycles(unittest.TestCase):
    """What an array holds may hold the array."""

    def in_place(self, obj):
        return multibuffer.upload(obj, device="host", placement="in_place")

    def ways(self):
        def over_its_address(row):
            return multibuffer.from_pointers([address_of(row)], (4,), "B", device="host", owner=row)

        return {
            "stack": lambda row: multibuffer.stack([row, row]),
            "by address": over_its_address,
            "in place": self.in_place,
            "list in place": lambda row: self.in_place([row, row]),
            "nested list in place": lambda row: self.in_place([[row], [b"abcd"]]),
            "stack in place": lambda row: self.in_place(multibuffer.stack([row])),
            "address in place": lambda row: self.in_place(over_its_address(row)),
            "reference": multibuffer.reference,
            "reference to a list": lambda row: multibuffer.reference([row]),
            "its field": lambda row: multibuffer.reference(multibuffer.stack([row]))[0],
        }

    def test_they_are_collected(self):
        for name, make in self.ways().items():
            with self.subTest(name):
                row = Row(b"abcd")
                row.array = make(row)
                there = weakref.ref(row)
                del row
                gc.collect()
                self.assertIsNone(there())

    def test_not_while_somebody_has_the_array(self):
        for name, make in self.ways().items():
            with self.subTest(name):
                row = Row(b"abcd")
                row.array = make(row)
                there, kept = weakref.ref(row), row.array
                del row
                gc.collect()
                self.assertEqual(bytes(there()), b"abcd")
                self.assertIs(there().array, kept)
                if isinstance(kept, multibuffer.Stack):
                    self.assertEqual(memoryview(kept).tolist()[0], list(b"abcd"))
                else:
                    self.assertTrue(kept.tobytes().startswith(b"abcd"))
                del kept
                gc.collect()
                self.assertIsNone(there())

    def test_not_while_somebody_has_a_view(self):
        row = Row(b"abcd")
        row.array = self.in_place([row])
        there, view, plan = weakref.ref(row), row.array[:, ::-1], row.array.plan_copy()
        del row
        gc.collect()
        self.assertEqual(view.tobytes(), b"dcba")
        del view
        gc.collect()
        self.assertEqual(plan.run().tobytes(), b"abcd")
        del plan
        gc.collect()
        self.assertIsNone(there())

    def shared_ways(self):
        """What several of our objects keep together: they are all kept by what they keep."""
        def plan_over(row):
            return multibuffer.upload(b"abcd", device="host").plan_copy(out=row)

        def with_array(row):
            array = self.in_place(row)
            return array, array[::-1], array.plan_copy(), array.T

        def with_results(row):
            plan = plan_over(row)
            return plan, plan.run(), plan.result

        def chained(row):
            first = plan_over(row)
            return first, self.in_place(b"efgh").plan_copy(out=first.result)

        def of_reference(row):
            reference = multibuffer.reference(row)
            return reference, reference[1:], reference.T

        return {
            "a plan of it": lambda row: self.in_place(row).plan_copy(),
            "a plan over it": plan_over,
            "its result": lambda row: plan_over(row).run(),
            "its result, not run": lambda row: plan_over(row).result,
            "an array, its views and its plan": with_array,
            "a plan and its results": with_results,
            "a plan over a plan's result": chained,
            "a plan from it to itself": lambda row: (self.in_place(row).plan_copy(
                out=memoryview(bytearray(4))), plan_over(row)),
            "a reference and its views": of_reference,
            "a view of a list": lambda row: (self.in_place([row, row])[:, 1], self.in_place([row])),
        }

    def test_what_several_keep_is_collected(self):
        for name, make in self.shared_ways().items():
            with self.subTest(name):
                row = Row(b"abcd")
                row.array = make(row)
                there = weakref.ref(row)
                del row
                gc.collect()
                self.assertIsNone(there())

    def test_what_several_keep_stays_while_one_is_there(self):
        for name, make in self.shared_ways().items():
            made = make(Row(b"abcd"))
            count = len(made) if isinstance(made, tuple) else 1
            for i in range(count):
                with self.subTest(name, kept=i):
                    row = Row(b"abcd")
                    row.array = make(row)
                    kept = row.array[i] if isinstance(row.array, tuple) else row.array
                    there = weakref.ref(row)
                    del row
                    gc.collect()
                    self.assertIsNotNone(there())
                    self.assertTrue(hasattr(there(), "array"))
                    del kept
                    gc.collect()
                    self.assertIsNone(there())

    def test_nor_while_somebody_else_shares_it(self):
        row = Row(b"abcd")
        row.array = multibuffer.upload(b"abcd", device="host").plan_copy(out=row).run()
        capsule, there = row.array.__dlpack__(), weakref.ref(row)
        del row
        gc.collect()
        self.assertIsNotNone(there())
        self.assertTrue(hasattr(there(), "array"))
        del capsule
        gc.collect()
        self.assertIsNone(there())

    def test_a_long_chain_is_let_go_of(self):
        # One after the other, and not each within the one before: that would need a long stack.
        chain = None
        for _ in range(200_000):
            chain = multibuffer.from_pointers([8], 1, owner=chain)
        chain = None
        for _ in range(20_000):
            chain = multibuffer.stack([multibuffer.from_pointers([8], 1, owner=chain)])
        del chain

    def test_a_list_of_many_copies_is_let_go_of(self):
        a, b = memoryview(b"abcdef")[::2], memoryview(b"abcdefghi")[::3]
        array = multibuffer.upload([a, b] * 30_000, device="host")
        self.assertEqual(array[-1].tobytes(), b"adg")

    def test_not_while_an_export_is_held(self):
        row = Row(b"abcd")
        row.view = memoryview(multibuffer.stack([row]))
        there, view = weakref.ref(row), row.view
        del row
        gc.collect()
        self.assertEqual(view.tolist(), [list(b"abcd")])
        del view
        gc.collect()
        self.assertIsNone(there())
        with self.assertRaises(TypeError):
            multibuffer.DeviceArray.__new__(multibuffer.DeviceArray)[0]


class Stack(unittest.TestCase):
    def test_it_exports_pointers(self):
        rows = [bytearray(b"abcd"), bytearray(b"efgh"), bytearray(b"ijkl")]
        stack = multibuffer.stack(rows)
        view = memoryview(stack)
        self.assertEqual((view.shape, view.strides, view.suboffsets), ((3, 4), (8, 1), (0, -1)))
        self.assertEqual((view.format, view.readonly), ("B", False))
        self.assertEqual(view.tolist(), [list(row) for row in rows])
        self.assertEqual(multibuffer.upload(stack).tobytes(), b"abcdefghijkl")
        self.assertEqual(multibuffer.reference(stack)[::-1, 1].tolist(), [106, 102, 98])
        self.assertEqual((stack.shape, stack.dtype, stack.nbytes, len(stack)),
                         ((3, 4), "uint8", 12, 3))
        self.assertEqual(repr(stack), "Stack(shape=(3, 4), dtype='uint8', device='host')")

    def test_nothing_is_copied(self):
        rows = [bytearray(b"abcd"), bytearray(b"efgh")]
        view = memoryview(multibuffer.stack(rows))
        rows[1][0] = 0
        self.assertEqual(view[1, 0], 0)
        view[0, 3] = 255
        self.assertEqual(rows[0], b"abc\xff")

    def test_it_holds_its_parts(self):
        rows = [bytearray(b"abcd"), bytearray(b"efgh")]
        stack = multibuffer.stack(rows)
        view = memoryview(stack)
        del stack
        with self.assertRaises(BufferError):
            rows[0].clear()
        view.release()
        gc.collect()
        rows[0].clear()

    def test_it_is_writable_where_all_parts_are(self):
        self.assertTrue(multibuffer.stack([bytearray(2), bytes(2)]).readonly)
        self.assertTrue(memoryview(multibuffer.stack([bytearray(2), bytes(2)])).readonly)
        self.assertFalse(multibuffer.stack([bytearray(2), bytearray(2)]).readonly)

    def test_who_cannot_follow_pointers_is_refused(self):
        stack = multibuffer.stack([b"ab", b"cd"])
        with self.assertRaisesRegex(BufferError, "PyBUF_INDIRECT"):
            zlib.crc32(stack)
        if numpy:
            with self.assertRaises((BufferError, ValueError)):
                numpy.frombuffer(stack)

    def test_of_a_single_pointer(self):
        row = Row(b"abcd")
        for shape, expected in ((4, b"abcd"), ((), b"a"), ((2, 2), b"abcd")):
            stack = multibuffer.from_pointers(ctypes.c_void_p(address_of(row)), shape, owner=row)
            self.assertEqual(multibuffer.upload(stack, device="host").tobytes(), expected)
            for consumer in (memoryview, multibuffer.reference):  # a suboffset is some axis' own
                with self.assertRaisesRegex(BufferError, "no axis of its own|no buffer export"):
                    consumer(stack)

    def test_shapes_that_from_pointers_cannot_make(self):
        table = memoryview(bytes(8 * 4)).cast("B").cast("Q", (2, 2))
        for shape, message in ((-1, "negative extent -1"), ((2, -3), "negative extent -3"),
                               ([1] * 63, "65 axes"), ([1] * 65, "more than 64")):
            with self.assertRaisesRegex(ValueError, message):
                multibuffer.from_pointers(table, shape)

    def test_an_upload_without_memory_says_its_shape(self):
        # (w,) was meant: the axes of the addresses come first by themselves.
        row = Row(b"abcd")
        addresses = [address_of(row)] * 1000
        stack = multibuffer.from_pointers(addresses, (1000, 1 << 40), owner=row)
        with self.assertRaisesRegex(MemoryError, r"of shape \(1000, 1000, 1099511627776\) and"):
            multibuffer.upload(stack, device="host", placement="packed")

    def test_parts_that_differ_are_named(self):
        with self.assertRaisesRegex(BufferError, "part 1 differs from part 0 in the extent of axis 0"):
            multibuffer.stack([b"abc", b"ab"])
        with self.assertRaisesRegex(BufferError, "part 2 differs from part 0 in the stride of axis 0"):
            multibuffer.stack([b"abc", b"abc", memoryview(b"abcdef")[::2]])
        with self.assertRaisesRegex(BufferError, "part 1 differs from part 0 in format"):
            multibuffer.stack([array.array("i", [1]), array.array("f", [1])])
        for nothing in ([], ()):
            with self.assertRaises(ValueError):
                multibuffer.stack(nothing)
        with self.assertRaises(TypeError):
            multibuffer.stack(1)

    def test_stacks_of_stacks_and_of_tables(self):
        planes = [multibuffer.stack([bytes([10 * i + j, 7]) for j in range(3)]) for i in range(2)]
        cube = multibuffer.stack(planes)
        self.assertEqual(memoryview(cube).suboffsets, (0, 0, -1))
        self.assertEqual(multibuffer.upload(cube)[1, :, 0].tolist(), [10, 11, 12])
        self.assertEqual(multibuffer.upload(cube).tobytes(), memoryview(cube).tobytes())
        tables = [Tables((2, 3), {0, 1}) for _ in range(2)]
        deep = multibuffer.stack([table.exporter() for table in tables])
        self.assertEqual(memoryview(deep).suboffsets, (0, 8, 8))
        self.assertEqual(multibuffer.upload(deep).tolist(), [table.nested() for table in tables])

    def test_of_elements_without_axes(self):
        import ctypes

        stack = multibuffer.stack([ctypes.c_int(5), ctypes.c_int(6)])
        self.assertEqual(memoryview(stack).suboffsets, (0,))
        self.assertEqual(multibuffer.upload(stack).tolist(), [5, 6])


@needs(numpy, "NumPy")
class ListsOfNumpyArrays(unittest.TestCase):
    """Most of their parts are never asked for their buffers."""

    def same_as_numpy(self, rows):
        expected = b"".join(row.tobytes() for row in rows)
        self.assertEqual(multibuffer.upload(rows).tobytes(), expected)

    def test_alike(self):
        for shape in ((), (5,), (0,), (3, 4), (2, 3, 4)):
            for dtype in ("i4", ">f8", "c16", "S3", [("a", "i2"), ("b", "f4", 2)]):
                rows = [numpy.empty(shape, dtype) for _ in range(40)]
                for i, row in enumerate(rows):
                    data = bytes(j % 96 + i for j in range(row.nbytes))
                    row[...] = numpy.frombuffer(data, dtype, row.size).reshape(shape)
                with self.subTest(shape=shape, dtype=dtype):
                    self.same_as_numpy(rows)
                    self.assertEqual(memoryview(multibuffer.stack(rows)).nbytes,
                                     sum(row.nbytes for row in rows))

    def test_one_that_differs_is_found_anywhere(self):
        base = numpy.arange(24, dtype="i4")
        row = base[:4]
        for other, message in ((base[:8:2], "the stride of axis 0"), (base[:3], "the extent"),
                               (base[:4].astype("f4"), "format"), (base[:4].view(">i4"), "format"),
                               (base[:4].reshape(2, 2), "number of axes")):
            for place in (1, 7, 39):
                rows = [row] * place + [other] + [row] * 20
                with self.assertRaisesRegex(BufferError, f"part {place} differs.*{message}"):
                    multibuffer.stack(rows)

    def test_parts_that_lie_differently_are_copied(self):
        base = numpy.arange(400, dtype="i4").reshape(20, 20)
        rows = [base[i] if i % 3 else base[:, i] for i in range(20)]
        rows[5:9] = [base[::-1, 0], base[::-1, 1], base[::-1, 2], memoryview(base[9])]
        self.same_as_numpy(rows)
        with self.assertRaisesRegex(ValueError, r"part 3 has \(4,\), part 0 has \(20,\)"):
            multibuffer.upload(rows[:3] + [base[0, :4]])

    def test_one_that_is_read_only_makes_the_stack_so(self):
        rows = [numpy.zeros(4) for _ in range(40)]
        self.assertFalse(multibuffer.stack(rows).readonly)
        rows[30].flags.writeable = False
        self.assertTrue(multibuffer.stack(rows).readonly)

    def test_a_subclass_answers_for_itself(self):
        class Sub(numpy.ndarray):
            pass

        rows = [numpy.full(4, i).view(Sub) if i % 2 else numpy.full(4, i) for i in range(20)]
        self.same_as_numpy(rows)

    def test_who_calls_itself_numpy_is_asked(self):
        code = textwrap.dedent("""
            import sys, types
            class Fake(bytearray):
                pass
            sys.modules["numpy"] = types.ModuleType("numpy")
            import multibuffer
            for kind in (Fake, bytearray, bytes, memoryview, 3):
                sys.modules["numpy"].ndarray = kind
                rows = [Fake(b"ab"), Fake(b"cd")] + [Fake(b"ef")] * 30
                assert multibuffer.upload(rows).tobytes() == b"abcd" + b"ef" * 30
                assert multibuffer.upload([b"ab"] * 30).tobytes() == b"ab" * 30
            """)
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_every_part_is_held_and_let_go(self):
        rows = [numpy.zeros(4) for _ in range(40)] + [bytearray(32) for _ in range(40)]
        counts = [sys.getrefcount(rows[i]) for i in range(80)]
        stacks = [multibuffer.stack(rows[:40]), multibuffer.stack(rows[40:])]
        with self.assertRaises(ValueError):
            rows[7].resize(400)
        with self.assertRaises(BufferError):
            rows[77].clear()
        self.assertEqual(sys.getrefcount(rows[7]), counts[7] + 1)
        del stacks
        self.assertEqual([sys.getrefcount(rows[i]) for i in range(80)], counts)
        rows[77].clear()

    def test_what_is_done_to_a_part_later_changes_nothing(self):
        rows = [numpy.arange(i, i + 6) for i in range(20)]
        expected = numpy.stack(rows).tolist()
        stack = multibuffer.stack(rows)
        rows[3].shape = (2, 3)
        rows[4].dtype = "f8"
        self.assertEqual(memoryview(stack).tolist(), expected)


class Reference(unittest.TestCase):
    def test_it_reads_when_asked(self):
        memory = bytearray(b"abcd")
        reference = multibuffer.reference(memory)[::-1]
        memory[0] = ord("z")
        self.assertEqual(reference.tobytes(), b"dcbz")
        self.assertEqual((reference.shape, reference.format), ((4,), "B"))
        self.assertEqual(repr(reference), "Reference(shape=(4,), dtype='uint8')")
        with self.assertRaises(BufferError):
            memory.clear()
        del reference
        memory.clear()

    def test_its_verbs_are_those_of_an_array(self):
        def names(cls):
            return {name for name in dir(cls) if name in dir(multibuffer.DeviceArray)}

        only_there = set(dir(multibuffer.DeviceArray)) - names(multibuffer.Reference)
        only_there -= {"__buffer__", "__release_buffer__"}  # from CPython 3.12 on
        self.assertEqual(only_there, {"axes", "origins", "levels", "placement", "plan_copy",
                                      "plan_gather", "plan_take", "storage_bytes", "update",
                                      "update_pointers", "device", "native", "__dlpack__",
                                      "__dlpack_device__", "__dlpack_c_exchange_api__",
                                      "__array_interface__", "__cuda_array_interface__",
                                      "tables", "address", "unit", "element_view", "through",
                                      "check_table", "_repr_svg_"})

    def test_orders_and_out(self):
        rows = [array.array("i", range(i, i + 3)) for i in range(4)]
        reference, uploaded = multibuffer.reference(rows), multibuffer.upload(rows)
        for order in "CF":
            ours, theirs = reference.copy(order), uploaded.copy(order)
            self.assertEqual(ours.strides, theirs.to_host().strides)
            self.assertEqual(ours.tolist(), theirs.tolist())
        with self.assertRaisesRegex(ValueError, "order 'A': there are C and F"):
            reference.copy("A")
        out = array.array("i", bytes(48))
        plane = memoryview(out).cast("B").cast("i", (4, 3))
        self.assertIs(reference.copy(out=plane), plane)
        self.assertEqual(plane.tolist(), [row.tolist() for row in rows])
        self.assertIs(reference[::-1].take([3, 0, 0, 1], out=plane), plane)
        self.assertEqual(plane.tolist(), [[0, 1, 2], [3, 4, 5], [3, 4, 5], [2, 3, 4]])
        reference.gather([[0, 1, 2, 3]], out=plane)
        self.assertEqual(plane.tolist(), [row.tolist() for row in rows])
        with self.assertRaisesRegex(ValueError, "out has shape"):
            reference.copy(out=bytearray(48))
        with self.assertRaisesRegex(BufferError, "read-only|writable"):
            reference[0, 0].copy(out=memoryview(bytes(4)).cast("i", ()))

    def test_reshape(self):
        reference = multibuffer.reference([bytes(range(6 * i, 6 * i + 6)) for i in range(4)])
        self.assertEqual(reference.T.reshape((3, -1), copy=False).tolist(),
                         [[0, 6, 12, 18, 1, 7, 13, 19], [2, 8, 14, 20, 3, 9, 15, 21],
                          [4, 10, 16, 22, 5, 11, 17, 23]])
        self.assertEqual(reference.reshape(-1)[::-5].reshape((5, 1))[1:, 0].tolist(),
                         [18, 13, 8, 3])
        with self.assertRaisesRegex(ValueError, "no shape"):
            reference.reshape((-1, 7))

    @needs(numpy, "NumPy")
    def test_for_numpy(self):
        reference = multibuffer.reference([b"ab", b"cd"])
        self.assertEqual(numpy.asarray(reference).tolist(), [[97, 98], [99, 100]])
        self.assertEqual(numpy.asarray(reference, "f4").dtype, "f4")


class Verify(unittest.TestCase):
    def test_equal_and_different(self):
        rows = [array.array("i", [1, 2, 3]), array.array("i", [4, 5, 6])]
        uploaded = multibuffer.upload(rows)
        for expected in (rows, uploaded, uploaded.copy(), multibuffer.stack(rows),
                         multibuffer.reference(rows)):
            comparison = multibuffer.verify(uploaded, expected)
            self.assertTrue(comparison and comparison.equal)
            self.assertEqual((comparison.elements, comparison.mismatches), (6, 0))
            self.assertIsNone(comparison.first)
        rows[1][2] = 7
        comparison = multibuffer.verify(uploaded.copy(), rows)
        self.assertFalse(comparison)
        self.assertEqual((comparison.first, comparison.actual, comparison.expected),
                         ((1, 2), "6", "7"))
        self.assertIn("1 of 6 elements differs; the first at (1, 2): 6, expected 7",
                      repr(comparison))

    def test_tolerances(self):
        a, b = array.array("d", [1.0, float("nan")]), array.array("d", [1.0 + 1e-9, float("nan")])
        self.assertFalse(multibuffer.verify(a, b))
        self.assertTrue(multibuffer.verify(a, b, atol=1e-8))
        self.assertTrue(multibuffer.verify(a, b, rtol=1e-8))
        self.assertFalse(multibuffer.verify(a, b, ulp=1))
        self.assertTrue(multibuffer.verify(a, array.array("d", [1.0 + 2**-52, a[1]]), ulp=1))
        with self.assertRaises(TypeError):
            multibuffer.verify(a, b, 1e-8)

    def test_arrays_that_cannot_be_compared(self):
        with self.assertRaisesRegex(ValueError, r"shapes \(2,\) and \(3,\) differ"):
            multibuffer.verify(b"ab", b"abc")
        with self.assertRaisesRegex(ValueError, "formats"):
            multibuffer.verify(array.array("i", [1]), array.array("f", [1]))


if __name__ == "__main__":
    unittest.main()
