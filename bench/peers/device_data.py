"""The data of the device's cases: numbers in device memory, rows of them, and the orders to read these in.

Each number is made on the device from its own position, and what a result must be is computed from
positions as well: no side is checked by what another one does.
"""

import functools
import math

import multibuffer

from traffic import alignment_of, traffic

KIB, MIB = 1 << 10, 1 << 20
MOST_ROWS = 16 * MIB  # a table of more takes longer to be made than all else

FORMATS = {1: "b", 2: "h", 4: "i", 8: "q"}


def dtype_of(gpu, itemsize):
    return getattr(gpu.torch, f"int{8 * itemsize}")


def mixed(positions, dtype, itemsize):
    """Numbers that tell where they come from."""
    positions = positions * (0x9E3779B97F4A7C15 - (1 << 64))
    return (positions >> (64 - 8 * itemsize)).to(dtype)


def numbers_at(gpu, rows, columns, itemsize, first=0):
    """The numbers at all sums of `rows` and `columns`, two tensors of positions."""
    torch, dtype = gpu.torch, dtype_of(gpu, itemsize)
    result = torch.empty(len(rows), len(columns), dtype=dtype, device=gpu.where)
    step = max(1, 32 * MIB // len(columns))  # positions have eight bytes each
    for i in range(0, len(rows), step):
        positions = rows[i:i + step, None] + (columns + first)
        result[i:i + step] = mixed(positions, dtype, itemsize)
    return result


def arange(gpu, count, step=1):
    return gpu.torch.arange(0, count * step, step, device=gpu.where)


@functools.lru_cache(maxsize=1)
def block_of(gpu, itemsize, count):
    """Numbers side by side, and room for rows that do not begin at the beginning."""
    rows = -(-(count + 16) // 4096)
    return numbers_at(gpu, arange(gpu, rows, 4096), arange(gpu, 4096), itemsize).reshape(-1)


def order_of(gpu, name, count):
    """Returns the row that each pointer leads to."""
    torch = gpu.torch
    if name == "shuffled":
        return torch.randperm(count, device=gpu.where)
    if name == "sorted":  # ascending, but not evenly
        return torch.randint(0, count, (count,), device=gpu.where).sort().values
    if name == "reversed":
        return arange(gpu, count).flip(0)
    if name == "zipf":  # rank r as often as 1 / r
        ranks = torch.rand(count, dtype=torch.float64, device=gpu.where)
        ranks = (ranks * math.log(count)).exp().long() - 1
        return torch.randperm(count, device=gpu.where)[ranks.clamp(0, count - 1)]
    return arange(gpu, count)


class Rows:
    """Rows of numbers in one block of device memory, and the addresses of some in an order."""

    def __init__(self, gpu, row_bytes, total, order="shuffled", offset=0, itemsize=None):
        self.gpu, self.row_bytes = gpu, row_bytes
        self.itemsize = itemsize or (4 if row_bytes % 4 == 0 and offset % 4 == 0 else 1)
        self.length = row_bytes // self.itemsize
        self.format = FORMATS[self.itemsize]
        first = offset // self.itemsize
        all_rows = total // row_bytes
        self.whole = block_of(gpu, self.itemsize, all_rows * self.length)
        self.block = self.whole[first:first + all_rows * self.length].view(all_rows, self.length)
        self.order = order_of(gpu, order, all_rows)[:MOST_ROWS].clone()
        self.count = len(self.order)
        self.first = first
        self.expected = self.numbers(self.order)
        self.out = gpu.torch.empty_like(self.expected)
        addresses = self.order * row_bytes + self.block.data_ptr()
        self.addresses = addresses.cpu().numpy()
        self.alignment = min(alignment_of(row_bytes), alignment_of(offset))

    def numbers(self, order):
        """Returns the contents of the rows in an order."""
        return numbers_at(self.gpu, order * self.length, arange(self.gpu, self.length),
                          self.itemsize, self.first)

    @property
    def payload(self):
        return self.count * self.row_bytes

    def pointers(self):
        return multibuffer.from_pointers(self.addresses, self.length, self.format,
                                         device=self.gpu.name, owner=self.whole)

    def limit(self, entry_bytes, rate):
        return self.count * traffic(self.row_bytes, self.alignment, entry_bytes) / rate
