"""A GPU as the peers' cases use it: torch owns the memory, and whoever can works on one stream.

Work is timed by events on that stream, which torch, CuPy and multibuffer's plans are all given. The
device is kept busy while the calls between the events are enqueued, so that it is the device that is
timed and not how fast Python can ask. JAX has streams of its own: it is timed by the wall clock,
around as many calls as fill a sample, until the last is ready; so is what waits or reads host memory.
"""

import functools
import gc
import importlib
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import multibuffer
import numpy

from harness import Clock, Device, Missing

# JAX would take most of the memory for itself when it is first used.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

GIB = 1 << 30


@dataclass(eq=False)  # one is itself, whatever it says
class Gpu:
    """The device that cases run on, and the tools to time and compare there.

    name: of the device, in multibuffer's words; where: in torch's.
    stream: what torch and CuPy work on and plans are given; None on the host.
    load: a peer by its name; raises Missing.
    clock: of the stream; wall: of everything, until the device has nothing left to do.
    wall_of_jax: until JAX's last result is ready.
    """

    name: str
    where: str
    torch: Any
    stream: Any
    load: Callable[[str], Any]
    clock: Clock
    wall: Clock
    wall_of_jax: Clock
    description: str
    shrink: int = 1  # by how much all is smaller than it should be

    def shrunk(self, size):
        return size // self.shrink

    def device(self):
        return Device(self.description, self.clock, self.same, self.spoil)

    def tensor(self, result):
        """Anybody's result as a tensor, without a copy where it is dense already."""
        if isinstance(result, self.torch.Tensor):
            return result
        if isinstance(result, multibuffer.DeviceArray):
            result = result.copy()
        if isinstance(result, numpy.ndarray):
            return self.torch.from_numpy(result).to(self.where)
        return self.torch.from_dlpack(result)

    def same(self, result, expected):
        actual, expected = flat(self.torch, self.tensor(result)), flat(self.torch, expected)
        if actual.numel() * actual.element_size() % 8 == 0 and all(
                tensor.data_ptr() % 8 == 0 for tensor in (actual, expected)):
            # Compares large words, which are fewer.
            actual, expected = actual.view(self.torch.int64), expected.view(self.torch.int64)
        return actual.shape == expected.shape and self.torch.equal(actual, expected)

    def spoil(self, out):
        if out is not None:
            flat(self.torch, out).fill_(0x25)

    def clear(self):
        """Gives back what is no longer needed, for others to allocate."""
        gc.collect()
        if self.where == "cuda":
            self.torch.cuda.empty_cache()

    def host_like(self, tensor, pinned):
        """Memory on the host as large as a tensor; pinned where there is a GPU to pin it for."""
        return self.torch.empty(tensor.shape, dtype=tensor.dtype,
                                pin_memory=pinned and self.where == "cuda")

    @functools.cache
    def copy_rate(self, total):
        """Bytes a second, read and written, of a copy of so many: the limit. The best of ten."""
        source = self.torch.zeros(total // 8, dtype=self.torch.int64, device=self.where)
        target = self.torch.empty_like(source)
        work = functools.partial(target.copy_, source)
        calls = min(self.clock.most_calls, max(1, GIB // total))
        return 2 * total * calls / min(self.clock.time(work, calls)[0] for _ in range(10))


def flat(torch, tensor):
    """The bits of the elements, along one axis."""
    return tensor.contiguous().reshape(-1).view(torch.int8)


def load(name):
    try:
        module = importlib.import_module(name)
    except Exception as error:  # some fail to import in ways of their own
        raise Missing(f"{name}: {error}") from None
    return module


def the_gpu():
    """The first GPU, with torch, CuPy and multibuffer on one stream."""
    torch = load("torch")
    if not torch.cuda.is_available():
        raise Missing("torch finds no GPU")
    torch.manual_seed(7)
    stream = torch.cuda.Stream()
    torch.cuda.set_stream(stream)
    return Gpu("cuda:0", "cuda", torch, stream, functools.partial(on_stream, stream.cuda_stream),
               clock_by_events(torch, stream), wall_clock(torch.cuda.synchronize),
               wall_clock_of_jax(torch.cuda.synchronize), torch.cuda.get_device_name())


@functools.cache
def on_stream(handle, name):
    """A peer that works on the stream, if it can be told to."""
    if name == "cuda":
        from cuda_peers import CudaPeers

        return CudaPeers(handle)
    module = load(name)
    if name == "cupy":
        use_in_cupy(module, handle)
    if name == "jax":
        module.config.update("jax_enable_x64", True)
    return module


class ExternalStream:
    """A stream by the protocol that CuPy 14 and newer ask for."""

    def __init__(self, handle):
        self.handle = handle

    def __cuda_stream__(self):
        return 0, self.handle


def use_in_cupy(cupy, handle):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first is the older name
        stream = (cupy.cuda.ExternalStream(handle) if hasattr(cupy.cuda, "ExternalStream")
                  else cupy.cuda.Stream.from_external(ExternalStream(handle)))
    stream.use()
    cupy.stream_of_the_peers = stream  # CuPy may hold it weakly


def clock_by_events(torch, stream):
    most_calls = 64
    cycles_a_call = 60_000  # 30 microseconds: what a slow call takes to be enqueued
    hold = getattr(torch.cuda, "_sleep", None)  # torch's own tests use it, too

    def time_calls(work, calls):
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        stream.synchronize()
        if hold:
            hold(cycles_a_call * (calls + 4))
        begin.record(stream)
        for _ in range(calls - 1):
            work()
        result = work()
        end.record(stream)
        end.synchronize()
        return begin.elapsed_time(end) * 1e-3, result

    return Clock("event", time_calls, least_seconds=5e-4, most_calls=most_calls)


def wall_clock(synchronize):
    def time_calls(work, calls):
        synchronize()
        start = time.perf_counter()
        for _ in range(calls - 1):
            work()
        result = work()
        synchronize()
        return time.perf_counter() - start, result

    return Clock("wall", time_calls, least_seconds=1e-3, most_calls=256)


def wall_clock_of_jax(synchronize):
    def time_calls(work, calls):
        synchronize()
        start = time.perf_counter()
        for _ in range(calls - 1):
            work()
        result = work()
        result.block_until_ready()
        return time.perf_counter() - start, result

    return Clock("wall", time_calls, least_seconds=4e-3, most_calls=16)
