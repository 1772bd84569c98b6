"""Every combination of indirect axes, against memoryview where it is right and the reference."""

import array
import gc
import itertools
import random
import unittest
import weakref

import multibuffer
from support import DEVICE, Tables, require_device, upload


def setUpModule():
    require_device()


def subsets(ndim):
    for count in range(ndim + 1):
        yield from itertools.combinations(range(ndim), count)


def flat(nested):
    if not isinstance(nested, list):
        return [nested]
    return [element for part in nested for element in flat(part)]


def random_key(random_, shape):
    """Slices and integers for some of the axes, never taking all elements away."""
    key = []
    for extent in shape[:random_.randint(1, len(shape))]:
        if random_.random() < 0.25:
            key.append(random_.randrange(-extent, extent))
        else:
            start = random_.randrange(extent)
            step = random_.choice((1, 2, -1, -2))
            key.append(slice(start, None, step))
    return tuple(key)


class Indirect(unittest.TestCase):
    SHAPES = {0: (), 1: (3,), 2: (2, 3), 3: (2, 1, 3), 4: (2, 3, 1, 2), 5: (2, 1, 2, 2, 3)}

    def arrays(self):
        for ndim, shape in self.SHAPES.items():
            for indirect in subsets(ndim):
                yield Tables(shape, indirect)

    def test_all_combinations(self):
        count = 0
        for tables in self.arrays():
            source = tables.exporter()
            with self.subTest(shape=tables.shape, indirect=tables.indirect):
                uploaded = upload(source)
                self.assertEqual(uploaded.tolist(), tables.nested())
                self.assertEqual(multibuffer.reference(source).tolist(), tables.nested())
                self.assertEqual(uploaded.tobytes(), memoryview(source).tobytes())
                count += 1
        self.assertEqual(count, sum(2**ndim for ndim in self.SHAPES))

    def test_views_and_gathers_of_them(self):
        random_ = random.Random(3118)
        for tables in self.arrays():
            if not tables.shape:
                continue
            reverse = {axis for axis in range(len(tables.shape)) if random_.random() < 0.4}
            source = Tables(tables.shape, tables.indirect, reverse=reverse).exporter()
            uploaded, reference = upload(source), multibuffer.reference(source)
            for _ in range(8):
                key = random_key(random_, tables.shape)
                with self.subTest(shape=tables.shape, indirect=tables.indirect, reverse=reverse,
                                  key=key):
                    view, expected = uploaded[key], reference[key]
                    self.assertEqual(view.shape, expected.shape)
                    self.assertEqual(view.tobytes(), expected.tobytes())
                    axes = list(range(view.ndim))
                    random_.shuffle(axes)
                    self.assertEqual(view.transpose(axes).tobytes(),
                                     expected.transpose(axes).tobytes())
                    if not view.ndim:
                        continue
                    axis = random_.randrange(view.ndim)
                    extent = view.shape[axis]
                    indices = [random_.randrange(-extent, extent) for _ in range(4)]
                    self.assertEqual(view.take(indices, axis).tobytes(),
                                     expected.take(indices, axis).tobytes())

    def test_slice_then_gather_is_gather_then_slice(self):
        random_ = random.Random(1)
        for indirect in subsets(3):
            uploaded = upload(Tables((4, 3, 5), indirect).exporter())
            rows = [random_.randrange(4) for _ in range(6)]
            sliced_first = uploaded[:, ::-1, 1:4].take(rows)
            gathered_first = upload(uploaded.take(rows))[:, ::-1, 1:4].copy()
            self.assertEqual(sliced_first.tobytes(), gathered_first.tobytes())

    def test_slices_that_turn_a_suboffset_negative(self):
        # memoryview and Cython take the sign for the flag, and read pointers as numbers.
        source = Tables((2, 6), {0}, padding=0, reverse={1}).exporter()
        uploaded = upload(source)
        self.assertEqual(uploaded[:, 4:].tolist(), [[4, 5], [10, 11]])
        self.assertEqual(multibuffer.reference(source)[:, 4:].tolist(), [[4, 5], [10, 11]])


class Block:
    """Rows of three 16-bit numbers in the memory of the device, and where they are."""

    def __init__(self, count):
        numbers = array.array("h", range(3 * count))
        self.result = upload(memoryview(numbers).cast("B").cast("h", (count, 3))).copy()
        interface = (self.result.__array_interface__ if DEVICE == "host"
                     else self.result.__cuda_array_interface__)
        self.address = interface["data"][0]

    def rows(self, numbers):
        return array.array("Q", (self.address + 6 * number for number in numbers))

    def pointers(self, table, shape=3, **options):
        return multibuffer.from_pointers(table, shape, "h", device=DEVICE, owner=self, **options)


class FromPointers(unittest.TestCase):
    def setUp(self):
        self.block = Block(4)

    def test_rows_by_their_addresses(self):
        pointers = self.block.pointers(self.block.rows([2, 0, 2]))
        self.assertEqual((pointers.shape, pointers.dtype, pointers.readonly), ((3, 3), "int16", True))
        self.assertEqual(pointers.device, "host" if DEVICE == "host" else "cuda:0")
        there = multibuffer.upload(pointers, placement="in_place")
        self.assertEqual(there.tolist(), [[6, 7, 8], [0, 1, 2], [6, 7, 8]])
        self.assertEqual(there[::-1, ::-2].tolist(), [[8, 6], [2, 0], [8, 6]])
        self.assertEqual(there.device, pointers.device)

    def test_parts_of_any_shape(self):
        table = self.block.rows([3, 1])
        place = dict(placement="in_place")
        self.assertEqual(multibuffer.upload(self.block.pointers(table, ()), **place).tolist(), [9, 3])
        self.assertEqual(multibuffer.upload(self.block.pointers(table, (1, 2)), **place).tolist(),
                         [[[9, 10]], [[3, 4]]])
        self.assertEqual(
            multibuffer.upload(self.block.pointers(table, (2, 2), strides=(-2, 4)), **place).tolist(),
            [[[9, 11], [8, 10]], [[3, 5], [2, 4]]])
        self.assertEqual(multibuffer.upload(self.block.pointers(table, (0, 2)), **place).tolist(),
                         [[], []])

    def test_tables_of_any_shape(self):
        table = memoryview(self.block.rows([3, 1, 0, 2])).cast("B").cast("Q", (2, 2))
        there = multibuffer.upload(self.block.pointers(table), placement="in_place")
        self.assertEqual(there.tolist(), [[[9, 10, 11], [3, 4, 5]], [[0, 1, 2], [6, 7, 8]]])
        every_second = memoryview(self.block.rows([3, 1, 0, 2]))[::-2]
        self.assertEqual(multibuffer.upload(self.block.pointers(every_second),
                                            placement="in_place").tolist(), [[6, 7, 8], [3, 4, 5]])

    def test_tables_behind_pointers(self):
        tables = [self.block.rows([3, 1]), self.block.rows([0, 2])]
        there = multibuffer.upload(self.block.pointers(multibuffer.stack(tables[::-1])),
                                   placement="in_place")
        self.assertEqual(there.tolist(), [[[0, 1, 2], [6, 7, 8]], [[9, 10, 11], [3, 4, 5]]])

    def test_rows_in_several_blocks(self):
        blocks = [Block(2), self.block, Block(1)]
        table = [blocks[i].rows([row])[0] for i, row in ((1, 3), (0, 0), (2, 0), (1, 0), (0, 1))]
        pointers = multibuffer.from_pointers(array.array("Q", table), 3, "h", device=DEVICE,
                                             owner=blocks)
        self.assertEqual(multibuffer.upload(pointers, placement="in_place").tolist(),
                         [[9, 10, 11], [0, 1, 2], [0, 1, 2], [0, 1, 2], [3, 4, 5]])

    def test_what_is_kept(self):
        block = weakref.ref(self.block)
        there = multibuffer.upload(self.block.pointers(self.block.rows([1, 0])), placement="in_place")
        self.block = None
        gc.collect()
        self.assertIsNotNone(block())
        self.assertEqual(there.tolist(), [[3, 4, 5], [0, 1, 2]])
        del there
        gc.collect()
        self.assertIsNone(block())

    def test_lists_of_addresses(self):
        table = self.block.rows([2, 0, 2])
        expected = [[6, 7, 8], [0, 1, 2], [6, 7, 8]]
        for addresses in (list(table), tuple(table)):
            there = multibuffer.upload(self.block.pointers(addresses), placement="in_place")
            self.assertEqual(there.tolist(), expected)
        self.assertEqual(self.block.pointers([]).shape, (0, 3))
        for addresses, error, message in (
                ([table[0], "1"], TypeError, r"pointers\[1\] must be an integer, not str"),
                ([table[0], table], TypeError, r"pointers\[1\] must be an integer, not array"),
                ([True], TypeError, r"pointers\[0\] must be an integer, not bool"),
                ([table[0], -1], ValueError, r"pointers\[1\] is out of range"),
                ([2**64], ValueError, r"pointers\[0\] is out of range")):
            with self.assertRaisesRegex(error, message):
                self.block.pointers(addresses)

    def test_formats_and_dtypes(self):
        class Dtype:
            name = "int16"

        table = self.block.rows([2, 0])
        for format in ("h", "<h", "int16", "i2", "<i2", Dtype()):
            pointers = multibuffer.from_pointers(table, 3, format, device=DEVICE, owner=self.block)
            self.assertEqual(pointers.dtype, "int16")
            self.assertEqual(multibuffer.upload(pointers, placement="in_place").tolist(),
                             [[6, 7, 8], [0, 1, 2]])
        self.assertEqual(multibuffer.from_pointers(table, 3, "T{h:x:h:y:}").format, "T{h:x:h:y:}")
        self.assertEqual(multibuffer.from_pointers(table, 3, int).dtype, "int64")
        for format in (None, 3, Dtype):
            if format is Dtype:
                Dtype.name = "int7"
            with self.assertRaisesRegex(TypeError, "format must be a str, as PEP 3118"):
                multibuffer.from_pointers(table, 3, format)

    def test_addresses_are_of_one_device(self):
        with self.assertRaisesRegex(ValueError, "device 'auto': addresses are of one memory"):
            multibuffer.from_pointers(self.block.rows([0]), 3, "h", device="auto")

    def test_what_is_refused(self):
        with self.assertRaisesRegex(TypeError, "integers of 64 bits .* not 'i'"):
            self.block.pointers(array.array("i", [1, 2]))
        with self.assertRaisesRegex(TypeError, "not 'd'"):
            self.block.pointers(array.array("d", [1, 2]))
        with self.assertRaisesRegex(ValueError, "shape has 2 numbers, strides 1"):
            self.block.pointers(self.block.rows([0]), (1, 2), strides=2)
        with self.assertRaisesRegex(BufferError, r"NULL pointer .* index \[1, :\]"):
            multibuffer.upload(self.block.pointers(array.array("Q", [self.block.address, 0])),
                               placement="in_place")
        with self.assertRaisesRegex(ValueError, "negative extent -1"):
            self.block.pointers(self.block.rows([0]), -1)

    @unittest.skipUnless(DEVICE == "host", "exports host memory")
    def test_it_exports_host_memory(self):
        view = memoryview(self.block.pointers(self.block.rows([2, 0])))
        self.assertEqual((view.shape, view.suboffsets), ((2, 3), (0, -1)))
        self.assertEqual(view.tolist(), [[6, 7, 8], [0, 1, 2]])


if __name__ == "__main__":
    unittest.main()
