# cython: boundscheck=False, wraparound=False
"""Reads an array of pointers as a user of Cython would: one loop a dimension."""

from cython cimport view
from cython.parallel cimport prange


def copy_rows(const int[::view.indirect, ::1] rows, int[:, ::1] out, int threads):
    cdef Py_ssize_t i, j
    for i in prange(rows.shape[0], nogil=True, num_threads=threads, schedule="static"):
        for j in range(rows.shape[1]):
            out[i, j] = rows[i, j]
