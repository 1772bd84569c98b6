"""Pillow images by their rows."""

import ctypes
import sys
import warnings

from . import _core

# How a pixel lies in a row of Pillow's own storage (Storage.c): the bands' format, their offsets in
# a pixel, and the pixel's bytes. Modes with several bands take four bytes, whatever they use.
_LAYOUTS = {
    "1": ("B", (0,), 1),
    "L": ("B", (0,), 1),
    "P": ("B", (0,), 1),
    "I": ("i", (0,), 4),
    "F": ("f", (0,), 4),
    "LA": ("B", (0, 3), 4),
    "PA": ("B", (0, 3), 4),
    "RGB": ("B", (0, 1, 2), 4),
    "YCbCr": ("B", (0, 1, 2), 4),
    "LAB": ("B", (0, 1, 2), 4),
    "HSV": ("B", (0, 1, 2), 4),
    "RGBA": ("B", (0, 1, 2, 3), 4),
    "RGBX": ("B", (0, 1, 2, 3), 4),
    "RGBa": ("B", (0, 1, 2, 3), 4),
    "CMYK": ("B", (0, 1, 2, 3), 4),
}

# Two bytes a pixel, in the byte order that the mode names.
_NATIVE, _OTHER = "H", ">H" if sys.byteorder == "little" else "<H"
_LITTLE, _BIG = (_NATIVE, _OTHER) if sys.byteorder == "little" else (_OTHER, _NATIVE)
_LAYOUTS.update({
    "I;16": (_LITTLE, (0,), 2),
    "I;16L": (_LITTLE, (0,), 2),
    "I;16B": (_BIG, (0,), 2),
    "I;16N": (_NATIVE, (0,), 2),
})


def rows(image):
    """A Pillow image as an array of its rows, (height, width) or (height, width, bands), without a
    copy: Pillow keeps a table of pointers to rows.

    The result holds the image's memory and is read-only. Where this version of Pillow does not lead
    to the table, or the mode of the image is not known, the pixels are copied, and a UserWarning
    says so; of a known mode, the copy has the same shape and format.
    """
    if not (hasattr(image, "load") and hasattr(image, "getim")):
        raise TypeError(f"rows() takes an image of Pillow's, not {type(image).__name__}")
    image.load()
    table = _row_table(image)
    if not table:
        warnings.warn(f"multibuffer.rows copies the pixels: {_why_copied(image)}", stacklevel=2)
        return _copied(image)
    code, offsets, pixel = _LAYOUTS[image.mode]
    width, height = image.size
    shape, strides = [width], [pixel]
    if len(offsets) > 1:
        shape.append(len(offsets))
        strides.append(offsets[1] - offsets[0])
    return _core._rows_at(table, height, shape, strides, code, image.im)


def _row_table(image):
    """The address of the table of pointers, or 0."""
    if image.mode not in _LAYOUTS or 0 in image.size:
        return 0
    _, offsets, pixel = _LAYOUTS[image.mode]
    return _core._row_table(image.getim(), *image.size, len(offsets), pixel)


def _why_copied(image):
    from PIL import __version__ as version

    if image.mode not in _LAYOUTS:
        return f"how images of mode {image.mode!r} are stored is not known"
    if 0 in image.size:
        return "the image has no pixels"
    return f"where Pillow {version} keeps them is not known"


def _copied(image):
    """The pixels, dense, as rows; of an unknown mode, bytes, of which several a pixel are an axis."""
    width, height = image.size
    if not width or not height:
        raise ValueError(f"an image of size {image.size} has no rows of pixels")
    code, shape, pixels = _pixels(image)
    row_bytes = len(pixels) // height
    rows_of_bytes = (pixels[i * row_bytes : (i + 1) * row_bytes] for i in range(height))
    if code == _OTHER:  # which memoryview.cast() has no word for
        byte_order = "__ctype_be__" if code[0] == ">" else "__ctype_le__"
        row = getattr(ctypes.c_uint16, byte_order) * width
        copies = (row.from_buffer_copy(each) for each in rows_of_bytes)
        return _core.stack([memoryview(copy).toreadonly() for copy in copies])
    return _core.stack([each.cast(code, shape) for each in rows_of_bytes])


def _pixels(image):
    """The format and the shape of a row, and the bytes of all."""
    width, height = image.size
    if image.mode not in _LAYOUTS:
        pixels = memoryview(image.tobytes())
        pixel, rest = divmod(len(pixels), width * height)
        if not pixel or rest:
            raise ValueError(f"an image of mode {image.mode!r} has no pixels of whole bytes")
        return "B", [width] if pixel == 1 else [width, pixel], pixels
    code, offsets, _ = _LAYOUTS[image.mode]
    if len(offsets) == 1:
        # tobytes() packs eight pixels of mode "1" into a byte.
        whole = image.convert("L") if image.mode == "1" else image
        return code, [width], memoryview(whole.tobytes())
    # Of all bands at once, tobytes() shifts some: those of LAB.
    pixels = bytearray(width * height * len(offsets))
    for band in range(len(offsets)):
        pixels[band :: len(offsets)] = image.getchannel(band).tobytes()
    return code, [width, len(offsets)], memoryview(bytes(pixels))


for _public in (rows,):
    _public.__module__ = __package__
