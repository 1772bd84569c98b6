"""What kernels of others are given: tables, addresses, the struct of a view; and axes through tables
that lie on the device."""

import array
import gc
import os
import struct
import unittest
import weakref

import multibuffer
from support import DEVICE, needs, optional_import, require_device, upload

numpy = optional_import("numpy")


def setUpModule():
    require_device()


def on_device(values, code="i"):
    """A table on the device."""
    return upload(array.array(code, values)).copy()


def dense(count=4):
    """Pages of three int32 each, 10 * page + slot."""
    return upload(array.array("i", [10 * (i // 3) + i % 3 for i in range(3 * count)])).reshape((count, 3))


class Through(unittest.TestCase):
    def test_an_axis_is_indexed_by_the_table(self):
        table = on_device([3, 0, 0, 2])
        through = dense().through(0, table)
        self.assertEqual(through.tolist(), [[30, 31, 32], [0, 1, 2], [0, 1, 2], [20, 21, 22]])
        self.assertEqual(through[1:3, ::-1].tolist(), [[2, 1, 0], [2, 1, 0]])
        self.assertEqual(through.take([3, 0]).tolist(), [[20, 21, 22], [30, 31, 32]])
        self.assertEqual(through.gather([[3, 0], [1, 2]], dtype="f8").tolist(), [21.0, 32.0])
        self.assertTrue(multibuffer.verify(through, dense().take([3, 0, 0, 2])))

    def test_the_last_axis_of_a_dense_array_is_too(self):
        through = dense().through(-1, on_device([2, 2, 0], "q"))
        self.assertEqual(through[1].tolist(), [12, 12, 10])

    def test_a_table_has_any_number_of_axes(self):
        two = upload(array.array("i", [3, 1, 0, 2])).reshape((2, 2))
        through = dense().through(0, two)
        self.assertEqual(through.shape, (2, 2, 3))
        self.assertEqual(through[:, :, 0].tolist(), [[30, 10], [0, 20]])
        self.assertEqual(dense().through(0, two.transpose())[:, :, 0].tolist(), [[30, 0], [10, 20]])
        self.assertEqual(dense().through(0, two[1])[:, 0].tolist(), [0, 20])

    def test_a_paged_cache_is_gathered_token_by_token(self):  # as the guide has it
        pool = upload(array.array("f", range(8 * 2 * 3))).reshape((8, 2, 3))
        blocks = memoryview(array.array("i", [5, 2, 7, -1])).cast("B").cast("i", (2, 2))
        paged = pool.through(0, upload(blocks).copy())
        self.assertEqual(paged.shape, (2, 2, 2, 3))
        keys = paged.gather([[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 1]])
        self.assertEqual(keys.tolist(), [[30, 31, 32], [33, 34, 35], [12, 13, 14], [45, 46, 47]])

    def test_entries_are_read_at_each_use(self):
        table = on_device([0, 1])
        through = dense().through(0, table)
        plan = through.plan_copy()
        self.assertEqual(plan.run().tolist(), [[0, 1, 2], [10, 11, 12]])
        upload(array.array("i", [2, 3])).copy(out=table)
        self.assertEqual(through.tolist(), [[20, 21, 22], [30, 31, 32]])
        self.assertEqual(plan.run().tolist(), [[20, 21, 22], [30, 31, 32]])

    @unittest.skipUnless(DEVICE == "host", "on the host")
    def test_memory_of_the_caller_is_read_where_it_is(self):
        table = array.array("q", [0, 1])
        through = dense().through(0, table)
        table[1] = 3
        self.assertEqual(through[:, 0].tolist(), [0, 30])

    @unittest.skipIf(DEVICE == "host", "on a GPU")
    def test_a_table_of_another_package_is_read_where_it_is(self):
        class Foreign:
            def __init__(self, table):
                self.table = table
                self.__cuda_array_interface__ = table.__cuda_array_interface__

        table = on_device([0, 1])
        foreign = Foreign(table)
        gone = weakref.ref(foreign)
        through = dense().through(0, foreign)
        upload(array.array("i", [3, 2])).copy(out=table)
        table.synchronize()
        del foreign
        self.assertIsNotNone(gone())
        self.assertEqual(through[:, 0].tolist(), [30, 20])
        del through
        gc.collect()
        self.assertIsNone(gone())

    def test_bad_entries_are_found_when_asked_for(self):
        pages_ = dense()
        self.assertIsNone(pages_.check_table(0, on_device([3, 0])))
        with self.assertRaisesRegex(IndexError, r"entry 4 at position \(1,\) of a table for axis 0"):
            pages_.check_table(0, on_device([3, 4]))
        with self.assertRaisesRegex(IndexError, "entry -1"):
            pages_.check_table(0, on_device([-1]))
        pages_.check_table(0, on_device([-1, 2]), allow_negative=True)
        self.assertEqual(pages_.through(0, on_device([-1, 2]))[1].tolist(), [20, 21, 22])

    def test_what_is_no_table_is_refused(self):
        with self.assertRaisesRegex(ValueError, "int32 or int64"):
            dense().through(0, on_device([0.0, 1.0], "d"))
        with self.assertRaisesRegex(ValueError, "axis"):
            dense().through(2, on_device([0]))
        with self.assertRaises(TypeError):
            dense().through(0, None)
        if DEVICE != "host":
            with self.assertRaisesRegex(ValueError, "a table on host for an array on"):
                dense().through(0, array.array("i", [0, 1]))

    def test_an_output_over_the_table_is_refused(self):
        table = on_device([0, 1, 2])
        with self.assertRaisesRegex(ValueError, "overlaps the table"):
            dense().through(0, table)[:, 0].copy(out=table)

    def test_the_table_and_the_array_are_kept_and_let_go_of(self):
        memory = array.array("i", range(12))
        table = array.array("i", [3, 1])
        gone = [weakref.ref(memory), weakref.ref(table)]
        if DEVICE == "host":
            before = multibuffer.upload(memory, device="host", placement="in_place")
            through = before.through(0, table)
        else:
            before = upload(memory)
            through = before.through(0, on_device(table))
        del before, memory, table
        self.assertEqual(through.tolist(), [3, 1])
        del through
        gc.collect()
        self.assertEqual([each() for each in gone], [None, None])

    @needs(numpy, "numpy")
    @unittest.skipUnless(DEVICE == "host", "on the host")
    def test_cycles_through_the_array_and_the_table_are_collected(self):
        class Holder(numpy.ndarray):
            pass

        for which in ("array", "table", "both"):
            memory = numpy.arange(12, dtype="i4").view(Holder)
            table = numpy.array([3, 1], "i4").view(Holder)
            array_ = multibuffer.upload(memory, device="host", placement="in_place")
            through = array_.through(0, table)
            again = through[::-1]  # another Python object of one storage
            if which != "table":
                memory.cycle = through
            if which != "array":
                table.cycle = again
            gone = weakref.ref(memory if which != "table" else table)
            del memory, table, array_, through, again
            gc.collect()
            self.assertIsNone(gone(), which)

    @needs(numpy, "numpy")
    @unittest.skipUnless(DEVICE == "host", "on the host")
    def test_what_is_in_use_is_not_collected(self):
        class Holder(numpy.ndarray):
            pass

        memory = numpy.arange(12, dtype="i4").view(Holder)
        table = numpy.array([3, 1], "i4").view(Holder)
        through = multibuffer.upload(memory, device="host", placement="in_place").through(0, table)
        memory.cycle = table.cycle = through
        exported = memoryview(through.copy())
        plan = through.plan_copy()
        del memory, table, through
        gc.collect()
        self.assertEqual(plan.run().tolist(), [3, 1])
        self.assertEqual(exported.tolist(), [3, 1])


class ForKernels(unittest.TestCase):
    def address_of(self, arr, tables, index):
        """By the rule in the docstrings."""
        sums = list(arr.origins)
        for axis, at in zip(arr.axes, index):
            sums[axis.level] += at * axis.stride
        entry = 0
        for level, table in enumerate(tables):
            entry = table[entry + sums[level]]
        return arr.address + entry * arr.unit + sums[-1]

    @unittest.skipUnless(DEVICE == "host", "reads addresses")
    def test_tables_address_and_unit_lead_to_every_element(self):
        import ctypes
        rows = [array.array("i", [10 * i + j for j in range(3)]) for i in range(4)]
        arrays = [multibuffer.upload([rows[i] for i in (2, 0, 2, 3)], device="host", placement=kind)
                  for kind in ("packed", "preserved", "in_place")]
        arrays += [arrays[0][::-1], arrays[1][1:, ::2], arrays[2].transpose(),
                   arrays[0].through(0, array.array("q", [1, 1, 0]))]
        for arr in arrays:
            tables = [table.tolist() for table in arr.tables]
            self.assertEqual(len(tables), arr.levels)
            for i in range(arr.shape[0]):
                for j in range(arr.shape[1]):
                    at = self.address_of(arr, tables, (i, j))
                    self.assertEqual(ctypes.c_int32.from_address(at).value, arr.tolist()[i][j])

    def test_tables_are_read_only_and_keep_the_memory(self):
        rows = [array.array("i", range(i, i + 100)) for i in range(3)]
        arr = upload([rows[i] for i in (0, 1, 0, 2, 0, 0)])
        table, = arr.tables
        self.assertEqual((table.format, table.tolist()), ("I", [0, 1, 0, 2, 0, 0]))
        self.assertEqual(arr.unit, 400)
        del arr
        gc.collect()
        self.assertEqual(table.tolist(), [0, 1, 0, 2, 0, 0])
        with self.assertRaises((BufferError, ValueError)):
            upload(array.array("I", range(6))).copy(out=table)

    def test_the_struct_is_that_of_the_header(self):
        arr = dense()[:, ::-1]
        self.assertEqual(arr.levels, 0)
        view = bytes(arr.element_view())
        base, unit, table, rows, columns, row, column, last, level, wide = struct.unpack(
            "<7q3B5x", view)
        self.assertEqual((table, rows, columns, row, column), (0, 4, 3, 12, -4))
        self.assertEqual(base, arr.address + arr.origins[0])
        self.assertEqual((last, level, wide), (1, 1, 0))
        self.assertEqual(len(bytes(arr[0, 0].element_view(0))), 8 + 8 + 8 + 16 + 8)

    def test_tables_are_the_last_levels_of_the_struct(self):
        arr = dense().through(0, on_device([3, 0]))
        base, unit, none, table, *rest = struct.unpack("<8q4B4x", bytes(arr.element_view(levels=2)))
        self.assertEqual((unit, none), (12, 0))
        self.assertNotEqual(table, 0)
        self.assertEqual(rest, [2, 3, 1, 4, 1, 2, 0, 0])
        with self.assertRaisesRegex(ValueError, "ask for levels=1, or copy"):
            arr.element_view(levels=0)

    @needs(numpy, "numpy")
    def test_numpy_has_it_as_a_scalar(self):
        self.assertIsInstance(dense().element_view(), numpy.void)

    def test_elements_that_are_not_aligned_are_refused(self):
        memory = memoryview(bytearray(17))[1:].cast("d")
        arr = multibuffer.upload(memory, device="host", placement="in_place")
        with self.assertRaisesRegex(ValueError, "aligned to 8 bytes"):
            arr.element_view()

    def test_the_other_byte_order_is_refused(self):
        arr = multibuffer.upload(bytes(8), device="host").astype(">i2")
        with self.assertRaisesRegex(ValueError, r"other byte order; native\(\) copies"):
            multibuffer.upload(arr, device="host").element_view()

    def test_the_headers_are_there_and_are_all(self):
        folder = os.path.join(multibuffer.include_dir(), "multibuffer")
        names = set(os.listdir(folder))
        self.assertIn("element_view.hpp", names)
        self.assertIn("element_iterator.hpp", names)  # which that one's comments name
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                for line in file:
                    if line.startswith("#include <multibuffer/"):
                        self.assertIn(line.split("/")[1].split(">")[0], names)


if __name__ == "__main__":
    unittest.main()
