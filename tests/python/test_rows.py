"""rows(): Pillow's images, by the table of row pointers that they have anyway."""

import gc
import unittest
import warnings

import multibuffer
from support import needs, optional_import

Image = optional_import("PIL.Image")


@needs(Image, "Pillow")
class Rows(unittest.TestCase):
    def picture(self, mode):
        image = Image.new("RGBA", (5, 4))
        image.putdata([(x * 50, y * 60, x * y * 12, 255 - x) for y in range(4) for x in range(5)])
        return image.convert(mode)

    def test_every_mode_as_pillow_itself_says(self):
        for mode in ("L", "P", "I", "F", "LA", "RGB", "RGBA", "YCbCr", "CMYK", "HSV", "LAB"):
            image = (self.picture("RGB").convert(mode) if mode != "LAB"
                     else Image.frombytes("LAB", (5, 4), bytes(range(60))))
            with self.subTest(mode=mode), warnings.catch_warnings():
                warnings.simplefilter("error")
                rows = multibuffer.rows(image)
                self.assertEqual(rows.shape[:2], (4, 5))
                pixels = [[image.getpixel((x, y)) for x in range(5)] for y in range(4)]
                expected = [[list(p) if isinstance(p, tuple) else p for p in row] for row in pixels]
                self.assertEqual(multibuffer.upload(rows).tolist(), expected)
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
        with self.assertWarnsRegex(UserWarning, "copies the pixels: .*'I;16'"):
            rows = multibuffer.rows(image)
        self.assertEqual(rows.shape, (2, 3, 2))
        self.assertEqual(multibuffer.upload(rows).tobytes(), bytes(range(12)))

    def test_unknown_versions_are_copied_with_a_warning(self):
        import PIL

        version = PIL.__version__
        try:
            PIL.__version__ = "99.0"
            with self.assertWarnsRegex(UserWarning, "Pillow 99.0"):
                rows = multibuffer.rows(self.picture("RGB"))
        finally:
            PIL.__version__ = version
        self.assertEqual(multibuffer.upload(rows).tobytes(), self.picture("RGB").tobytes())

    def test_an_image_without_pixels(self):
        with warnings.catch_warnings(), self.assertRaises(ValueError):
            warnings.simplefilter("ignore")
            multibuffer.rows(Image.new("L", (0, 3)))


if __name__ == "__main__":
    unittest.main()
