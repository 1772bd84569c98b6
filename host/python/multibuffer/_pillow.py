"""Pillow images by their rows."""

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

# The versions whose storage is known to be as above.
_VERSIONS = range(5, 13)


def rows(image):
    """A Pillow image as an array of its rows, (height, width) or (height, width, bands), without a
    copy: Pillow keeps a table of pointers to rows.

    The result holds the image's memory and is read-only. Where the version of Pillow or the mode of
    the image is not known, the pixels are copied, and a UserWarning says so.
    """
    image.load()
    why = _why_unknown(image)
    if why:
        warnings.warn(f"multibuffer.rows copies the pixels: {why}", stacklevel=2)
        return _copied(image)
    code, offsets, pixel = _LAYOUTS[image.mode]
    width, height = image.size
    step = offsets[1] - offsets[0] if len(offsets) > 1 else 0
    shape, strides = [width], [pixel]
    if len(offsets) > 1:
        shape.append(len(offsets))
        strides.append(step)
    return _core._rows_at(_row_table(image), height, shape, strides, code, image.im)


def _row_table(image):
    """The address of the table of pointers, or 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pointers = getattr(image.im, "unsafe_ptrs", None)
    return dict(pointers)["image"] if pointers is not None else 0


def _why_unknown(image):
    """Why the rows cannot be read where they are; empty if they can."""
    from PIL import __version__ as version

    if int(version.split(".")[0]) not in _VERSIONS:
        return f"how Pillow {version} stores images is not known"
    if image.mode not in _LAYOUTS:
        return f"how images of mode {image.mode!r} are stored is not known"
    if 0 in image.size:
        return "the image has no pixels"
    if not _row_table(image):
        return f"Pillow {version} does not tell where they are"
    return ""


def _copied(image):
    """The pixels of tobytes(), which are dense, as rows; more than one byte a pixel are an axis."""
    width, height = image.size
    pixels = memoryview(image.tobytes())
    row_bytes, rest = divmod(len(pixels), height) if height else (0, 0)
    if not row_bytes or rest or row_bytes % width:
        raise ValueError(f"an image of mode {image.mode!r} and size {image.size} has no rows of pixels")
    shape = [width] if row_bytes == width else [width, row_bytes // width]
    return _core.stack(
        [pixels[i * row_bytes : (i + 1) * row_bytes].cast("B", shape) for i in range(height)]
    )
