"""DLPack's C exchange table: ours, used by C code, and others', used by us."""

import gc
import unittest
import weakref

import multibuffer
from _exchange import (Tensor, describe, live_tensors, make, newer_table, plain_table, take,
                       take_with_table_of)
from support import optional_import

torch = optional_import("torch")


def tensor(*elements, **options):
    return Tensor(list(elements), [len(elements)], [1], **options)


class OurTable(unittest.TestCase):
    def setUp(self):
        self.result = multibuffer.upload([b"abc", b"def"], device="host").copy()

    def test_it_says_what_it_is(self):
        self.assertEqual(describe(multibuffer.DeviceBuffer), (1, 2, True, True))

    def test_a_tensor_shares_the_memory(self):
        shape, strides, dtype, device, address, version = take(self.result)
        self.assertEqual((shape, strides, dtype, device, version), ([2, 3], [3, 1], (1, 8), (1, 0), 1))
        self.assertEqual(address, self.result.__array_interface__["data"][0])
        shape, strides, *_ = take(multibuffer.upload([b"abc", b"def"], device="host").copy("F"))
        self.assertEqual((shape, strides), ([2, 3], [1, 2]))

    def test_made_through_the_table(self):
        for device_type in (1, 3):  # of the processor, plain and page-locked
            made = make(multibuffer.DeviceBuffer, [2, 3], 0, 32, device_type, fill=1)
            self.assertIsInstance(made, multibuffer.DeviceBuffer)
            self.assertEqual((made.dtype, made.device), ("int32", "host"))
            self.assertEqual(made.tolist(), [[0x01010101] * 3] * 2)
            self.assertEqual(multibuffer.upload(made, device="host").T.tolist(),
                             [[0x01010101] * 2] * 3)
            view = memoryview(made)
            del made
            gc.collect()
            self.assertEqual(view.tobytes(), b"\1" * 24)
        self.assertEqual(make(multibuffer.DeviceBuffer, [0, 3], 2, 64).tolist(), [])
        self.assertEqual(make(multibuffer.DeviceBuffer, [], 2, 64).tolist(), 0.0)

    def test_what_it_cannot_take_or_make(self):
        structs = multibuffer.upload(memoryview(b"abcd").cast("c"), device="host").copy()
        with self.assertRaisesRegex(BufferError, "DLPack cannot hold elements of format 'c'"):
            take(structs)
        with self.assertRaisesRegex(TypeError, "objects of type multibuffer.DeviceBuffer"):
            take_with_table_of(multibuffer.DeviceBuffer, b"abc")
        with self.assertRaisesRegex(BufferError, "read-only"):
            make(multibuffer.DeviceBuffer, [2], 0, 32, readonly=True)
        for arguments, message in ((([-1], 0, 32), "BufferError: .*negative extent -1"),
                                   (([2], 0, 24), "BufferError: .*24 bits"),
                                   (([2], 0, 32, 10), "BufferError: .*device type 10"),
                                   (([2**62, 4], 0, 64), "Error: "),
                                   (([2**46], 0, 8), "MemoryError: ")):
            with self.assertRaisesRegex(ValueError, message):
                make(multibuffer.DeviceBuffer, *arguments)


class OthersTables(unittest.TestCase):
    def tearDown(self):
        gc.collect()
        self.assertEqual(live_tensors(), 0)

    def test_a_tensor_is_taken_through_its_table(self):
        one = Tensor(list(range(10)), [2, 3], [1, 3], 2)
        array = multibuffer.upload(one, device="host")
        self.assertEqual(array.tolist(), [[2, 5, 8], [3, 6, 9]])
        self.assertEqual(live_tensors(), 0)
        # The reference has its own way, by Python's protocol.
        with self.assertRaisesRegex(TypeError, "through the table, please"):
            multibuffer.reference(one)

    def test_lists_of_tensors(self):
        tensors = [tensor(i, i + 1) for i in range(50)]
        stack = multibuffer.stack(tensors)
        self.assertEqual(live_tensors(), 50)
        self.assertEqual(memoryview(stack).tolist(), [[i, i + 1] for i in range(50)])
        self.assertFalse(stack.readonly)
        del stack
        self.assertEqual(multibuffer.upload(tensors, device="host").tolist(),
                         [[i, i + 1] for i in range(50)])

    def test_what_a_list_borrows_is_kept_by_its_objects(self):
        tensors = [Tensor([9, i, i + 1], [2], [1], 1) for i in range(50)]
        expected = [[i, i + 1] for i in range(50)]
        array = multibuffer.upload(tensors, device="host", placement="in_place")
        self.assertEqual(live_tensors(), 1)  # the first, by which the others are told
        kept = [weakref.ref(each) for each in tensors[1:]]
        del tensors
        gc.collect()
        self.assertTrue(all(each() for each in kept))
        self.assertEqual(array.tolist(), expected)
        del array
        gc.collect()
        self.assertFalse(any(each() for each in kept))

    def test_what_is_not_lent_is_taken(self):
        class Plain(Tensor):
            __dlpack_c_exchange_api__ = plain_table

        plain = [Plain([i], [1], [1]) for i in range(5)]
        array = multibuffer.upload(plain, device="host", placement="in_place")
        self.assertEqual((live_tensors(), array.tolist()), (5, [[i] for i in range(5)]))
        del array
        # Refuses to lend and to give: what it says of giving is what is raised.
        with self.assertRaisesRegex(ZeroDivisionError, "in from_object"):
            multibuffer.upload([tensor(1), tensor(2), tensor(3, misbehave="raises")])
        # Lends nothing, and gives.
        shy = [tensor(1), tensor(2, misbehave="lend"), tensor(3)]
        self.assertEqual(multibuffer.upload(shy, device="host").tolist(), [[1], [2], [3]])

    def test_lists_of_tensors_that_differ(self):
        like = [tensor(1, 2), tensor(3, 4)]
        with self.assertRaisesRegex(BufferError, "part 2 differs from part 0 in the extent"):
            multibuffer.stack(like + [tensor(5)])
        strided = Tensor([5, 0, 6], [2], [2])
        with self.assertRaisesRegex(BufferError, "part 2 differs from part 0 in the stride"):
            multibuffer.stack(like + [strided])
        mixed = like + [strided] + like + [memoryview(bytes(8)).cast("i")] + like
        self.assertEqual(multibuffer.upload(mixed, device="host").tolist(),
                         [[1, 2], [3, 4], [5, 6], [1, 2], [3, 4], [0, 0], [1, 2], [3, 4]])
        self.assertTrue(multibuffer.stack(like + [tensor(1, 2, readonly=True)]).readonly)

    def test_an_older_table_hangs_on_a_newer_one(self):
        class Newer(Tensor):
            __dlpack_c_exchange_api__ = newer_table

        self.assertEqual(multibuffer.upload(Newer([1, 2], [2], [1]), device="host").tolist(), [1, 2])

    def test_what_is_no_table_is_none(self):
        for thing in (None, 1, newer_table.__class__, object()):
            class Other(Tensor):
                __dlpack_c_exchange_api__ = thing

            with self.assertRaisesRegex(TypeError, "through the table, please"):
                multibuffer.upload(Other([1, 2], [2], [1]), device="host")

    def test_tables_that_misbehave(self):
        for misbehave, kind, message in (("silent", BufferError, "without saying why"),
                                         ("raises", ZeroDivisionError, "in from_object"),
                                         ("version", BufferError, "DLPack version 2.2")):
            bad = tensor(1, 2, misbehave=misbehave)
            for call in (multibuffer.upload, lambda x: multibuffer.stack([tensor(0, 0), x])):
                with self.assertRaisesRegex(kind, message):
                    call(bad)
                self.assertEqual(live_tensors(), 0)


if __name__ == "__main__":
    unittest.main()
