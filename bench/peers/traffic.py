"""Computes the least bytes that a gather of rows moves, as bench/traffic.hpp, which says why."""

SECTOR = 32


def alignment_of(number):
    """The largest power of two that divides a number of bytes, up to a sector."""
    return min(number & -number, SECTOR) or SECTOR


def traffic(row_bytes, alignment, entry_bytes):
    """Bytes a row."""
    return SECTOR + row_bytes - min(alignment, SECTOR) + row_bytes + entry_bytes


assert (traffic(4, 4, 8), traffic(16, 16, 8), traffic(64, 32, 8)) == (44, 56, 136)
