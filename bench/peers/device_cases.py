"""Gathers, conversions and uploads on a GPU beside what torch, CuPy and JAX do with the same bytes.

What they read is in device_data.py, how each is called in device_sides.py. All sides of a case read
the same memory; `of_limit` is by the formula of bench/traffic.hpp, at the rate of a copy in this
run. (Numbers that are converted are torch's, some of them checked against the reference.)
"""

import functools

import multibuffer
import numpy

from device_data import KIB, MIB, Rows, arange, block_of, numbers_at
from device_sides import calls, in_place, ours, side, with_cuda, with_cupy, with_jax, writing
from gpu import GIB
from harness import Case, WrongBits
from traffic import traffic

ENTRY_BYTES = 4  # of a table, or an index, at least


# ---- Rows


def row_sides(gpu, rows, group, jax):
    torch, block, out = gpu.torch, rows.block, rows.out
    large = 1.0 if group == "rows" and rows.row_bytes >= KIB else None  # then ahead of all
    goal = 1.5 if group == "rows" and 16 <= rows.row_bytes <= 256 else large
    order, narrow = rows.order, rows.order.int()
    yield ours(gpu, rows.pointers, out)
    yield with_cuda(gpu, "cub Batched", lambda cuda: cuda.batched(
        torch, torch.from_numpy(rows.addresses).to(gpu.where), out),
        1.5 if group == "misaligned" else goal)
    if rows.row_bytes >= 64 * KIB:
        yield with_cuda(gpu, "cudaMemcpyAsync a row",
                        lambda cuda: cuda.copy_rows(rows.addresses, out))
    yield calls("torch.index_select", writing(torch.index_select, block, 0, narrow, out=out), goal)
    if rows.row_bytes % 16 == 0 and rows.itemsize == 4:
        wide = [tensor.view(torch.complex128) for tensor in (block, out)]
        yield calls("torch.index_select of 16 B",
                    writing(torch.index_select, wide[0], 0, narrow, out=wide[1]), goal)
    yield calls("torch x[index]", lambda: block[order], large)
    yield with_cupy(gpu, "cupy.take", lambda cupy, block, order, out: writing(
        cupy.take, block, order, axis=0, out=out), block, narrow, out, goal=large)
    if jax:
        yield with_jax(gpu, "jax take", lambda numpy, block, order: numpy.take(
            block, order, axis=0, mode="clip"), block, narrow, goal=large)


def row_case(group, rows, name, limit=True, entry_bytes=ENTRY_BYTES, rate=None, jax=True,
             goal_of_limit=None):
    gpu = rows.gpu
    return Case(group, name, rows.payload, rows.expected,
                list(row_sides(gpu, rows, group, jax)), rows.out, rows.row_bytes,
                rows.limit(entry_bytes, rate or gpu.copy_rate(gpu.shrunk(GIB))) if limit else None,
                goal_of_limit=goal_of_limit)


def goal_of_rows(size):
    """The fraction of the limit that shuffled rows beyond L2 are to reach."""
    if size >= KIB:
        return 0.95
    return 0.85 if 16 <= size <= 256 else None


def rows_shuffled(gpu, total=GIB, group="rows",
                  sizes=(4, 16, 20, 36, 64, 128, 256, 1000, 1024, 4096, 65536)):
    """Rows behind a table of pointers, beside takes of the same rows from the block they lie in."""
    # In L2 a wall clock would tell how fast JAX can be asked, and nothing else.
    with_jax_of = (16, 64, 256, 1024, 4096) if total == GIB else ()
    total = gpu.shrunk(total)
    for size in sizes:
        yield row_case(group, Rows(gpu, size, total), f"{total_text(size)} rows",
                       rate=gpu.copy_rate(total), jax=size in with_jax_of,
                       goal_of_limit=goal_of_rows(size) if group == "rows" else None)


def rows_in_l2(gpu):
    yield from rows_shuffled(gpu, 16 * MIB, "in L2", (16, 64, 256, 1024, 4096))


def rows_misaligned(gpu):
    """Rows of bytes that begin 3 bytes off. JAX refuses memory that is not aligned to 16."""
    for size in (16, 64, 256, 1000, 1024, 4096):
        yield row_case("misaligned", Rows(gpu, size, gpu.shrunk(GIB), offset=3),
                       f"{total_text(size)} rows, 3 B off", jax=False)


def tables(gpu):
    """Tables that are not shuffled. Of aliased rows most are in L2: there is no limit to tell."""
    for order in ("sorted", "affine", "reversed", "zipf"):
        for size in (64, 1024):
            rows = Rows(gpu, size, gpu.shrunk(GIB), order)
            yield row_case("tables", rows, f"{total_text(size)} rows, {order}",
                           limit=order != "zipf", jax=False,
                           entry_bytes=0 if order in ("affine", "reversed") else ENTRY_BYTES,
                           goal_of_limit=0.97 if order == "affine" else None)


def levels(gpu):
    """One, two and three tables of pointers on the way to a row."""
    in_block = 16
    for size in (64, 1024):
        rows = Rows(gpu, size, gpu.shrunk(GIB))
        for depth in (1, 2, 3):
            table, entries = tables_over(rows.addresses, depth, in_block)
            order = rows.order[gpu.torch.from_numpy(entries).to(gpu.where)]
            out = rows.out.view(-1, *(depth - 1) * [in_block], rows.length)

            def exporter(table=table, rows=rows):
                return multibuffer.from_pointers(table, rows.length, rows.format,
                                                 device=gpu.name, owner=rows.whole)

            yield Case("levels", f"{total_text(size)} rows behind {depth}", rows.payload,
                       rows.numbers(order), [
                ours(gpu, exporter, out),
                calls("torch.index_select", writing(gpu.torch.index_select, rows.block, 0,
                                                    order.int(), out=rows.out))],
                out, size, rows.limit(ENTRY_BYTES, gpu.copy_rate(gpu.shrunk(GIB))))


def tables_over(addresses, depth, in_block):
    """Tables of pointers, each to shuffled blocks of the one behind it, the last being `addresses`:
    an array of all entries of the last, through the others, and the order that it has them in."""
    tables, order = [addresses], numpy.arange(len(addresses))
    for level in range(1, depth):
        behind = tables[-1]
        shuffle = numpy.random.default_rng(level).permutation(len(behind) // in_block)
        tables.append(behind.ctypes.data + shuffle * (8 * in_block))
        order = order.reshape(-1, in_block**level)[shuffle].reshape(-1)
    entries = tables.pop()
    for behind in reversed(tables):
        entries = multibuffer.from_pointers(entries, in_block, "q", owner=behind)
    return entries, order


# ---- Elements


def elements(gpu):
    """Random elements by two coordinates through a table of rows, beside takes by one index from
    the dense array."""
    torch = gpu.torch
    total, count = gpu.shrunk(GIB), gpu.shrunk(32 * MIB)
    for itemsize in (4, 8):
        rows = Rows(gpu, 4 * KIB, total, itemsize=itemsize)
        i = torch.randint(0, rows.count, (count,), dtype=torch.int32, device=gpu.where)
        j = torch.randint(0, rows.length, (count,), dtype=torch.int32, device=gpu.where)
        flat = rows.block.view(-1)
        index = rows.order[i.long()] * rows.length + j
        narrow = index.int()
        expected = numbers_at(gpu, index, arange(gpu, 1), itemsize).reshape(-1)
        out = torch.empty_like(expected)

        def planned(rows=rows, i=i, j=j, out=out):
            plan = in_place(rows.pointers()).plan_gather([i, j], out=out, stream=gpu.stream)
            return writing(plan.run)

        yield Case("elements", f"{total_text(count)[:-1]} random {itemsize} B elements",
                   count * itemsize, expected, [
            side("multibuffer", planned),
            with_cuda(gpu, "thrust::gather", lambda cuda, narrow=narrow, flat=flat, out=out:
                      cuda.gather(narrow, flat, out), 1.0),
            calls("torch.take", writing(torch.take, flat, index, out=out), 1.0),
            calls("torch.index_select",
                  writing(torch.index_select, flat, 0, narrow, out=out)),
            with_cupy(gpu, "cupy.take", lambda cupy, flat, index, out: writing(
                cupy.take, flat, index, out=out), flat, narrow, out),
            with_jax(gpu, "jax take", lambda numpy, flat, index: numpy.take(
                flat, index, mode="clip"), flat, narrow)],
            out, itemsize, count * traffic(itemsize, itemsize, 8) / gpu.copy_rate(total))


# ---- Conversions


def converted(gpu):
    """Shuffled rows of 32-bit integers as other numbers, in one pass; others take and convert."""
    torch = gpu.torch
    rows = Rows(gpu, 4 * KIB, gpu.shrunk(GIB))
    block, order, narrow = rows.block, rows.order, rows.order.int()
    for name in ("float32", "float64", "int16"):
        dtype = getattr(torch, name)
        expected = converted_by_torch(rows, dtype, name)
        out = torch.empty_like(expected)
        payload = expected.numel() * expected.element_size()
        read = rows.count * traffic(rows.row_bytes, rows.alignment, ENTRY_BYTES) - rows.payload

        def planned(name=name, out=out):
            plan = in_place(rows.pointers()).plan_copy(out=out, stream=gpu.stream, dtype=name)
            return writing(plan.run)

        yield Case("converted", f"4 KiB rows of int32 to {name}", payload, expected, [
            side("multibuffer", planned),
            calls("torch index_select, to", lambda dtype=dtype: torch.index_select(
                block, 0, narrow).to(dtype)),
            calls("torch copy_(x[index])", lambda out=out: out.copy_(block[order])),
            with_cupy(gpu, "cupy.take, astype", lambda cupy, block, order, name=name: lambda:
                      cupy.take(block, order, axis=0).astype(name), block, narrow),
            with_jax(gpu, "jax take, astype", lambda numpy, block, order, name=name: numpy.take(
                block, order, axis=0, mode="clip").astype(name), block, narrow)],
            out, rows.row_bytes, (read + payload) / gpu.copy_rate(gpu.shrunk(GIB)))


def converted_by_torch(rows, dtype, name):
    """The rows as they are to be; some of them as the reference has them, too."""
    expected = rows.expected.to(dtype)
    step = max(1, rows.count // 64)
    some = multibuffer.reference(rows.expected[::step].cpu().numpy()).copy(dtype=name)
    if some.tobytes() != expected[::step].cpu().numpy().tobytes():
        raise WrongBits(f"torch does not make what the reference does of int32 as {name}")
    return expected


# ---- Strided copies


def strided_copy(gpu, group, name, tensor, expected, ours_of, torch_of, cupy_of, read, jax_of=None,
                 goal=1.05, goal_of_limit=0.85):
    """A view of a dense tensor, made dense: by three libraries, each in its own words.

    read: bytes that have to be read.
    """
    out = gpu.torch.empty_like(expected)
    payload = expected.numel() * expected.element_size()
    sides = [ours(gpu, lambda: tensor, out, ours_of)]
    for label, work in torch_of(tensor, out).items():
        sides.append(calls(label, work, goal))
    sides.append(with_cupy(gpu, "cupy.copyto", lambda cupy, source, target: writing(
        cupy.copyto, target, cupy_of(source)), tensor, out))
    if jax_of:
        sides.append(with_jax(gpu, "jax", jax_of, tensor))
    return Case(group, name, payload, expected, sides, out, None,
                (read + payload) / gpu.copy_rate(gpu.shrunk(GIB)), goal_of_limit=goal_of_limit)


def by_torch(view):
    return lambda tensor, out: {"torch copy_": writing(out.copy_, view(tensor)),
                                "torch contiguous()": view(tensor).contiguous}


def transposes(gpu):
    for itemsize in (1, 2, 4, 8):
        edge = int((gpu.shrunk(256 * MIB) / itemsize) ** 0.5) // 64 * 64
        yield transpose(gpu, itemsize, edge, edge)
        if itemsize in (1, 4):
            yield transpose(gpu, itemsize, edge - 191, edge - 187)


def transpose(gpu, itemsize, height, width):
    tensor = numbers_at(gpu, arange(gpu, height, width), arange(gpu, width), itemsize)
    expected = numbers_at(gpu, arange(gpu, width), arange(gpu, height, width), itemsize)
    return strided_copy(
        gpu, "transposes", f"{itemsize} B, {height} x {width}", tensor, expected,
        lambda array: array.T, by_torch(lambda tensor: tensor.t()), lambda array: array.T,
        height * width * itemsize, lambda numpy, array: numpy.transpose(array))


def slices(gpu):
    """Reversed, stepped, and both: torch has no negative strides, and flips instead."""
    for itemsize in (1, 4):
        width = 8192
        height = gpu.shrunk(GIB) // (width * itemsize)
        tensor = block_of(gpu, itemsize, height * width)[:height * width].view(height, width)
        rows, columns = arange(gpu, height, width), arange(gpu, width)

        def flipped(axis):
            return lambda tensor, out: {"torch.flip": lambda: tensor.flip(axis)}

        for name, key, r, c, torch_of in (
                ("rows reversed", numpy.s_[::-1], rows.flip(0), columns, flipped(0)),
                ("items reversed", numpy.s_[:, ::-1], rows, columns.flip(0), flipped(1)),
                ("every second row", numpy.s_[::2], rows[::2], columns,
                 by_torch(lambda tensor: tensor[::2])),
                ("every second item", numpy.s_[:, ::2], rows, columns[::2],
                 by_torch(lambda tensor: tensor[:, ::2]))):
            expected = numbers_at(gpu, r, c, itemsize)
            view = functools.partial(lambda key, array: array[key], key)
            # Half of each sector is not asked for, and is read.
            read = len(r) * width * itemsize
            yield strided_copy(gpu, "slices", f"{itemsize} B, {name}", tensor, expected, view,
                               torch_of, view, read)


def pixels(gpu):
    """Images: mirrored, and with their channels in another order, or some of them."""
    width = 4096
    for channels, name, key, torch_of in (
            (3, "3 x 1 B, mirrored", numpy.s_[:, ::-1],
             lambda image, out: {"torch.flip": lambda: image.flip(1)}),
            (3, "3 x 1 B, mirrored, 4091 wide", numpy.s_[:, 4090::-1],
             lambda image, out: {"torch.flip": lambda: image[:, :4091].flip(1)}),
            (3, "3 x 1 B, in the other order", numpy.s_[:, :, ::-1],
             lambda image, out: {"torch.flip": lambda: image.flip(2)}),
            (3, "3 x 1 B, the second channel", numpy.s_[:, :, 1],
             by_torch(lambda image: image[:, :, 1])),
            (3, "3 x 1 B, every second", numpy.s_[:, ::2], by_torch(lambda image: image[:, ::2])),
            (4, "4 x 1 B, the first three", numpy.s_[:, :, :3],
             by_torch(lambda image: image[:, :, :3]))):
        height = gpu.shrunk(GIB) // (width * channels)
        image = block_of(gpu, 1, height * width * channels)[:height * width * channels]
        image = image.view(height, width, channels)
        row = numpy.arange(width * channels).reshape(1, width, channels)[key]
        expected = numbers_at(gpu, arange(gpu, height, width * channels),
                              gpu.torch.from_numpy(row.flatten()).to(gpu.where), 1)
        view = functools.partial(lambda key, array: array[key], key)
        yield strided_copy(gpu, "pixels", name, image, expected.view(height, *row.shape[1:]), view,
                           torch_of, view, image.numel())


def copies(gpu):
    """All of a dense array: what cudaMemcpy does."""
    total = gpu.shrunk(GIB)
    tensor = block_of(gpu, 4, total // 4)[:total // 4]
    yield strided_copy(gpu, "copies", total_text(total), tensor, tensor, lambda array: array,
                       lambda tensor, out: {"torch copy_": writing(out.copy_, tensor),
                                            "torch clone": tensor.clone},
                       lambda array: array, total, goal=0.97, goal_of_limit=0.97)


# ---- Lists


def lists(gpu, shapes=((1000, 64), (1000, 4096), (10_000, 64), (10_000, 1024))):
    """Separate arrays on the device, a list of them, into one: without and with its building.

    Others read their list in each call: only where ours does so, too, is there a goal."""
    torch = gpu.torch
    for count, size in shapes:
        count = gpu.shrunk(count)
        block = block_of(gpu, 4, count * size // 4)[:count * size // 4].view(count, -1)
        order = torch.randperm(count).tolist()  # they do not lie in the order of the list
        tensors = [block[i].clone() for i in range(count)]
        tensors = [tensors[i] for i in order]
        length = size // 4
        expected = numbers_at(gpu, torch.tensor(order, device=gpu.where) * length,
                              arange(gpu, length), 4)
        out = torch.empty_like(expected)
        parts = list(out.unbind())
        stack = functools.cache(lambda tensors=tensors: multibuffer.stack(tensors))
        as_cupy = functools.cache(lambda tensors=tensors: list(
            map(gpu.load("cupy").from_dlpack, tensors)))

        def cupy_stack(as_cupy=as_cupy, out=out):
            cupy = gpu.load("cupy")
            return writing(cupy.stack, as_cupy(), out=cupy.from_dlpack(out))

        def peers(goal, tensors=tensors, out=out, parts=parts, cupy_stack=cupy_stack):
            yield calls("torch.stack", lambda: torch.stack(tensors), goal)
            yield calls("torch.stack(out=)", writing(torch.stack, tensors, out=out), goal)
            if hasattr(torch, "_foreach_copy_"):
                yield calls("torch._foreach_copy_", writing(torch._foreach_copy_, parts, tensors))
            yield side("cupy.stack", cupy_stack)

        name = f"{count} arrays of {total_text(size)}"
        yield Case("lists", f"{name}, table made once", count * size, expected,
                   [ours(gpu, stack, out), *peers(None)], out, clock=gpu.wall)
        yield Case("lists", f"{name}, from the list", count * size, expected, [
            calls("multibuffer", lambda tensors=tensors: in_place(tensors).copy()), *peers(2.0)],
            out, clock=gpu.wall)


def building(gpu, counts=(1_000_000, 10_000_000)):
    """From addresses to an array that can be gathered from, and a gather: nobody else has this."""
    for count in counts:
        rows = Rows(gpu, 64, 64 * gpu.shrunk(count))
        yield Case("building", f"{rows.count} pointers to rows of 64 B", rows.payload,
                   rows.expected, [
            calls("multibuffer", lambda rows=rows: writing(
                in_place(rows.pointers()).copy, out=rows.out)())], rows.out, clock=gpu.wall)


# ---- Uploads


def uploads(gpu, shapes=((64, 16 * MIB), (KIB, 64 * MIB), (4 * KIB, 64 * MIB),
                         (64 * KIB, 256 * MIB))):
    """Many rows in host memory to one array on the device, until it is there."""
    for size, total in shapes:
        for pinned in (False, True):
            if not pinned or size > 64:
                yield upload_case(gpu, size, gpu.shrunk(total), pinned)


def upload_case(gpu, size, total, pinned):
    torch, length = gpu.torch, size // 4
    count = total // size
    order = torch.randperm(count)
    expected = numbers_at(gpu, order.to(gpu.where) * length, arange(gpu, length), 4)
    block = expected.cpu()
    # A row's place in memory is not its place in the list.
    memory = gpu.host_like(block, pinned).numpy()
    places = order.numpy()
    memory[places] = block.numpy()
    rows = list(memory)
    if not pinned:  # each where it happened to be allocated, one after the other
        rows = [row.copy() for row in rows]
    rows = [rows[i] for i in places]
    tensors = [torch.from_numpy(row) for row in rows]
    out = torch.empty_like(expected)
    staging = gpu.host_like(block, pinned=True)

    def through_pinned():
        numpy.stack(rows, out=staging.numpy())
        out.copy_(staging, non_blocking=True)

    def cupy_asarray():
        cupy = gpu.load("cupy")
        return lambda: cupy.asarray(rows)

    def jax_asarray():
        jax = gpu.load("jax")
        return lambda: jax.numpy.asarray(numpy.stack(rows))

    def device_array():
        return multibuffer.upload(rows, device=gpu.name)

    goal = None if pinned else 2.0
    sides = [calls("multibuffer", device_array),
             calls("np.stack, cuda()",
                   lambda: torch.from_numpy(numpy.stack(rows)).to(gpu.where), goal),
             calls("np.stack pinned, copy_", through_pinned, goal),
             calls("torch.stack, cuda()", lambda: torch.stack(tensors).to(gpu.where), goal),
             side("cupy.asarray(list)", cupy_asarray, goal),
             side("jax asarray(stack)", jax_asarray, goal, gpu.wall_of_jax)]
    if count <= 16 * KIB:  # a call a row takes long
        addresses = numpy.array([row.ctypes.data for row in rows])
        sides.append(with_cuda(gpu, "cudaMemcpyAsync a row",
                               lambda cuda: cuda.copy_rows(addresses, out), goal))
        sides.append(with_cuda(gpu, "cudaMemcpyBatchAsync",
                               lambda cuda: cuda.copy_rows(addresses, out, as_batch=True), goal))
    return Case("uploads", f"{total_text(size)} {'pinned' if pinned else 'pageable'} rows",
                total, expected, sides, out, size, clock=gpu.wall)


# ---- Calls


def small(gpu):
    """Times small calls, until the work is done, by the wall clock."""
    torch = gpu.torch
    rows = Rows(gpu, 64, 64 * KIB)
    narrow = rows.order.int()
    array = functools.cache(lambda: in_place(rows.pointers()))
    yield Case("small", f"{rows.count} rows of 64 B", rows.payload, rows.expected, [
        ours(gpu, rows.pointers, rows.out, name="multibuffer, planned"),
        calls("multibuffer copy", lambda: array().copy()),
        calls("multibuffer copy(out=)", lambda: writing(array().copy, out=rows.out)()),
        calls("torch.index_select", writing(torch.index_select, rows.block, 0, narrow,
                                            out=rows.out)),
        with_cupy(gpu, "cupy.take", lambda cupy, block, order, out: writing(
            cupy.take, block, order, axis=0, out=out), rows.block, narrow, rows.out)],
        rows.out, clock=gpu.wall)


def total_text(count):
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} B"


# The groups that matter most come first, since a run may have to end early.
GROUPS = {
    "rows": rows_shuffled,
    "in_l2": rows_in_l2,
    "misaligned": rows_misaligned,
    "elements": elements,
    "transposes": transposes,
    "lists": lists,
    "uploads": uploads,
    "slices": slices,
    "pixels": pixels,
    "copies": copies,
    "levels": levels,
    "tables": tables,
    "converted": converted,
    "small": small,
    "building": building,
}
