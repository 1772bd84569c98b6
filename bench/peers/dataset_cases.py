"""Arrays in files, and the loops that read them, beside what people read them with today."""

import functools
import pathlib
import tempfile

import multibuffer
import numpy

from harness import Case, Missing, Side
from host_cases import KIB, calls, need, numbers, ours, torch_with

ROWS, ROW_BYTES, TAKEN = 200_000, KIB, 20_000


@functools.cache
def folder():
    """A directory for the run's files, which are warm: they have just been written."""
    directory = tempfile.TemporaryDirectory(prefix="multibuffer-peers-")
    folder.keeper = directory
    return pathlib.Path(directory.name)


@functools.cache
def table():
    return numbers(ROWS * ROW_BYTES // 4, numpy.dtype("f4")).reshape(ROWS, -1)


@functools.cache
def order():
    return numpy.random.default_rng(7).permutation(ROWS)[:TAKEN]


def opened(name, **options):
    """A dataset, or why this build has none of the format."""
    for known, missing in multibuffer.file_formats():
        if missing and known.lower() in name.lower():
            raise Missing(f"multibuffer: built without {missing}")
    return multibuffer.open(name, **options)


def rows_of(name, out, **options):
    """Takes the rows of an open dataset, and then of one that is opened for it."""

    def second_call():
        dataset = opened(name, **options)
        return lambda: dataset.take(order(), out=out)

    def first_call():
        opened(name, **options)
        return lambda: opened(name, **options).take(order(), out=out)

    return [ours(second_call), Side("multibuffer, first call", first_call)]


def take_case(name, expected, out, sides):
    return Case("datasets", name, expected.nbytes, expected, sides, out=out)


# ---- Rows of a table


def hdf5(threads):
    del threads
    expected = table()[order()]
    for name, chunks in (("contiguous", None), ("in chunks of 100 rows", (100, ROW_BYTES // 4))):
        path = folder() / f"{name[:4]}.h5"
        out = numpy.empty_like(expected)

        def written(path=path, chunks=chunks):
            h5py = need("h5py")
            if not path.exists():
                with h5py.File(path, "w") as file:
                    file.create_dataset("x", data=table(), chunks=chunks)
            return h5py.File(path, "r")["x"]

        def in_order(written=written):
            rows, sorted_order = written(), numpy.sort(order())
            if need("h5py").version.version_tuple < (3, 14):  # it takes four minutes for one call
                raise Missing("h5py: lists of indices take quadratic time before 3.14")
            places = numpy.searchsorted(sorted_order, order())
            return lambda: rows[sorted_order][places]

        def one_by_one(written=written, out=out):
            rows = written()

            def work():
                for i, row in enumerate(order()):
                    rows.read_direct(out, numpy.s_[row], numpy.s_[i])
            return work

        def made(sides, written=written):
            """Ours reads what h5py has written."""

            def first(prepare):
                def prepared():
                    written().file.close()
                    return prepare()
                return prepared
            return [Side(side.name, first(side.prepare)) for side in sides]

        yield take_case(
            f"20,000 random rows of 1 KiB, HDF5 {name}", expected, out,
            made(rows_of(f"{path}::x", out)) + [Side("h5py, sorted", in_order, {0: 10}),
                                                Side("h5py, a row at a time", one_by_one)])


def shards(threads):
    del threads
    expected = table()[order()]
    out = numpy.empty_like(expected)
    paths = [folder() / f"shard-{i}.npy" for i in range(20)]
    for path, part in zip(paths, numpy.array_split(table(), len(paths))):
        numpy.save(path, part)

    def concatenated():
        return numpy.concatenate([numpy.load(path, mmap_mode="r") for path in paths])

    def joined_once():
        rows = concatenated()
        return lambda: numpy.take(rows, order(), axis=0, out=out, mode="clip")

    name = str(folder() / "shard-*.npy")
    yield take_case("20,000 random rows of 1 KiB, 20 .npy shards", expected, out,
                    rows_of(name, out) + [
        Side("multibuffer, windows of 64 MiB", lambda: rows_of(name, out, window="64 MiB")[0].prepare()),
        calls("np.load(mmap) + concatenate + take",
              lambda: numpy.take(concatenated(), order(), axis=0, out=out, mode="clip")),
        Side("np.take of one array in memory", joined_once)])


def arrow(threads):
    del threads
    expected = table()[order()]
    out = numpy.empty_like(expected)

    @functools.cache
    def batches():
        pyarrow = need("pyarrow")
        parts = numpy.array_split(table(), 200)
        return pyarrow.table({"x": pyarrow.chunked_array(
            [pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(part.reshape(-1)),
                                                    part.shape[1]) for part in parts])})

    def second_call():
        dataset = multibuffer.open(batches())
        return lambda: dataset.take(order(), out=out)

    def first_call():
        source = batches()
        return lambda: multibuffer.open(source).take(order(), out=out)

    def taken():
        rows = batches()["x"]

        def work():
            chunk = rows.take(order()).combine_chunks()
            return chunk.flatten().to_numpy().reshape(expected.shape)
        return work

    yield take_case("20,000 random rows of 1 KiB, 200 Arrow batches", expected, out, [
        ours(second_call), Side("multibuffer, first call", first_call),
        Side("pyarrow.take", taken, {0: 10})])


def experts(threads):
    """Tensors of one name in each of many layers, as one array."""
    count, shape = 64, (256, 1024)
    tensors = numbers(count * 256 * 1024, numpy.dtype("f4")).reshape(count, *shape)
    path = folder() / "model.safetensors"
    out = numpy.empty_like(tensors)

    @functools.cache
    def written():
        need("safetensors.numpy").save_file(
            {f"layers.{i}.w1": tensor for i, tensor in enumerate(tensors)}, path)

    def ours_():
        written()
        dataset = opened(f"{path}::layers.*.w1")
        return lambda: dataset.copy(out=out)

    def stacked():
        torch = torch_with(threads)
        written()
        safe_open = need("safetensors").safe_open
        target = torch.from_numpy(out)

        def work():
            with safe_open(path, "pt") as file:
                torch.stack([file.get_tensor(f"layers.{i}.w1") for i in range(count)], out=target)
        return work

    yield take_case("64 tensors of 1 MiB, safetensors", tensors, out,
                    [ours(ours_), Side("safetensors + torch.stack", stacked)])


# ---- Batches and epochs


def digest(batches):
    """The first and the last number of each batch, for all of a loop's results to be compared."""
    return numpy.array([[batch.reshape(-1)[0], batch.reshape(-1)[-1]] for batch in batches])


def epochs(threads):
    cases = ((200_000, (), "i8", 1024, {0: 10}, "numbers of 8 B"),
             (200_000, (64,), "f4", 1024, {0: 10}, "rows of 256 B"),
             (100_000, (256,), "f4", 1024, {0: 10}, "rows of 1 KiB"),
             (50_000, (3, 32, 32), "u1", 256, {0: 1}, "images of 3 KiB"),
             (2048, (3, 224, 224), "u1", 256, {0: 1}, "images of 147 KiB"))
    for rows, shape, kind, size, goal, name in cases:
        kind = numpy.dtype(kind)
        data = numbers(rows * int(numpy.prod(shape)), kind).reshape(rows, *shape)
        path = folder() / f"epoch-{kind.itemsize}-{rows}.npy"
        numpy.save(path, data)
        expected = digest([data[i:i + size] for i in range(0, rows, size)])

        def loader(path=path, size=size, items=None):
            torch = torch_with(threads)
            source = numpy.load(path, mmap_mode="c")  # writable, as torch wants it
            return torch, torch.utils.data.DataLoader(
                source if items is None else items(torch, source), batch_size=size)

        def by_items(loader=loader):
            torch, batches = loader()
            return lambda: digest(batch.numpy() for batch in batches)

        def by_batches(prefetch, path=path, size=size):
            torch_with(threads)
            batches = multibuffer.open(path).batches(size, prefetch=prefetch)
            return lambda: digest(batch.numpy() for batch in batches)

        def with_torch(path=path, size=size):
            torch = torch_with(threads)
            batches = torch.utils.data.DataLoader(
                multibuffer.open(path).torch(), batch_size=size,
                collate_fn=need("multibuffer.torch").collate)
            return lambda: digest(batch.numpy() for batch in batches)

        yield Case("epochs", f"an epoch of {rows:,} {name}, batches of {size}", data.nbytes, expected,
                   [ours(functools.partial(by_batches, 2)),
                    Side("batches, prefetch=0", functools.partial(by_batches, 0)),
                    Side("DataLoader(ds.torch())", with_torch),
                    Side("DataLoader + default_collate", by_items, goal)])


def collate(threads):
    for count, shape, kind in ((8, (64,), "f4"), (256, (64,), "f4"), (4096, (64,), "f4"),
                               (1024, (3, 32, 32), "u1"), (2, (3, 224, 224), "u1"),
                               (8, (3, 224, 224), "u1"), (32, (3, 224, 224), "u1"),
                               (256, (3, 224, 224), "u1")):
        kind = numpy.dtype(kind)
        data = numbers(count * int(numpy.prod(shape)), kind).reshape(count, *shape)
        samples = [sample.copy() for sample in data]
        for of_torch in (False, True):

            def side(function, of_torch=of_torch, samples=samples):
                torch = torch_with(threads)
                given = [torch.from_numpy(sample) for sample in samples] if of_torch else samples
                work = function(torch)
                return lambda: work(given).numpy()

            def default(torch):
                return torch.utils.data.default_collate

            def own(torch):
                del torch
                return need("multibuffer.torch").collate

            def stacked(samples=samples):
                torch = torch_with(threads)
                tensors = [torch.from_numpy(sample) for sample in samples]
                return lambda: torch.stack(tensors).numpy()

            # From 256 KiB on, no more than 1.1 times what torch.stack takes of tensors that are there.
            goal = {0: 0.91} if data.nbytes >= 256 * KIB else {}
            sides = [ours(functools.partial(side, own)),
                     Side("default_collate", functools.partial(side, default), {0: 1}),
                     Side("torch.stack of tensors", stacked, goal)]
            yield Case("collate", f"{count} {'tensors' if of_torch else 'arrays'} of {shape} {kind}",
                       data.nbytes, data, sides)


def datasets(threads):
    for cases in (hdf5, shards, arrow, experts):
        yield from cases(threads)


GROUPS = {"datasets": datasets, "epochs": epochs, "collate": collate}
