"""DeviceArray.update(): new elements for an array and all of its views."""

import ctypes
import unittest

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


class InPlace(unittest.TestCase):
    def test_has_nothing_to_update(self):
        import multibuffer

        source = rows(0, 10)
        array = multibuffer.upload(source, device="host", placement="in_place")
        with self.assertRaisesRegex(ValueError, "nothing to update"):
            array.update(source)


if __name__ == "__main__":
    unittest.main()
