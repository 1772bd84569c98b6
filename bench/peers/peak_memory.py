"""Measures the most memory that the host backend needs beyond its input and output, by the system's count.

    PYTHONPATH=build/release/host/python:build/release/bench/peers python3 bench/peers/peak_memory.py
"""

import host_cases
import numpy


def status(name):
    """Bytes, of this process."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


def measure(work):
    """Returns the result of work(), and by how much the process grew, at the most and in the end."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is from here on
    before = status("VmRSS:")
    result = work()
    return result, status("VmHWM:") - before, status("VmRSS:") - before


def main():
    host_cases.in_place(host_cases.Rows(16, 16_000).exporter)  # threads start
    for row_bytes, count in ((16, 10**6), (16, 10**7), (16, 10**8), (4096, 250_000)):
        rows = host_cases.Rows(row_bytes, row_bytes * count)
        out = numpy.zeros_like(rows.dense)
        array, most, kept = measure(lambda: host_cases.in_place(rows.exporter))
        _, gathering, _ = measure(lambda: array.copy(out=out))
        if not numpy.array_equal(out, rows.dense):
            raise SystemExit("wrong bits")
        print(f"{count} shuffled rows of {row_bytes} B: resolving takes {most / count:.1f} B a row at "
              f"the most and keeps {kept / count:.1f}; gathering takes {gathering / 2**20:.1f} MiB")
        del rows, out, array


if __name__ == "__main__":
    main()
