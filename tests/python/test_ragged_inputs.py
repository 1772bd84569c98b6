"""multibuffer.ragged() of whatever has rows of unequal length, and of what lies about them."""

import array
import ctypes
import gc
import json
import math
import struct
import threading
import unittest

import multibuffer
from packages import numpy, pyarrow, torch
from ragged_rows import ON_HOST, ROWS, Case, ints, lists_of, ragged
from support import DEVICE, exporter, needs, optional_import, require_device

ml_dtypes = optional_import("ml_dtypes")


def setUpModule():
    require_device()


class Lists(Case):
    def test_parts_of_any_kind_that_upload_takes(self):
        for rows in (ints(*ROWS), tuple(ints(*ROWS)),
                     [memoryview(each) for each in ints(*ROWS)],
                     [multibuffer.upload(each, device="host") for each in ints(*ROWS)],
                     [multibuffer.upload(each, device="host").copy() for each in ints(*ROWS)]):
            with self.subTest(type(rows[0]).__name__):
                result = ragged(rows)
                self.assertEqual(result.tolist(), ROWS)
                self.assertEqual(result.lengths.tolist(), [2, 0, 3, 1])
                self.assertEqual(lists_of(result.pack()), ROWS)
        self.assertEqual(ragged([b"ab", b"", b"cde"]).tolist(), [[97, 98], [], [99, 100, 101]])

    def test_parts_of_several_kinds(self):
        rows = [bytearray(b"ab"), b"cde", memoryview(b"xfgx")[1:3], bytearray(b"hijk")]
        self.assertEqual([bytes(row).decode() for row in map(bytes, ragged(rows).tolist())],
                         ["ab", "cde", "fg", "hijk"])

    def test_what_it_says_of_itself(self):
        result = ragged(ints(*ROWS))
        self.assertEqual((result.shape, result.ndim, len(result), result.items, result.longest),
                         ((4, None), 2, 4, 6, 3))
        self.assertEqual((result.dtype, result.format, result.itemsize, result.nbytes, result.size),
                         ("int32", "i", 4, 24, 6))
        self.assertEqual(result.placement, "in_place" if ON_HOST else "packed")
        self.assertEqual(result.device, "host" if ON_HOST else "cuda:0")
        self.assertGreater(ragged(ints(*ROWS), placement="packed").storage_bytes, 23)
        self.assertIn("RaggedArray(shape=(4, None), dtype='int32'", repr(result))
        self.assertIn("6 items, up to 3 a row", repr(result))

    def test_a_list_is_read_where_it_lies_or_copied(self):
        rows = ints(*ROWS)
        here = multibuffer.ragged(rows, device="host")
        copied = multibuffer.ragged(rows, device="host", placement="packed")
        rows[2][0] = 30
        self.assertEqual(here.tolist()[2], [30, 4, 5])
        self.assertEqual(copied.tolist()[2], [3, 4, 5])
        with self.assertRaises(BufferError):
            rows[2].append(6)  # it is exported as long as the array lives
        del here
        rows[2].append(6)

    def test_rows_that_must_be_copied_are_not_in_place(self):
        dense, steps = memoryview(bytearray(4)), memoryview(bytearray(b"abcd"))[::2]
        rows = [dense, steps]
        self.assertEqual(ragged(rows).tolist(), [[0] * 4, [97, 99]])
        self.refused(ValueError, "row 1 is not dense", multibuffer.ragged, rows, device="host",
                     placement="in_place")
        for options in {"lengths": [2]}, {"offsets": [0, 2]}:
            self.assertEqual(ragged(steps, **options).tolist(), [[97, 99]])
            self.refused(ValueError, "array of all items is not dense", multibuffer.ragged, steps,
                         device="host", placement="in_place", **options)
        here = multibuffer.ragged([dense, steps[::2]], device="host", placement="in_place")
        dense[0] = 7  # a row of one item is dense, however it was made
        self.assertEqual(here.tolist(), [[7, 0, 0, 0], [97]])

    def test_shared_rows_travel_once(self):
        row = array.array("q", range(1000))
        apart = ragged([array.array("q", range(1000)) for _ in range(8)], placement="packed")
        shared = ragged([row] * 8, placement="packed")
        self.assertGreater(apart.storage_bytes - shared.storage_bytes, 6 * 8000)
        self.assertEqual(shared.tolist(), apart.tolist())

    def test_rows_that_differ_are_named(self):
        self.refused(ValueError, "rows have one format: row 2 has 'd', row 0 has 'i'",
                     ragged, [*ints([1], [2, 3]), array.array("d", [1])])
        self.refused(ValueError, "first axis alone: row 1 has shape .2, 3., row 0 has .2, 4.", ragged,
                     [memoryview(bytes(8)).cast("B", (2, 4)), memoryview(bytes(6)).cast("B", (2, 3))])
        self.refused(ValueError, "no arrays", ragged, [])
        self.refused(ValueError, "row 1 has no axes", ragged,
                     [bytes(1), memoryview(bytes(1)).cast("B", ())])
        self.refused(TypeError, "not int", ragged, [b"ab", 3])
        for rows in ragged([b"ab"]), multibuffer.ragged_reference([b"ab"]):
            self.refused(TypeError, "not multibuffer.Ragged[A-Za-z]*$", ragged, rows)
        floats = array.array("d", [0, 2])
        self.refused(TypeError, "not list with 2.5 at position 1", ragged, b"ab", offsets=[0, 2.5])
        self.refused(TypeError, "not array.array of 'float64'", ragged, b"ab", offsets=floats)
        self.refused(TypeError, "not array.array of 'float64'", ragged, b"ab", lengths=floats)

    def test_sizes_beyond_64_bits(self):
        rows = multibuffer.ragged([exporter(1 << 20, (2**59,), (4,), format="i", itemsize=4)],
                                  device="host")
        self.assertEqual((rows.size, rows.nbytes), (2**59, 2**61))
        rows = rows.take([0] * 9)
        self.assertEqual((rows.size, rows.nbytes), (9 * 2**59, 9 * 2**61))
        self.refused(TypeError, "list of arrays.*not int", ragged, 3)
        self.refused(TypeError, "list of arrays.*not str", ragged, "abc")
        self.refused(ValueError, r"no rows: give a list of arrays, or offsets=", ragged, bytes(4))

    def test_an_array_of_two_axes_has_equal_rows(self):
        matrix = memoryview(bytes(range(12))).cast("B", (3, 4))
        result = ragged(matrix)
        self.assertEqual((result.shape, result.tolist()), ((3, None), matrix.tolist()))
        self.assertEqual(ragged(b"", lengths=[]).tolist(), [])
        self.assertEqual(ragged(matrix, lengths=[2, 1]).shape, (2, None, 4))

    def test_placements(self):
        self.refused(ValueError, "auto, packed and in_place", ragged, [b"a"], placement="preserved")
        self.refused(ValueError, "auto, packed and in_place", ragged, [b"a"], placement="x")

    def test_upload_of_an_unequal_list_names_ragged(self):
        self.refused(ValueError, r"part 1 has \(0,\), part 0 has \(2,\); multibuffer.ragged\(\) takes",
                     multibuffer.upload, ints(*ROWS), device=DEVICE)
        with self.assertRaises(ValueError) as raised:  # of another kind of difference
            multibuffer.upload([memoryview(bytes(8)).cast("B", (2, 4)),
                                memoryview(bytes(6)).cast("B", (2, 3))], device=DEVICE)
        self.assertNotIn("ragged", str(raised.exception))

    def test_structs_and_their_fields(self):
        size = struct.calcsize("<ihh")
        memory = [struct.pack("<ihhihh", 1, 2, 3, 4, 5, 6), struct.pack("<ihh", 7, 8, 9)]
        blocks = [ctypes.create_string_buffer(each, len(each)) for each in memory]
        rows = [exporter(ctypes.addressof(each), (len(each) // size,), (size,),
                         format="T{<i:a:<(2)h:b:}", itemsize=size, keep=each) for each in blocks]
        result = ragged(rows)
        self.assertEqual(result.tolist(), [[(1, [2, 3]), (4, [5, 6])], [(7, [8, 9])]])
        self.assertEqual(result["a"].tolist(), [[1, 4], [7]])
        self.assertEqual((result["b"].shape, result["b"].tolist()),
                         ((2, None, 2), [[[2, 3], [5, 6]], [[8, 9]]]))
        self.assertEqual(result[["b"]].tolist(), [[([2, 3],), ([5, 6],)], [([8, 9],)]])
        self.assertEqual(result["b"][1:].pad(dtype="f4").tolist(), [[[8, 9]]])
        self.refused(Exception, "no field", result.__getitem__, "c")


class Packed(Case):
    def test_offsets_and_lengths(self):
        values = array.array("i", [1, 2, 3, 4, 5, 6])
        for kind in ("b", "i", "q", "Q", "L"):
            self.assertEqual(ragged(values, offsets=array.array(kind, [0, 2, 2, 5, 6])).tolist(), ROWS)
            self.assertEqual(ragged(values, lengths=array.array(kind, [2, 0, 3, 1])).tolist(), ROWS)
        self.assertEqual(ragged(values, offsets=[0, 2, 2, 5, 6]).tolist(), ROWS)
        self.assertEqual(ragged(values, lengths=(2, 0, 3, 1)).tolist(), ROWS)
        self.assertEqual(ragged(values, offsets=[1, 3]).tolist(), [[2, 3]])
        self.assertEqual(ragged(values, offsets=[4, 0, 9], lengths=[2, 3, 0]).tolist(),
                         [[5, 6], [1, 2, 3], []])
        self.assertEqual(ragged(values, offsets=[]).tolist(), [])
        self.assertEqual(ragged(values, offsets=[3]).tolist(), [])

    def test_values_stay_where_they_are(self):
        values = array.array("i", [1, 2, 3])
        result = multibuffer.ragged(values, lengths=[1, 2], device="host")
        values[2] = 9
        self.assertEqual(result.tolist(), [[1], [2, 9]])
        self.assertEqual(result.storage_bytes, multibuffer.ragged(
            array.array("i", range(3000)), lengths=[1, 2999], device="host").storage_bytes)

    def test_values_that_are_not_dense_are_copied(self):
        table = memoryview(bytes(range(24))).cast("B", (6, 4))
        every_other = multibuffer.upload(table, device="host")[:, ::2]
        self.assertEqual(ragged(every_other, lengths=[1, 5]).tolist(),
                         [[[0, 2]], [[4 * i, 4 * i + 2] for i in range(1, 6)]])
        behind_pointers = [bytes(range(i, i + 4)) for i in range(6)]
        self.assertEqual(ragged(behind_pointers, lengths=[2, 4])[0].tolist(), [[0, 1, 2, 3],
                                                                                [1, 2, 3, 4]])

    def test_offsets_that_are_none(self):
        values = bytes(6)
        for offsets, error, words in (
                ([0, 3, 2], ValueError, "row 1 has the offsets 3 and 2 of 6 items"),
                ([0, 7], ValueError, "row 0 has the offsets 0 and 7 of 6 items"),
                ([-1, 2], ValueError, "row 0 has the offsets -1 and 2"),
                ([[0, 1]], ValueError, r"offsets have one axis, not the shape \(1, 2\)"),
                (3, ValueError, "offsets have one axis"),
                ([2**64 - 1], ValueError, "which no array can have"),
                ([True, False], TypeError, "offsets are integers, not bools"),
                ([0.5], TypeError, "offsets are integers"),
                ("abc", TypeError, "offsets are integers.*not str")):
            with self.subTest(offsets):
                self.refused(error, words, ragged, values, offsets=offsets)
        for lengths, words in (
                ([3, -1, 4], r"lengths\[1\] is -1"), ([3, 4], "more than the 6 items.*row 1"),
                ([3, 2], "lengths add up to 5, and the values have 6 items"),
                ([2**63 - 1, 2**63 - 1], "row 0 is the first beyond"), ([], "add up to 0")):
            with self.subTest(lengths):
                self.refused(ValueError, words, ragged, values, lengths=lengths)
        self.refused(ValueError, "row 0 has 3 items from item 4 on, of 6", ragged, values,
                     offsets=[4], lengths=[3])
        self.refused(ValueError, "1 offsets and 2 lengths", ragged, values, offsets=[4],
                     lengths=[1, 1])
        self.refused(ValueError, "an axis of items", ragged, memoryview(bytes(1)).cast("B", ()),
                     lengths=[1])

    def test_a_result_is_an_input_again(self):
        packed = ragged(ints(*ROWS)).pack([3, 2, 0], offsets_dtype="int32")
        again = ragged(packed)
        self.assertEqual(again.tolist(), [[6], [3, 4, 5], [1, 2]])
        self.assertEqual(again.placement, "in_place")
        self.assertEqual(ragged(packed.values, offsets=packed.offsets).tolist(), again.tolist())


@needs(numpy, "numpy")
class Numpy(Case):
    def test_arrays_of_one_item_and_of_none(self):
        rows = [numpy.arange(n * 3, dtype="f4").reshape(n, 3) for n in (2, 1, 0, 1, 5)]
        self.assertTrue(multibuffer.verify(ragged(rows), multibuffer.ragged_reference(rows)))
        self.assertEqual(ragged(rows).shape, (5, None, 3))
        # Strides along axes without steps may be anything.
        strided = numpy.lib.stride_tricks.as_strided
        empty, one = strided(numpy.arange(4), (0,), (0,)), strided(numpy.arange(7, 9), (1,), (800,))
        plain = [numpy.arange(n) for n in (3, 1, 0)]
        for rows in ([empty, *plain, one], [one, *plain, empty], [*plain, empty, one, *plain]):
            self.assertEqual(ragged(rows).tolist(), [row.tolist() for row in rows])
            self.assertEqual(ragged(rows, placement="packed").tolist(), [row.tolist() for row in rows])

    def test_rows_that_are_not_dense_are_copied(self):
        block = numpy.arange(60).reshape(6, 10)
        rows = [block[:, ::2], block[::2, 1:6], block[::-1, :5], block.T[:5, :5].T, block[:3, 5:],
                numpy.asfortranarray(block[:, :5]), block[1:2, :5], block[:0, :5]]
        result = ragged(rows)
        self.assertEqual(result.tolist(), [row.tolist() for row in rows])
        self.assertTrue(multibuffer.verify(result, multibuffer.ragged_reference(rows)))

    def test_an_array_of_objects_is_a_list(self):
        rows = numpy.empty(3, object)
        rows[:] = [numpy.arange(n) for n in (1, 0, 4)]
        self.assertEqual(ragged(rows).tolist(), [[0], [], [0, 1, 2, 3]])

    def test_offsets_of_any_integers(self):
        values = numpy.arange(6.0)
        for dtype in ("i1", "u1", ">i4", "u8", "i4", "i8"):
            offsets = numpy.array([0, 2, 2, 6], dtype)
            self.assertEqual(ragged(values, offsets=offsets).lengths.tolist(), [2, 0, 4])
            doubled = numpy.repeat(offsets, 2)
            self.assertEqual(ragged(values, offsets=doubled[::2]).lengths.tolist(), [2, 0, 4])

    def test_results_are_numpys(self):
        values, offsets = multibuffer.ragged([numpy.arange(3), numpy.arange(2)], device="host").pack()
        self.assertEqual(numpy.asarray(values).tolist(), [0, 1, 2, 0, 1])
        self.assertEqual([part.tolist() for part in
                          numpy.split(numpy.asarray(values), numpy.asarray(offsets)[1:-1])],
                         [[0, 1, 2], [0, 1]])
        self.assertEqual(numpy.asarray(ragged([numpy.arange(3)]).lengths).tolist(), [3])

    def test_rows_of_many_flags(self):
        # Read-only and writable rows, and those that own their memory or not.
        rows = [numpy.arange(n, dtype="i2") for n in range(64)]
        for row in rows[::3]:
            row.flags.writeable = False
        rows += [row[1:] for row in rows]
        result = ragged(rows)
        self.assertEqual(result.tolist(), [row.tolist() for row in rows])
        self.assertEqual(ragged(rows, placement="packed").tolist(), result.tolist())

    def test_elements_of_other_packages(self):
        if ml_dtypes is None:
            self.skipTest("ml_dtypes is not installed")
        rows = [numpy.array([1.5, 2], ml_dtypes.bfloat16), numpy.array([3], ml_dtypes.bfloat16)]
        self.assertEqual(ragged(rows).dtype, "bfloat16")
        self.assertEqual(ragged(rows).pack(dtype="f4").values.tolist(), [1.5, 2, 3])

    def test_subclasses_and_masks(self):
        rows = [numpy.matrix([[1, 2]]), numpy.matrix([[3, 4], [5, 6]])]
        self.assertEqual(ragged(rows).tolist(), [[[1, 2]], [[3, 4], [5, 6]]])
        self.refused(BufferError, "filled", ragged, [numpy.arange(2),
                                                     numpy.ma.array([1, 2], mask=[0, 1])])


@needs(torch, "torch")
class Torch(Case):
    def setUp(self):
        self.rows = [torch.arange(n, dtype=torch.float32) for n in (3, 0, 5, 1)]
        self.expected = [row.tolist() for row in self.rows]

    def test_lists_of_tensors(self):
        self.assertEqual(ragged(self.rows).tolist(), self.expected)
        columns = [torch.arange(12).reshape(3, 4)[:, 1:3], torch.arange(4).reshape(2, 2).t()]
        self.assertEqual(ragged(columns).tolist(), [each.tolist() for each in columns])
        self.assertEqual(ragged([torch.ones(2, dtype=torch.bfloat16)]).dtype, "bfloat16")
        rows = [torch.zeros(n, 2) for n in (1, 0, 4)]
        self.assertEqual(ragged(rows).shape, (3, None, 2))
        self.assertTrue(multibuffer.verify(ragged(rows), multibuffer.ragged_reference(rows)))

    def test_what_is_recorded_is_refused(self):
        self.refused(BufferError, "detach", ragged, [torch.ones(2), torch.ones(3, requires_grad=True)])

    def test_padded_as_pad_sequence_does(self):
        padded = torch.from_dlpack(ragged(self.rows).pad(fill=-1).to_host())
        self.assertTrue(torch.equal(padded, torch.nn.utils.rnn.pad_sequence(
            self.rows, batch_first=True, padding_value=-1)))

    def test_the_example(self):
        import example_pad
        tokens, cu_seqlens, longest = example_pad.main()
        self.assertEqual((tuple(tokens.shape), cu_seqlens.tolist(), longest),
                         ((4, 12), [0, 5, 5, 17, 20], 12))

    def test_cu_seqlens(self):
        values, offsets = ragged(self.rows).pack(dtype="float16", offsets_dtype=torch.int32)
        cu_seqlens = torch.from_dlpack(offsets.to_host())
        self.assertEqual((cu_seqlens.dtype, cu_seqlens.tolist()), (torch.int32, [0, 3, 3, 8, 9]))
        again = ragged(torch.from_dlpack(values.to_host()), offsets=cu_seqlens)
        self.assertEqual(again.tolist(), self.expected)

    def test_nested_tensors(self):
        if not hasattr(torch, "nested"):
            self.skipTest("this torch has no nested tensors")
        nested = torch.nested.nested_tensor(self.rows)
        self.assertEqual(multibuffer.ragged(nested).tolist(), self.expected)
        self.refused(BufferError, "multibuffer.ragged", multibuffer.upload, nested)

    def test_jagged_tensors(self):
        if not hasattr(torch, "jagged"):
            self.skipTest("this torch has no jagged layout")
        rows = [torch.arange(2.0 * n).reshape(n, 2) for n in (3, 1, 5)]
        nested = torch.nested.nested_tensor(rows, layout=torch.jagged)
        result = multibuffer.ragged(nested, device="host")
        self.assertEqual(result.tolist(), [row.tolist() for row in rows])
        self.assertEqual(result.pack().values.tolist(), nested.values().tolist())
        nested.values()[0, 0] = 99  # in place
        self.assertEqual(result[0].tolist()[0], [99, 1])
        self.refused(ValueError, "differ in their first axis alone", multibuffer.ragged,
                     nested.transpose(1, 2), device="host")
        narrow = torch.nested.narrow(torch.arange(12.0).reshape(3, 4), 1, torch.tensor([0, 1, 2]),
                                     torch.tensor([2, 1, 2]), layout=torch.jagged)
        self.assertEqual(multibuffer.ragged(narrow, device="host").tolist(),
                         [part.tolist() for part in narrow.unbind()])
        values, offsets = (torch.from_dlpack(each.to_host()) for each in result.pack([2, 0]))
        again = torch.nested.nested_tensor_from_jagged(values, offsets)
        self.assertEqual([part.tolist() for part in again.unbind()], [rows[2].tolist(),
                                                                       result[0].tolist()])


@needs(pyarrow, "pyarrow")
class Arrow(Case):
    @needs(numpy, "NumPy")
    def test_tensors(self):
        if not hasattr(pyarrow, "FixedShapeTensorArray"):
            self.skipTest("this pyarrow has no tensors")
        elements = numpy.arange(12, dtype="i4").reshape(2, 3, 2)
        rows = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(elements)
        result = multibuffer.ragged(rows, device="host")
        self.assertEqual((result.shape, result.tolist()), ((2, None, 2), elements.tolist()))
        self.assertEqual(multibuffer.ragged(rows[1:], device="host").tolist(), elements[1:].tolist())
        lists = pyarrow.ListArray.from_arrays(pyarrow.array([0, 2, 2], pyarrow.int32()), rows)
        self.assertEqual(multibuffer.ragged(lists, device="host").tolist(), [elements.tolist(), []])
        permuted = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(elements.transpose(0, 2, 1))
        self.assertEqual(multibuffer.open(permuted).copy().tolist(),
                         elements.transpose(0, 2, 1).tolist())
        self.refused(TypeError, "permuted", multibuffer.ragged, permuted)

    def kinds(self, rows, of=None):
        of = of or pyarrow.int16()
        yield pyarrow.array(rows, pyarrow.list_(of))
        yield pyarrow.array(rows, pyarrow.large_list(of))
        if hasattr(pyarrow, "list_view"):
            yield pyarrow.array(rows, pyarrow.list_view(of))
            yield pyarrow.array(rows, pyarrow.large_list_view(of))

    def test_lists_of_every_kind(self):
        for column in self.kinds(ROWS):
            with self.subTest(column.type):
                self.assertEqual(multibuffer.ragged(column).tolist(), ROWS)
                self.assertEqual(multibuffer.ragged(column[1:3]).tolist(), ROWS[1:3])
                self.assertEqual(multibuffer.ragged(column[:0]).tolist(), [])
                chunked = pyarrow.chunked_array([column[:1], column[1:1], column[2:]])
                self.assertEqual(multibuffer.ragged(chunked).tolist(), [ROWS[0]] + ROWS[2:])
                table = pyarrow.table({"x": column})
                self.assertEqual(multibuffer.ragged(table).tolist(), ROWS)
                self.assertEqual(multibuffer.ragged_reference(column).tolist(), ROWS)
        equal = pyarrow.array([[1, 2], [3, 4]], pyarrow.list_(pyarrow.int8(), 2))
        self.assertEqual(multibuffer.ragged(equal).tolist(), [[1, 2], [3, 4]])
        self.assertEqual(multibuffer.ragged(equal[1:]).tolist(), [[3, 4]])

    def test_lists_of_fixed_size_lists(self):
        rows = [[[1, 2], [3, 4]], [], [[5, 6]]]
        column = pyarrow.array(rows, pyarrow.list_(pyarrow.list_(pyarrow.float32(), 2)))
        result = multibuffer.ragged(column)
        self.assertEqual((result.shape, result.tolist()), ((3, None, 2), rows))
        self.assertEqual(multibuffer.ragged(column[2:]).tolist(), rows[2:])

    def test_list_views_in_any_order(self):
        if not hasattr(pyarrow, "ListViewArray"):
            self.skipTest("this pyarrow has no list views")
        values = pyarrow.array([1, 2, 3, None, 5])
        column = pyarrow.ListViewArray.from_arrays(
            pyarrow.array([4, 0, 1, 99 % 5], pyarrow.int32()), pyarrow.array([1, 3, 1, 0], pyarrow.int32()),
            values)
        self.assertEqual(multibuffer.ragged(column).tolist(), [[5], [1, 2, 3], [2], []])
        self.refused(ValueError, "a null in its row 1", multibuffer.ragged,
                     pyarrow.ListViewArray.from_arrays(pyarrow.array([4, 2], pyarrow.int32()),
                                                       pyarrow.array([1, 2], pyarrow.int32()), values))

    def test_what_is_refused(self):
        for column in self.kinds([[1], None, [2, 3]]):
            self.refused(ValueError, "batch 0 has a null in its row 1", multibuffer.ragged, column)
            self.assertEqual(multibuffer.ragged(column[2:]).tolist(), [[2, 3]])
        for column in self.kinds([[1], [], [2, None]]):
            self.refused(ValueError, "batch 0 has a null in its row 2", multibuffer.ragged, column)
            self.assertEqual(multibuffer.ragged(column[:2]).tolist(), [[1], []])
        self.refused(TypeError, "strings", multibuffer.ragged, pyarrow.array([["a"]]))
        self.refused(TypeError, "bools", multibuffer.ragged, pyarrow.array([[True]]))
        self.refused(TypeError, "lists that differ in length", multibuffer.ragged,
                     pyarrow.array([[[1], [2, 3]]]))
        self.refused(TypeError, "which is no list: give it as the values", multibuffer.ragged,
                     pyarrow.array([1, 2]))
        self.refused(TypeError, r"multibuffer.ragged\(\) takes one axis", multibuffer.open,
                     pyarrow.array([[1], [2, 3]]))

    def test_values_and_back(self):
        values = pyarrow.array([1.5, 2.5, 3.5])
        self.assertEqual(multibuffer.ragged(values, lengths=[2, 1], device="host").tolist(),
                         [[1.5, 2.5], [3.5]])
        values, offsets = multibuffer.ragged(ints(*ROWS), device="host").pack(offsets_dtype="int32")
        column = pyarrow.ListArray.from_arrays(
            pyarrow.Array.from_buffers(pyarrow.int32(), len(offsets), [None, pyarrow.py_buffer(offsets)]),
            pyarrow.Array.from_buffers(pyarrow.int32(), len(values), [None, pyarrow.py_buffer(values)]))
        self.assertEqual(column.to_pylist(), ROWS)
        self.assertEqual(multibuffer.ragged(column).tolist(), ROWS)

    def test_the_column_is_held(self):
        result = multibuffer.ragged(pyarrow.array([list(range(1000))] * 9), device="host")
        before = pyarrow.total_allocated_bytes()
        gc.collect()
        self.assertEqual(result[8].tolist(), list(range(1000)))
        del result
        gc.collect()
        self.assertLess(pyarrow.total_allocated_bytes(), before)


class ArrowByHand(Case):
    """What producers say that is not so."""

    def column(self, format, elements, *children):
        import test_arrow
        self.addCleanup(lambda: (gc.collect(), self.assertEqual(test_arrow.alive, {})))
        return test_arrow.Single(test_arrow.Field(format, test_arrow.INT32), elements)

    def lists(self, length, offsets, values, sizes=None, code="i", **words):
        from test_arrow import Array, int32s
        pack = [None, struct.pack(f"{len(offsets)}{code}", *offsets)]
        if sizes is not None:
            pack.append(struct.pack(f"{len(sizes)}{code}", *sizes))
        return Array(length, pack, Array(len(values), [None, int32s(*values)]), **words)

    def test_offsets(self):
        good = self.lists(2, [0, 1, 3], [7, 8, 9])
        self.assertEqual(multibuffer.ragged(self.column(b"+l", good)).tolist(), [[7], [8, 9]])
        wide = self.lists(1, [0, 1, 3], [7, 8, 9], code="q", offset=1)
        self.assertEqual(multibuffer.ragged(self.column(b"+L", wide)).tolist(), [[8, 9]])
        views = self.lists(2, [2, 0], [7, 8, 9], sizes=[1, 2])
        self.assertEqual(multibuffer.ragged(self.column(b"+vl", views)).tolist(), [[9], [7, 8]])
        for format, array_, words in (
                (b"+l", self.lists(2, [0, 2, 1], [7, 8, 9]), "the offset 2 and the length -1 for its row 1"),
                (b"+l", self.lists(2, [0, 1, 4], [7, 8, 9]), r"3 elements where 0 \+ 4 are needed"),
                (b"+l", self.lists(1, [-1, 1], [7]), "the offset -1"),
                (b"+vl", self.lists(1, [2], [7, 8], sizes=[1]), r"2 elements where 2 \+ 1"),
                (b"+vL", self.lists(1, [2**62], [7, 8], sizes=[2**62], code="q"), "the offset"),
                (b"+vl", self.lists(1, [0, 1], [7]), "2 buffers where its type has 3"),
                (b"+l", self.lists(1, [0, 1], [7], n_children=0), "0 children"),
                (b"+l", self.lists(-1, [0, 1], [7]), "negative length"),
                (b"+l", self.lists(2**62, [0, 1], [7], offset=2**62), "too large")):
            with self.subTest(words):
                self.refused(ValueError, words, multibuffer.ragged, self.column(format, array_))
        self.assertEqual(
            multibuffer.ragged(self.column(b"+l", self.lists(0, [], []))).tolist(), [])

    def tensors(self, shape, *around, **more):
        """Two tensors of int32 of 0, 1, ..., as rows or, with `around`, in one list each."""
        from test_arrow import INT32, Array, Field, Single, int32s
        pairs = {b"ARROW:extension:name": b"arrow.fixed_shape_tensor",
                 b"ARROW:extension:metadata": json.dumps({"shape": shape, **more}).encode()}
        words = struct.pack("i", len(pairs)) + b"".join(
            struct.pack("i", len(word)) + word for pair in pairs.items() for word in pair)
        memory = ctypes.create_string_buffer(words, len(words))
        size = math.prod(shape)
        field = Field(b"+w:%d" % size, INT32)
        field.lies = {"metadata": ctypes.cast(memory, ctypes.c_char_p)}
        field.memory = memory
        elements = Array(2, [None], Array(2 * size, [None, int32s(*range(2 * size))]))
        for code in around:
            field = Field(code, field)
            elements = Array(2, [None] if code == b"+w:1" else
                             [None, struct.pack("3i", 0, 1, 2)], elements)
        return multibuffer.ragged(Single(field, elements))

    def test_tensors_keep_their_shape(self):
        expected = [[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]]
        for permutation in None, [0, 1]:
            rows = self.tensors([3, 2], permutation=permutation)
            self.assertEqual((rows.shape, rows.tolist()), ((2, None, 2), expected))
            for around in b"+l", b"+w:1":
                items = self.tensors([3, 2], around, permutation=permutation)
                self.assertEqual(items.shape, (2, None, 3, 2))
                self.assertEqual(items.tolist(), [[row] for row in expected])
            deeper = self.tensors([3, 2], b"+w:1", b"+l", permutation=permutation)
            self.assertEqual(deeper.tolist(), [[[row]] for row in expected])
        self.assertEqual(self.tensors([2]).tolist(), [[0, 1], [2, 3]])
        self.assertEqual(self.tensors([1, 2, 3]).shape, (2, None, 2, 3))
        for around in (), (b"+l",), (b"+w:1",), (b"+w:1", b"+l"):
            self.refused(TypeError, "permuted", self.tensors, [3, 2], *around, permutation=[1, 0])
        self.refused(TypeError, "without axes", self.tensors, [])
        self.refused(ValueError, "tensors of shape", self.tensors, [0, 2**40, 2**40])


class Hostile(Case):
    def test_lists_that_change_while_they_are_read(self):
        for change in ("clear", "pop", "grow", "replace"):
            with self.subTest(change):
                items = []

                def act(_, change=change, items=items):
                    if change == "clear":
                        items.clear()
                    elif change == "pop":
                        items.pop()
                    elif change == "grow":
                        items.extend(items[:1])
                    else:
                        items[-1] = 7

                memory = ctypes.create_string_buffer(b"abcdef")
                source = exporter(ctypes.addressof(memory), (3,), (1,), keep=memory)
                source.on_getbuffer = act
                items[:] = [b"x", source, b"yz"]
                try:
                    self.assertLessEqual(len(multibuffer.ragged(items, device="host")), 3)
                except TypeError:
                    self.assertEqual(change, "replace")

    def test_a_part_that_says_another_length_each_time(self):
        memory = ctypes.create_string_buffer(100)

        class Changing:
            pass

        rows = []
        for _ in range(4):
            source = exporter(ctypes.addressof(memory), (1,), (1,), keep=memory)

            def act(self, rows=rows):
                self.shape = [self.shape[0] + 1]
                self.len = self.shape[0]

            source.on_getbuffer = act
            rows.append(source)
        for _ in range(3):
            result = multibuffer.ragged(rows, device="host", placement="packed")
            self.assertEqual(result.lengths.tolist(), [len(row) for row in result.tolist()])

    def test_parts_that_lie(self):
        memory = ctypes.create_string_buffer(16)
        at = ctypes.addressof(memory)
        good = exporter(at, (4,), (1,), keep=memory)
        for name, lie, words in (
                ("len", 3, ""), ("shape", [-1], ""), ("shape", [2**62], ""), ("strides", [-1], ""),
                ("buf", 0, ""), ("itemsize", 2, "")):
            bad = exporter(at, (4,), (1,), keep=memory)
            setattr(bad, name, lie)
            if name == "strides":  # backwards from the first byte: only what is there is read
                bad.buf = at + 3
                self.assertEqual(len(multibuffer.ragged([good, bad], device="host")[1]), 4)
                continue
            with self.subTest(name):
                with self.assertRaises((BufferError, ValueError)):
                    multibuffer.ragged([good, bad], device="host")

    def test_parts_that_grow_while_they_are_held(self):
        grows = bytearray(b"abc")
        result = multibuffer.ragged([b"x", grows], device="host")
        with self.assertRaises(BufferError):
            grows.extend(b"defg" * 1000)
        self.assertEqual(result.tolist(), [[120], [97, 98, 99]])
        del result
        grows.extend(b"d")

    @needs(numpy, "numpy")
    def test_arrays_that_are_reshaped_while_they_are_held(self):
        row = numpy.arange(6)
        result = multibuffer.ragged([numpy.arange(2), row], device="host")
        row.shape = (2, 3)
        with self.assertRaises(ValueError):
            row.resize(1000)
        self.assertEqual(result.lengths.tolist(), [2, 6])
        self.assertEqual(result[1].tolist(), [0, 1, 2, 3, 4, 5])

    def test_offsets_whose_conversion_changes_the_list(self):
        offsets = []

        class Index:
            def __index__(self):
                offsets.clear()
                return 0

        offsets[:] = [Index(), 1, 2]
        try:
            multibuffer.ragged(b"ab", offsets=offsets, device="host")
        except (ValueError, TypeError):
            pass

    def test_exports_are_given_back(self):
        memory = ctypes.create_string_buffer(16)
        sources = [exporter(ctypes.addressof(memory), (n,), (1,), keep=memory) for n in (1, 2, 3)]
        result = multibuffer.ragged(sources, device="host")
        view, row, plan = result[1:], result[2], result.plan_pad()
        del result, view
        gc.collect()
        self.assertEqual([source.acquired - source.released for source in sources], [1, 1, 1])
        del row
        gc.collect()
        self.assertEqual([source.acquired - source.released for source in sources], [1, 1, 1])
        del plan
        gc.collect()
        self.assertEqual([source.acquired - source.released for source in sources], [0, 0, 0])
        multibuffer.ragged(sources, device="host", placement="packed")
        with self.assertRaises(ValueError):
            multibuffer.ragged([*sources, array.array("i", [1])], device="host")
        self.assertEqual([source.acquired - source.released for source in sources], [0, 0, 0])

    def test_threads_share_an_array(self):
        result = ragged(ints(*[range(i % 50) for i in range(500)]))
        expected, errors = result.pack().values.tolist(), []

        def work():
            for _ in range(20):
                if result.pack().values.tolist() != expected or result.pad().shape != (500, 49):
                    errors.append("differs")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])


if __name__ == "__main__":
    unittest.main()
