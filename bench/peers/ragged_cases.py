"""Rows of unequal length on the host, beside what makes them dense today."""

import multibuffer
import numpy

from harness import Case, Side
from host_cases import INT, KIB, calls, need, numbers, torch_side, total_text

LISTS = ((100_000, 64), (100_000, KIB), (20_000, 4 * KIB))


class Arrays:
    """Arrays of numbers in memory of their own, from none to twice the mean of bytes: as they were
    made, or shuffled, as samples are."""

    def __init__(self, count, mean, order="shuffled"):
        random = numpy.random.default_rng(7)
        lengths = random.integers(0, 2 * mean // INT.itemsize + 1, count)
        parts = numpy.split(numbers(int(lengths.sum())), numpy.cumsum(lengths)[:-1])
        made = [part.copy() for part in parts]
        self.list = [made[i] for i in random.permutation(count)] if order == "shuffled" else made
        self.name = f"{count} arrays of {total_text(mean)} in the mean, {order}"
        self.dense = numpy.concatenate(self.list)
        self.longest = max(map(len, self.list))

    def tensors(self, torch):
        return [torch.from_numpy(array) for array in self.list]


def ragged(rows, **options):
    return multibuffer.ragged(rows, device="host", **options)


def ours_at_once(arrays, work):
    return Side("multibuffer, ragged() before", lambda: (lambda array: lambda: work(array))(
        ragged(arrays.list)))


def ours_from_tensors(arrays, threads, work):
    def prepare(torch):
        tensors = arrays.tensors(torch)
        return lambda: work(ragged(tensors))

    return torch_side("multibuffer, from tensors", threads, prepare)


def packs(arrays, goal, threads):
    def values(array):
        return array.pack().values

    def torch_cat(torch):
        tensors = arrays.tensors(torch)
        return lambda: torch.cat(tensors)

    return Case("ragged", f"pack {arrays.name}", arrays.dense.nbytes, arrays.dense, [
        calls("multibuffer, from the list", lambda: values(ragged(arrays.list))),
        ours_at_once(arrays, values),
        ours_from_tensors(arrays, threads, values),
        calls("np.concatenate", lambda: numpy.concatenate(arrays.list),
              {0: goal} if goal else None),
        torch_side("torch.cat", threads, torch_cat)])


def packs_into(arrays, threads):
    del threads
    out = numpy.empty_like(arrays.dense)
    return Case("ragged", f"pack {arrays.name}, reused output", out.nbytes, arrays.dense, out=out,
                sides=[
        calls("multibuffer, from the list", lambda: ragged(arrays.list).pack(out=out).values),
        Side("multibuffer, ragged() before", lambda: (lambda array: lambda: array.pack(
            out=out).values)(ragged(arrays.list))),
        calls("np.concatenate", lambda: numpy.concatenate(arrays.list, out=out))])


def padded_by_a_loop(arrays):
    out = numpy.zeros((len(arrays.list), arrays.longest), INT)
    for row, array in zip(out, arrays.list):
        row[:len(array)] = array
    return out


def pads(arrays, goal, threads):
    expected = padded_by_a_loop(arrays)

    def pad_sequence(torch):
        tensors = arrays.tensors(torch)
        return lambda: torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)

    return Case("ragged", f"pad {arrays.name}", expected.nbytes, expected, [
        calls("multibuffer, from the list", lambda: ragged(arrays.list).pad()),
        ours_at_once(arrays, lambda array: array.pad()),
        ours_from_tensors(arrays, threads, lambda array: array.pad()),
        calls("NumPy loop", lambda: padded_by_a_loop(arrays), {0: goal}),
        torch_side("torch pad_sequence", threads, pad_sequence, {0: 3})])


def takes(threads):
    """Rows of 256 bytes in the mean, packed, in another order."""
    del threads
    arrays = Arrays(200_000, 256)
    offsets = numpy.cumsum([0, *map(len, arrays.list)])
    order = numpy.random.default_rng(9).permutation(len(arrays.list))
    expected = numpy.concatenate([arrays.list[i] for i in order])

    def pyarrow_take():
        pyarrow = need("pyarrow")
        column = pyarrow.LargeListArray.from_arrays(pyarrow.array(offsets),
                                                    pyarrow.array(arrays.dense))
        indices = pyarrow.array(order)
        return lambda: column.take(indices).values.to_numpy()

    def awkward_take():
        awkward = need("awkward")
        column = awkward.Array(awkward.contents.ListOffsetArray(
            awkward.index.Index64(offsets), awkward.contents.NumpyArray(arrays.dense)))
        return lambda: awkward.to_packed(column[order]).layout.content.data

    return Case("ragged", "take 200000 packed rows of 256 B in the mean", expected.nbytes, expected, [
        Side("multibuffer", lambda: (lambda array: lambda: array.pack(order).values)(
            ragged(arrays.dense, offsets=offsets))),
        calls("multibuffer, ragged() too",
              lambda: ragged(arrays.dense, offsets=offsets).pack(order).values),
        Side("pyarrow take", pyarrow_take, {0: 1.5}),
        Side("awkward, to_packed", awkward_take)])


def cases(threads):
    for (count, mean), of_concatenate, of_loop in zip(LISTS, (5, 3, 1.5), (10, 5, 3)):
        arrays = Arrays(count, mean)
        yield packs(arrays, of_concatenate, threads)
        yield packs_into(arrays, threads)
        yield pads(arrays, of_loop, threads)
    yield packs(Arrays(*LISTS[0], "in order"), None, threads)
    yield takes(threads)


GROUPS = {"ragged": cases}
