"""Every combination of indirect axes, against memoryview where it is right and the reference."""

import itertools
import random
import unittest

import multibuffer
from support import Tables, require_device, upload


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


if __name__ == "__main__":
    unittest.main()
