"""Calls cuda_peers.cu: CUDA and its own libraries on the same rows, for the peers' cases.

Each function returns the work itself, which enqueues on a stream.
"""

import ctypes
import os

import plain_copies

from harness import Missing


class CudaPeers:
    def __init__(self, stream):
        path = os.path.join(os.path.dirname(plain_copies.__file__), "cuda_peers.so")
        if not os.path.exists(path):
            raise Missing("cub, thrust and CUDA's copies: not built here")
        self.library = ctypes.CDLL(path)
        self.stream = ctypes.c_void_p(stream)

    def work(self, name, *arguments, keep=()):
        function = getattr(self.library, name)

        def call(keep=keep):  # what the arguments are the addresses of
            error = function(*arguments, self.stream)
            if error:
                raise RuntimeError(f"{name}: CUDA error {error}")

        return call

    def gather(self, indices, source, out):
        """thrust::gather of elements at indices of 32 bits."""
        return self.work("thrust_gather", address(indices), ctypes.c_int64(indices.numel()),
                         address(source), address(out), ctypes.c_int(out.element_size()),
                         keep=(indices, source, out))

    def batched(self, torch, addresses, out):
        """cub::DeviceMemcpy::Batched of rows at addresses, which are on the device."""
        count, row_bytes = len(out), out[0].numel() * out.element_size()
        targets = out.data_ptr() + row_bytes * torch.arange(count, device=out.device)
        sizes = torch.full((count,), row_bytes, dtype=torch.int32, device=out.device)
        tables = [address(addresses), address(targets), address(sizes), ctypes.c_int64(count)]
        needed = ctypes.c_size_t(0)
        self.work("cub_batched", None, ctypes.byref(needed), *tables)()
        scratch = torch.empty(max(1, needed.value), dtype=torch.int8, device=out.device)
        return self.work("cub_batched", address(scratch), ctypes.byref(needed), *tables,
                         keep=(addresses, targets, sizes, scratch, out))

    def copy_rows(self, addresses, out, as_batch=False):
        """A cudaMemcpyAsync for each row, or one cudaMemcpyBatchAsync: from addresses in a NumPy
        array."""
        row_bytes = out[0].numel() * out.element_size()
        return self.work("copy_rows_as_batch" if as_batch else "copy_rows",
                         ctypes.c_void_p(addresses.ctypes.data), ctypes.c_int64(len(addresses)),
                         ctypes.c_size_t(row_bytes), address(out), keep=(addresses, out))


def address(tensor):
    return ctypes.c_void_p(tensor.data_ptr())
