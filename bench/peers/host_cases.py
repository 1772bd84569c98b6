"""The host backend beside what people use on a CPU today."""

import functools
import importlib
import itertools
import mmap

import multibuffer
import numpy
import plain_copies

from harness import Case, Missing, Side

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
TOTAL = 256 * MIB
INT = numpy.dtype("i4")


# ---- Peers that need not be there


def need(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"{name}: {error}") from None


@functools.cache
def torch_with(threads):
    torch = need("torch")
    torch.set_num_threads(threads)
    return torch


@functools.cache
def thrust_gather(system):
    import ctypes
    import os

    path = os.path.join(os.path.dirname(plain_copies.__file__), f"thrust_{system}.so")
    if not os.path.exists(path):
        raise Missing(f"thrust on {system}: not built here")
    function = ctypes.CDLL(path).gather
    function.restype = None
    function.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
    return lambda indices, source, out: function(indices.ctypes.data, indices.size,
                                                 source.ctypes.data, out.ctypes.data)


# ---- Data


def numbers(count, dtype=INT):
    """Numbers that tell where they come from."""
    result = numpy.empty(count, f"u{dtype.itemsize}")
    for begin in range(0, count, 16 * MIB):  # of gigabytes, nobody has room for more at a time
        values = numpy.arange(begin, min(begin + 16 * MIB, count), dtype=numpy.uint64)
        values *= 0x9E3779B97F4A7C15
        values >>= 64 - 8 * min(dtype.itemsize, 8)
        result[begin:begin + len(values)] = values
    return result.view(dtype)


def in_small_pages(array):
    """A copy where no huge pages are to be had, as in memory from many small allocations."""
    copy = numpy.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def in_place(exporter):
    return multibuffer.upload(exporter, device="host", placement="in_place")


class Rows:
    """Rows of numbers in one block, and a table of pointers to them in shuffled order."""

    def __init__(self, row_bytes, total=TOTAL, small_pages=False):
        self.row_bytes = row_bytes
        self.block = numbers(total // 4).reshape(-1, row_bytes // 4)
        if small_pages:
            self.block = in_small_pages(self.block)
        self.order = numpy.random.default_rng(7).permutation(len(self.block))
        self.table = self.block.ctypes.data + self.order * row_bytes
        self.exporter = plain_copies.PointerArray(
            self.table.ctypes.data, self.block.shape, (8, 4), (0, -1), "i", 4,
            (self.table, self.block))
        self.dense = self.block[self.order]


# ---- Sides that several cases have


def ours(work):
    return Side("multibuffer", work)


def with_array(exporter, work):
    """A side that works on an array that was resolved once."""

    def prepare():
        array = in_place(exporter)
        return lambda: work(array)

    return ours(prepare)


def calls(name, work, goal=None):
    return Side(name, lambda: work, goal or {})


def numpy_copyto(source, out, goal):
    return calls("NumPy copyto", lambda: numpy.copyto(out, source), goal)


def torch_side(name, threads, work, goal=None):
    """work: from torch to what is timed."""
    return Side(name, lambda: work(torch_with(threads)), goal or {})


# ---- Cases


def rows_case(size, total, small_pages, group, threads):
    """A shuffled array of row pointers into memory that is there already."""
    rows = Rows(size, total, small_pages)
    out = numpy.empty_like(rows.dense)
    narrow, middle, wide = 64 <= size <= 256, KIB <= size <= 4 * KIB, size >= MIB

    def cython():
        loops = need("cython_loops")
        return lambda: loops.copy_rows(rows.exporter, out, threads)

    def index_select(torch):
        block, order, target = map(torch.from_numpy, (rows.block, rows.order, out))
        return lambda: torch.index_select(block, 0, order, out=target)

    return Case(group, f"{total_text(size)} rows of {total_text(total)}", rows.dense.nbytes,
                rows.dense, out=out, sides=[
        with_array(rows.exporter, lambda array: array.copy(out=out)),
        calls("multibuffer, resolving too",
              lambda: in_place(rows.exporter).copy(out=out)),
        # Its default mode, "raise", is slower: it writes to memory of its own first.
        calls("np.take", lambda: numpy.take(
            rows.block, rows.order, axis=0, out=out, mode="clip"),
            {1: 3, 0: 4} if narrow else {0: 1.35} if middle else None),
        calls("PyBuffer_ToContiguous",
              lambda: plain_copies.to_contiguous(rows.exporter, out),
              {64: {0: 8}, 4 * KIB: {0: 2}, MIB: {0: 1.5}}.get(size)),
        Side("Cython", cython, {64: {0: 2.5}, 4 * KIB: {0: 1.2}}.get(size, {})),
        torch_side("torch.index_select", threads, index_select),
        calls("memcpy per row", lambda: plain_copies.memcpy_rows(
            rows.table, rows.row_bytes, out, threads)),
        calls("memcpy as one",
              lambda: plain_copies.memcpy_all(rows.dense, out, threads),
              {1: None, 0: 0.9} if middle else {0: 1.3} if wide else None)])


def rows_to_dense(threads, sizes=(16, 64, 256, KIB, 4 * KIB, 64 * KIB, MIB), total=TOTAL,
                  small_pages=False, group="rows"):
    for size in sizes:
        yield rows_case(size, total, small_pages, group, threads)


def fresh_output(threads):
    """Times rows into memory that nobody has touched yet."""
    for size in (64, 256, KIB, 4 * KIB, 64 * KIB, MIB):
        rows = Rows(size)

        def index_select(torch, rows=rows):
            block, order = torch.from_numpy(rows.block), torch.from_numpy(rows.order)
            return lambda: torch.index_select(block, 0, order)

        yield Case("fresh", f"{total_text(size)} rows of {total_text(TOTAL)}", rows.dense.nbytes,
                   rows.dense, [
            with_array(rows.exporter, lambda array: array.copy()),
            calls("multibuffer, resolving too", lambda rows=rows: in_place(rows.exporter).copy()),
            calls("memoryview.tobytes", lambda rows=rows: memoryview(rows.exporter).tobytes(),
                  {0: 4}),
            calls("np.take", lambda rows=rows: numpy.take(rows.block, rows.order, axis=0)),
            torch_side("torch.index_select", threads, index_select)])


def pointer_tables(threads):
    """Tables that lead to single items, and to rows of which every second item is taken."""
    del threads
    rows = Rows(4 * KIB, 64 * MIB)
    stepped = plain_copies.PointerArray(
        rows.table.ctypes.data, (len(rows.block), 512), (8, 8), (0, -1), "i", 4, rows)
    items = Rows(4, 32 * MIB)
    each = plain_copies.PointerArray(
        items.table.ctypes.data, (items.table.size // KIB, KIB), (8 * KIB, 8), (-1, 0), "i", 4,
        items)
    for name, exporter, expected in (
            ("every second item of 4 KiB rows", stepped, rows.dense[:, ::2].copy()),
            ("a pointer an item", each, items.dense.reshape(-1, KIB))):
        out = numpy.empty_like(expected)
        yield Case("tables", name, expected.nbytes, expected, [
            with_array(exporter, lambda array: array.copy()),
            calls("multibuffer, resolving too",
                  lambda exporter=exporter: in_place(exporter).copy()),
            calls("memoryview.tobytes", lambda exporter=exporter: memoryview(exporter).tobytes(),
                  {0: 6})])
        yield Case("tables", f"{name}, reused output", expected.nbytes, expected, out=out, sides=[
            with_array(exporter, lambda array, out=out: array.copy(out=out)),
            calls("PyBuffer_ToContiguous", lambda exporter=exporter, out=out:
                  plain_copies.to_contiguous(exporter, out))])


def lists_of_arrays(threads):
    """A million arrays of 64 bytes, each in memory of its own: as they were made, and shuffled."""
    rows = numbers(16_000_000).reshape(-1, 16)
    made = [row.copy() for row in rows]
    order = numpy.random.default_rng(7).permutation(len(made))
    for name, arrays, expected in (("in order", made, rows),
                                   ("shuffled", [made[i] for i in order], rows[order])):
        yield from one_list(threads, name, arrays, expected)


def one_list(threads, order, arrays, expected):
    stack = multibuffer.stack(arrays)

    def torch_stack(torch):
        tensors = [torch.from_numpy(array) for array in arrays]
        return lambda: torch.stack(tensors)

    def case(name, work, goal, more):
        return Case("stack", f"a million 64 B arrays, {order}, {name}", expected.nbytes, expected, [
            calls("multibuffer", work),
            calls("np.stack", lambda: numpy.stack(arrays), {0: goal}),
            torch_side("torch.stack", threads, torch_stack, {0: goal}), *more])

    yield case("stack built once", lambda: in_place(stack).copy(), 20, [])
    yield case("from the list", lambda: in_place(arrays).copy(), 3,
               [calls("np.concatenate", lambda: numpy.concatenate(arrays), {0: 1})])


def strided_copy(group, name, source, goal, threads):
    """Any strided view into dense memory that is there already."""
    expected = numpy.ascontiguousarray(source)
    out = numpy.empty_like(expected)

    def torch_copy(torch):
        try:
            view, target = torch.from_numpy(source), torch.from_numpy(out)
        except (TypeError, ValueError) as error:
            raise Missing(f"torch: {str(error).splitlines()[0]}") from None
        return lambda: target.copy_(view)

    return Case(group, name, expected.nbytes, expected, out=out, sides=[
        with_array(source, lambda array: array.copy(out=out)),
        numpy_copyto(source, out, goal),
        torch_side("torch copy_", threads, torch_copy)])


def transposes(threads):
    for size, goal in ((1, {0: 40}), (2, {}), (4, {0: 15}), (8, {})):
        square = numbers(8192 * 8192, numpy.dtype(f"i{size}")).reshape(8192, 8192)
        yield strided_copy("transposes", f"{size} B, 8192 x 8192", square.T, goal, threads)
    odd = numbers(8001 * 8005, INT).reshape(8001, 8005)
    yield strided_copy("transposes", "4 B, 8001 x 8005", odd.T, {}, threads)
    pixels = numbers(4096 * 4096 * 3, numpy.dtype("i1")).reshape(4096, 4096, 3)
    planes = numpy.ascontiguousarray(pixels.transpose(2, 0, 1))
    yield strided_copy("transposes", "pixels of 3 B to planes", pixels.transpose(2, 0, 1), {0: 1.5},
                       threads)
    yield strided_copy("transposes", "planes to pixels of 3 B", planes.transpose(1, 2, 0), {0: 1.5},
                       threads)


def strided(threads):
    goal = {0: 1.5}
    for size in (1, 2, 4, 8):
        plain = numbers(128 * MIB // size, numpy.dtype(f"i{size}")).reshape(4096, -1)
        yield strided_copy("strided", f"{size} B items reversed", plain[:, ::-1], goal, threads)
        yield strided_copy("strided", f"every second item of {size} B", plain[:, ::2], goal,
                           threads)
        if size in (1, 4):
            yield strided_copy("strided", f"every third item of {size} B", plain[:, ::3], goal,
                               threads)
            yield strided_copy("strided", f"every second of {size} B, reversed", plain[:, ::-2],
                               goal, threads)
    yield strided_copy("strided", "rows of 32 KiB reversed", plain[::-1], goal, threads)
    fields = numpy.dtype([("a", "i4"), ("b", "i2"), ("c", "i2"), ("d", "i8")])
    records = numpy.zeros(8 * MIB, fields)
    for name, (kind, offset) in fields.fields.items():
        records[name] = numbers(records.size, kind)
        yield strided_copy("strided", f"a field of {kind.itemsize} B at {offset} of 16 B",
                           records[name], goal, threads)


def pixels(threads):
    """Images: mirrored, turned, with their channels in another order, or some of them."""
    goal = {0: 1.5}
    for size in (1, 2, 4):
        kind = numpy.dtype(f"u{size}")
        rgb = numbers(4096 * (4096 // size) * 3, kind).reshape(4096, -1, 3)
        rgba = numbers(4096 * (4096 // size) * 4, kind).reshape(4096, -1, 4)
        for name, image in ((f"3 x {size} B, mirrored", rgb[:, ::-1]),
                            (f"3 x {size} B, turned", rgb.transpose(1, 0, 2)[::-1]),
                            (f"3 x {size} B, every second", rgb[:, ::2]),
                            (f"3 x {size} B, in the other order", rgb[:, :, ::-1]),
                            (f"4 x {size} B, the first three", rgba[:, :, :3]),
                            (f"4 x {size} B, three, in the other order", rgba[:, :, 2::-1])):
            yield strided_copy("pixels", name, image, goal, threads)


def swapped(threads):
    del threads
    for size in (2, 4, 8):
        values = numbers(128 * MIB // size, numpy.dtype(f"i{size}"))
        big_endian = values.astype(f">i{size}")
        yield Case("swapped", f"{size} B items byte-swapped, fresh output", values.nbytes, values, [
            with_array(big_endian, lambda array: array.native()),
            calls("NumPy astype", lambda source=big_endian, dtype=values.dtype:
                  source.astype(dtype), {0: 1.5})])
        out = numpy.empty_like(values)
        yield Case("swapped", f"{size} B items byte-swapped", values.nbytes, values, out=out, sides=[
            with_array(big_endian, lambda array, out=out: array.astype(out.dtype, out=out)),
            numpy_copyto(big_endian, out, {0: 1.5})])


def converted(threads):
    """Numbers that become others on their way: dense ones, and through a table of rows."""
    del threads
    for source, target in (("f4", "f8"), ("f8", "f4"), ("f4", "f2"), ("f2", "f4"), ("i4", "f4"),
                           ("f4", "i4"), ("u1", "f4"), ("f4", "u1"), ("i8", "i4"), (">f4", "f2")):
        source, target = numpy.dtype(source), numpy.dtype(target)
        count = 128 * MIB // max(source.itemsize, target.itemsize)
        values = (numbers(count, numpy.dtype("u1")) % 128).astype(source)
        expected = values.astype(target)
        name = f"{source.str.lstrip('<|')} to {target.str.lstrip('<|')}"
        out = numpy.empty_like(expected)
        yield Case("converted", name, expected.nbytes, expected, out=out, sides=[
            with_array(values, lambda array, out=out: array.astype(out.dtype, out=out)),
            calls("NumPy copyto", lambda values=values, out=out:
                  numpy.copyto(out, values, casting="unsafe"), {0: 1.5})])
        yield Case("converted", f"{name}, fresh output", expected.nbytes, expected, [
            with_array(values, lambda array, dtype=target: array.astype(dtype)),
            calls("NumPy astype", lambda values=values, dtype=target: values.astype(dtype),
                  {0: 1.5})])
    rows = Rows(4 * KIB)
    expected = rows.dense.astype("f4")
    out = numpy.empty_like(expected)

    def two_passes():
        between = numpy.empty_like(rows.dense)

        def work():
            numpy.take(rows.block, rows.order, axis=0, out=between, mode="clip")
            numpy.copyto(out, between, casting="unsafe")

        return work

    yield Case("converted", "4 KiB rows of i4 to f4, through a table", expected.nbytes, expected,
               out=out, sides=[
        with_array(rows.exporter, lambda array: array.astype("f4", out=out)),
        Side("np.take, np.copyto", two_passes, {0: 1.5})])


def elements(threads):
    """Random elements of 4 bytes: by two coordinates through a table of rows, and by one index."""
    rows = Rows(4 * KIB)
    count = 16 * MIB
    random = numpy.random.default_rng(9)
    i = random.integers(0, len(rows.block), count, dtype=INT)
    j = random.integers(0, rows.block.shape[1], count, dtype=INT)
    flat = rows.dense.reshape(-1)
    index = i.astype(numpy.int64) * rows.block.shape[1] + j
    expected = flat[index]
    out = numpy.empty_like(expected)

    def thrust(system):
        gather = thrust_gather(system)
        return lambda: gather(index, flat, out)

    def torch_take(torch):
        source, where, target = map(torch.from_numpy, (flat, index, out))
        return lambda: torch.take(source, where, out=target)

    yield Case("elements", "16 Mi random 4 B elements of 256 MiB", expected.nbytes, expected,
               out=out, sides=[
        with_array(rows.exporter, lambda array: array.gather([i, j], out=out)),
        calls("np.take, dense", lambda: numpy.take(flat, index, out=out, mode="clip"), {0: 2}),
        Side("thrust::gather OMP, dense", lambda: thrust("OMP"), {0: 1.2}),
        Side("thrust::gather TBB, dense", lambda: thrust("TBB")),
        torch_side("torch.take, dense", threads, torch_take)])


def small(threads):
    """Times small calls."""
    del threads
    for count, size in ((10, 64), (1000, 64), (100, 4 * KIB)):
        rows = Rows(size, MIB)
        index = numpy.random.default_rng(1).integers(0, len(rows.block), count)
        expected = rows.dense[index]
        out = numpy.empty_like(expected)
        yield Case("small", f"take {count} rows of {total_text(size)}", expected.nbytes, expected,
                   out=out, sides=[
            with_array(rows.exporter, lambda array, index=index, out=out:
                       array.take(index, out=out)),
            calls("np.take, dense", lambda rows=rows, index=index, out=out: numpy.take(
                rows.dense, index, axis=0, out=out, mode="clip"))])


def calls_of_batches(threads):
    """Times what each step of a training loop does: rows of a mini-batch, and lists of samples."""
    del threads
    for size in (16, 64, 256, KIB, 4 * KIB):
        for count in (1, 8, 64, 1024, 8192):
            yield from take_of_batch(size, count)
    for count, size in ((8, 64), (8, KIB), (100, 64), (100, KIB), (1000, KIB), (4096, 256),
                        (8, 150 * KIB), (32, 150 * KIB), (256, 150 * KIB)):
        yield from list_of_samples(count, size)
    for count in (KIB, 64 * KIB):
        for source, target in (("u1", "f4"), ("u1", "f2"), ("i2", "f4"), ("f2", "f4"), ("f4", "f2"),
                               ("f4", "u1"), ("f4", "i4"), ("i8", "i4"), ("f8", "f4")):
            yield from numbers_of_batch(count, source, target)


def numbers_of_batch(count, source, target):
    """Numbers that become others within the caches: all of them, and rows of 1 Ki numbers."""
    dense = numpy.random.default_rng(6).integers(0, 100, (count // KIB, KIB)).astype(source)
    index = numpy.random.default_rng(7).permutation(len(dense))
    expected, out, rows = dense.astype(target), numpy.empty(dense.shape, target), dense.copy()
    array = in_place(dense)

    def two_passes():
        numpy.take(dense, index, axis=0, out=rows, mode="clip")
        numpy.copyto(out, rows, casting="unsafe")

    name = f"{count // KIB} Ki numbers {source} to {target}"
    yield Case("calls", name + ", out=", expected.nbytes, expected, out=out, sides=[
        calls("multibuffer", lambda: array.copy(out=out, dtype=target)),
        calls("np.copyto", lambda: numpy.copyto(out, dense, casting="unsafe"), goal={0: 1.0})])
    yield Case("calls", name + ", rows", expected.nbytes, expected[index], out=out, sides=[
        calls("multibuffer", lambda: array.take(index, out=out, dtype=target)),
        calls("np.take, np.copyto", two_passes, goal={0: 1.0})])


def take_of_batch(size, count):
    """Random rows of twice as many: with out=, and in new memory."""
    dense = numpy.random.default_rng(2).integers(0, 255, (max(2 * count, 1024), size), "u1")
    index = numpy.random.default_rng(1).integers(0, len(dense), count)
    expected, out = dense[index], numpy.empty((count, size), "u1")
    goal = 1.0 if count < 1024 else 1.5 if size <= KIB else 1.1
    array = in_place(dense)
    name = f"take {count} rows of {total_text(size)}"
    yield Case("calls", name + ", out=", expected.nbytes, expected, out=out, sides=[
        calls("multibuffer", lambda: array.take(index, out=out)),
        calls("np.take", lambda: numpy.take(dense, index, axis=0, out=out, mode="clip"),
              goal={0: goal})])
    yield Case("calls", name + ", new", expected.nbytes, expected, sides=[
        calls("multibuffer", lambda: array.take(index)),
        calls("np.take", lambda: numpy.take(dense, index, axis=0),
              goal={0: 1.3 if expected.nbytes >= MIB else 1.0})])


def batches_of_memory(threads):
    """Times an epoch's steps: mini-batches of random rows of an array far beyond the caches, each
    into the same output, as many as read 64 MiB."""
    block = numbers(GIB, numpy.dtype("u1"))
    for size, count in ((32, 8192), (64, 8192), (256, 4096), (KIB, 64), (KIB, 1024),
                        (4 * KIB, 256), (16 * KIB, 64)):
        dense = block[:GIB // size * size].reshape(-1, size)
        batches = numpy.random.default_rng(4).integers(
            0, len(dense), (64 * MIB // (count * size), count))
        name = f"batches of {count} rows of {total_text(size)}"
        yield batches_case(name, dense, batches, threads, "u1")
        if size >= KIB:
            yield batches_case(name + " as f4", dense, batches, threads, "f4")


def batches_case(name, dense, batches, threads, dtype):
    expected = dense[batches[-1]].astype(dtype)
    out, rows = numpy.empty_like(expected), numpy.empty((batches.shape[1], dense.shape[1]), "u1")
    array = in_place(dense)

    def each(take):
        return lambda: [take(batch) for batch in batches] and None

    def numpy_take(batch):
        if dtype == "u1":
            return numpy.take(dense, batch, axis=0, out=out, mode="clip")
        numpy.take(dense, batch, axis=0, out=rows, mode="clip")
        return numpy.copyto(out, rows)

    def index_select(torch):
        source, target, indices = map(torch.from_numpy, (dense, out, batches))
        return lambda: [torch.index_select(source, 0, batch, out=target) for batch in indices] and None

    torch = [torch_side("torch.index_select", threads, index_select)] if dtype == "u1" else []
    return Case("batches", name, batches.size * dense.shape[1], expected, out=out, sides=[
        calls("multibuffer", each(lambda batch: array.take(batch, out=out, dtype=dtype))),
        calls("np.take", each(numpy_take), goal={0: 1.3}), *torch])


def places_in_lines(threads):
    """Times random rows by where source and output begin within a cache line, in bytes."""
    del threads
    for size in (192, 256, 512, KIB):
        count = 96 * MIB // size
        order = numpy.random.default_rng(5).permutation(count)
        for begin, end in itertools.product((0, 16, 32, 48), repeat=2):
            dense, out = into_line(count, size, begin), into_line(count, size, end)
            dense[:] = numpy.random.default_rng(6).integers(0, 255, dense.shape, "u1")
            array = in_place(dense)
            yield Case("lines", f"rows of {size} B, source {begin}, output {end} into a line",
                       dense.nbytes, dense[order], out=out, sides=[
                calls("multibuffer", lambda array=array, order=order, out=out:
                      array.take(order, out=out)),
                calls("np.take", lambda dense=dense, order=order, out=out:
                      numpy.take(dense, order, axis=0, out=out, mode="clip"))])


def into_line(count, size, offset):
    """Rows in memory that begins so many bytes into a cache line."""
    memory = numpy.zeros(count * size + 128, "u1")
    begin = -memory.ctypes.data % 64 + offset
    return memory[begin:begin + count * size].reshape(count, size)


def list_of_samples(count, size):
    """Separate arrays to one."""
    rng = numpy.random.default_rng(3)
    arrays = [rng.integers(0, 255, size, "u1") for _ in range(count)]
    expected, out = numpy.stack(arrays), numpy.empty((count, size), "u1")
    goal = 3.0 if count >= 100 and size <= KIB else 1.0
    name = f"list of {count} arrays of {total_text(size)}"
    yield Case("calls", name + ", out=", expected.nbytes, expected, out=out, sides=[
        calls("multibuffer", lambda: multibuffer.stack(arrays).copy(out=out)),
        calls("np.stack", lambda: numpy.stack(arrays, out=out), goal={0: goal})])
    yield Case("calls", name + ", new", expected.nbytes, expected, sides=[
        calls("multibuffer", lambda: multibuffer.stack(arrays).copy()),
        calls("np.stack", lambda: numpy.stack(arrays), goal={0: goal})])


def in_cache(threads):
    """Times rows that stay in the caches, for which there are no goals."""
    for total in (16 * KIB, 256 * KIB, 4 * MIB):
        for case in rows_to_dense(threads, (64, 256, 4 * KIB), total, group="cache"):
            for side in case.sides:
                side.goal = {}
            yield case


def small_pages(threads):
    yield from rows_to_dense(threads, (64, 256, 4 * KIB), small_pages=True, group="pages")


def large(threads):
    yield from rows_to_dense(threads, (64, 4 * KIB), 4 * GIB, group="large")


def scaling(threads):
    """Time against size: ten times the rows, ten times the time."""
    for power in range(3, 9):
        rows = Rows(16, 16 * 10**power)
        out = numpy.empty_like(rows.dense)
        yield Case("scaling", f"{10**power} rows", rows.dense.nbytes, rows.dense, out=out, sides=[
            with_array(rows.exporter, lambda array, out=out: array.copy(out=out)),
            calls("multibuffer, resolving too",
                  lambda rows=rows, out=out: in_place(rows.exporter).copy(out=out)),
            calls("memcpy per row", lambda rows=rows, out=out: plain_copies.memcpy_rows(
                rows.table, rows.row_bytes, out, threads))])


def takes(threads):
    """Times random rows against their number, from one to a hundred million."""
    del threads
    for power in range(9):
        count = 10**power
        dense = numpy.random.default_rng(2).integers(0, 255, (count, 16), "u1")
        index = numpy.random.default_rng(1).integers(0, count, count)
        expected, out, array = dense[index], numpy.empty_like(dense), in_place(dense)
        yield Case("takes", f"{count} rows", dense.nbytes, expected, out=out, sides=[
            calls("multibuffer", lambda array=array, index=index, out=out:
                  array.take(index, out=out)),
            calls("np.take", lambda dense=dense, index=index, out=out:
                  numpy.take(dense, index, axis=0, out=out, mode="clip"), goal={0: 1.0})])


def total_text(count):
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} B"


GROUPS = {
    "rows": rows_to_dense,
    "fresh": fresh_output,
    "tables": pointer_tables,
    "stack": lists_of_arrays,
    "transposes": transposes,
    "strided": strided,
    "pixels": pixels,
    "swapped": swapped,
    "converted": converted,
    "elements": elements,
    "small": small,
    "calls": calls_of_batches,
    "batches": batches_of_memory,
    "lines": places_in_lines,
    "cache": in_cache,
    "pages": small_pages,
    "large": large,
    "scaling": scaling,
    "takes": takes,
}
