"""DeviceArray.update(): new elements for an array and all of its views."""

import ctypes
import gc
import unittest
import weakref

from support import require_device, upload


def setUpModule():
    require_device()


def rows(*firsts):
    return [(ctypes.c_int32 * 3)(*range(first, first + 3)) for first in firsts]


class Update(unittest.TestCase):
    def test_every_view_has_the_new_elements(self):
        source = rows(0, 10, 20)
        array = upload(source)
        view = array[::-1, 1]
        source[1][1] = -5
        self.assertEqual(view.tolist(), [21, 11, 1])
        self.assertIsNone(view.update(source))
        self.assertEqual(view.tolist(), [21, -5, 1])
        array.update(rows(30, 40, 50))
        self.assertEqual(array.tolist(), [[30, 31, 32], [40, 41, 42], [50, 51, 52]])
        self.assertEqual(view.tolist(), [51, 41, 31])

    def test_its_own_elements_in_another_order_are_read_first(self):
        source = rows(0, 10, 20, 30)
        for other in (lambda array: array[::-1], lambda array: array[::-1].copy()):
            array = upload(source)
            array.update(other(array))
            self.assertEqual(array.tolist(), [list(row) for row in source[::-1]])

    def test_results_gathered_before_stay(self):
        array = upload(rows(0, 10))
        before = array.copy()
        array.update(rows(20, 30))
        self.assertEqual(before.tolist(), [[0, 1, 2], [10, 11, 12]])

    def test_what_needs_another_layout_is_refused(self):
        source = rows(0, 10, 20)
        array = upload(source)
        with self.assertRaisesRegex(ValueError, r"its shape is \(2, 3\), the array's \(3, 3\)"):
            array.update(source[:2])
        with self.assertRaisesRegex(ValueError, "another layout"):
            array.update([source[0]] * 3)
        with self.assertRaisesRegex(ValueError, "its format is"):
            array.update([(ctypes.c_float * 3)() for _ in range(3)])
        with self.assertRaises(TypeError):
            array.update(3)
        self.assertEqual(array.tolist(), [[0, 1, 2], [10, 11, 12], [20, 21, 22]])


class Row(ctypes.c_int32 * 3):
    """A row that weak references can follow."""


def followed(*firsts):
    return [Row(*range(first, first + 3)) for first in firsts]


class UpdatePointers(unittest.TestCase):
    def test_shares_the_rows_that_stay(self):
        source = followed(0, 10, 20)
        array = upload(source, keep_sources=True)
        self.assertEqual(array.tolist(), [[0, 1, 2], [10, 11, 12], [20, 21, 22]])
        source[1][0] = -1  # a row that is known is not read again
        new = array.update_pointers([source[2], source[1], *followed(30)])
        self.assertEqual(new.tolist(), [[20, 21, 22], [10, 11, 12], [30, 31, 32]])
        self.assertEqual(array.tolist(), [[0, 1, 2], [10, 11, 12], [20, 21, 22]])
        again = new[::-1].update_pointers([source[1]])
        self.assertEqual(again.tolist(), [[10, 11, 12]])
        del array, new
        gc.collect()
        self.assertEqual(again.tolist(), [[10, 11, 12]])

    def test_a_window_that_slides_never_takes_a_new_row_for_one_that_went(self):
        window = followed(0, 10, 20)
        array = upload(window, keep_sources=True)
        for first in range(30, 400, 10):
            window = window[1:] + followed(first)  # at the address of one that went, if that went
            array = array.update_pointers(window)
            self.assertEqual(array.tolist(), [list(row) for row in window])

    def test_keeps_the_rows_that_it_has_and_no_others(self):
        source = followed(0, 10)
        first, second = (weakref.ref(row) for row in source)
        array = upload(source, keep_sources=True)
        del source[0]
        gc.collect()
        self.assertIsNotNone(first())
        array = array.update_pointers(source)
        del source
        gc.collect()
        self.assertIsNone(first())
        self.assertIsNotNone(second())
        del array
        gc.collect()
        self.assertIsNone(second())

    def test_what_it_refuses(self):
        with self.assertRaisesRegex(ValueError, "keep_sources"):
            upload(rows(0, 10)).update_pointers(rows(0))
        array = upload(rows(0, 10), keep_sources=True)
        with self.assertRaisesRegex(ValueError, "format"):
            array.update_pointers([(ctypes.c_float * 3)()])
        with self.assertRaisesRegex(ValueError, "other extents"):
            array.update_pointers([(ctypes.c_int32 * 4)()])
        with self.assertRaisesRegex(ValueError, "update_pointers"):
            array.update(rows(0, 10))


class InPlace(unittest.TestCase):
    def test_has_nothing_to_update(self):
        import multibuffer

        source = rows(0, 10)
        array = multibuffer.upload(source, device="host", placement="in_place")
        with self.assertRaisesRegex(ValueError, "nothing to update"):
            array.update(source)


if __name__ == "__main__":
    unittest.main()
