"""rows(): Pillow's images, by the table of row pointers that they have anyway."""

import gc
import unittest
import unittest.mock
import warnings

import multibuffer
from support import needs, optional_import

Image = optional_import("PIL.Image")
version = Image and Image.__version__

MODES = ("1", "L", "P", "I", "F", "LA", "RGB", "RGBA", "YCbCr", "CMYK", "HSV", "LAB", "I;16",
         "I;16B")
OF_BYTES = {"LAB": 60, "I;16": 40, "I;16B": 40}  # nothing is converted to these


def as_list(pixel):
    return list(pixel) if isinstance(pixel, tuple) else pixel


@needs(Image, "Pillow")
class Rows(unittest.TestCase):
    def picture(self, mode):
        image = Image.new("RGBA", (5, 4))
        image.putdata([(x * 50, y * 60, x * y * 12, 255 - x) for y in range(4) for x in range(5)])
        return image.convert(mode)

    def image(self, mode):
        if mode in OF_BYTES:
            return Image.frombytes(mode, (5, 4), bytes(range(OF_BYTES[mode])))
        return self.picture("RGB").convert(mode)

    def rows_without_warning(self, image):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return multibuffer.rows(image)

    def test_every_mode_as_pillow_itself_says(self):
        for mode in MODES:
            image = self.image(mode)
            with self.subTest(mode=mode):
                rows = self.rows_without_warning(image)
                self.assertEqual(rows.shape[:2], (4, 5))
                expected = [[as_list(image.getpixel((x, y))) for x in range(5)] for y in range(4)]
                self.assertEqual(multibuffer.upload(rows).tolist(), expected)
                if mode != "I;16B":  # memoryview reads native numbers alone
                    self.assertEqual(memoryview(rows).tolist(), expected)

    def test_nothing_is_copied_and_the_memory_is_held(self):
        image = self.picture("RGB")
        rows = multibuffer.rows(image)
        self.assertTrue(rows.readonly)
        image.putpixel((2, 1), (1, 2, 3))
        self.assertEqual(multibuffer.upload(rows)[1, 2].tolist(), [1, 2, 3])
        del image
        gc.collect()
        self.assertEqual(multibuffer.upload(rows)[1, 2].tolist(), [1, 2, 3])

    def test_unknown_modes_are_copied_with_a_warning(self):
        image = Image.frombytes("I;16", (3, 2), bytes(range(12)))
        with unittest.mock.patch.dict(multibuffer._pillow._LAYOUTS):
            del multibuffer._pillow._LAYOUTS["I;16"]
            with self.assertWarnsRegex(UserWarning, "copies the pixels: .*'I;16'"):
                rows = multibuffer.rows(image)
        self.assertEqual(rows.shape, (2, 3, 2))
        self.assertEqual(multibuffer.upload(rows).tobytes(), bytes(range(12)))

    def test_pixels_of_two_bytes(self):
        for mode, format in ("I;16", "H"), ("I;16B", ">H"):
            rows = self.rows_without_warning(self.image(mode))
            self.assertEqual((rows.shape, rows.format, rows.itemsize), ((4, 5), format, 2))

    def test_a_copy_is_what_the_rows_would_have_been(self):
        # As where a version of Pillow keeps its rows elsewhere.
        for mode in MODES:
            image = self.image(mode)
            expected = multibuffer.rows(image)
            with self.subTest(mode=mode), unittest.mock.patch.object(
                    multibuffer._core, "_row_table", return_value=0):
                with self.assertWarnsRegex(UserWarning, f"copies the pixels: .*Pillow {version}"):
                    rows = multibuffer.rows(image)
                self.assertEqual((rows.shape, rows.format, rows.readonly),
                                 (expected.shape, expected.format, True))
                self.assertEqual(memoryview(rows).tobytes(), memoryview(expected).tobytes())

    def test_images_of_many_blocks(self):
        before = Image.core.get_block_size()
        self.addCleanup(Image.core.set_block_size, before)
        Image.core.set_block_size(4096)
        for mode in MODES:
            image = Image.new(mode, (300, 100))
            bands = len(image.getbands())

            def value(y):
                return 255 * (y % 2) if mode == "1" else y if bands == 1 else (y,) * bands

            with self.subTest(mode=mode):
                rows = self.rows_without_warning(image)
                for y in range(100):
                    image.putpixel((299, y), value(y))
                last = multibuffer.upload(rows, device="host")[:, 299].tolist()
                self.assertEqual(last, [as_list(image.getpixel((299, y))) for y in range(100)])

    def test_images_over_somebody_elses_memory(self):
        data = bytes(range(48))
        images = [Image.frombuffer("L", (8, 6), data, "raw", "L", 0, 1),
                  Image.frombuffer("RGBA", (4, 3), data, "raw", "RGBA", 0, 1)]
        if hasattr(Image, "fromarrow"):
            images += [Image.fromarrow(image, image.mode, image.size) for image in images]
        for image in images:
            self.assertEqual(multibuffer.upload(self.rows_without_warning(image)).tobytes(), data)

    @unittest.skipUnless(hasattr(Image and Image.core.new("L", (1, 1)), "unsafe_ptrs"),
                         "this Pillow does not tell its pointers")
    def test_the_table_is_the_one_that_pillow_tells(self):
        for mode in MODES:
            image = self.image(mode)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                told = dict(image.im.unsafe_ptrs)["image"]
            self.assertEqual(multibuffer._pillow._row_table(image), told)

    def test_what_is_no_image_has_no_table(self):
        image = self.picture("RGB")
        find = multibuffer._core._row_table
        self.assertNotEqual(find(image.getim(), 5, 4, 3, 4), 0)
        for wrong in ((4, 5, 3, 4), (5, 4, 4, 4), (5, 4, 3, 1), (0, 0, 0, 0), (-5, 4, 3, 4)):
            self.assertEqual(find(image.getim(), *wrong), 0)
        import datetime
        self.assertEqual(find(datetime.datetime_CAPI, 5, 4, 3, 4), 0)  # a capsule of another name

    def test_an_image_without_pixels(self):
        with warnings.catch_warnings(), self.assertRaises(ValueError):
            warnings.simplefilter("ignore")
            multibuffer.rows(Image.new("L", (0, 3)))


if __name__ == "__main__":
    unittest.main()
