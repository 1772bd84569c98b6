"""The sides of the device's cases: how multibuffer, torch, CuPy, JAX and CUDA's own calls are called."""

import functools

import multibuffer

from harness import Missing, Side


def in_place(exporter):
    return multibuffer.upload(exporter, placement="in_place")


def side(name, prepare, goal=None, clock=None):
    return Side(name, prepare, {0: goal} if goal else {}, clock)


def ours(gpu, exporter, out, view=lambda array: array, name="multibuffer"):
    """A plan for a view of what is resolved once."""

    def prepare():
        plan = view(in_place(exporter())).plan_copy(out=out, stream=gpu.stream)

        def work():
            plan.run()

        return work

    return side(name, prepare)


def calls(name, work, goal=None):
    return side(name, lambda: work, goal)


def with_cupy(gpu, name, work, *tensors, goal=None):
    """work: from CuPy, and the tensors as its arrays, to what is timed."""

    def prepare():
        cupy = gpu.load("cupy")
        return work(cupy, *map(cupy.from_dlpack, tensors))

    return side(name, prepare, goal)


def with_jax(gpu, name, function, *tensors, goal=None):
    """function: from jax.numpy and the tensors as arrays to a result; it is compiled."""

    def prepare():
        jax = gpu.load("jax")
        if any(tensor.data_ptr() % 16 for tensor in tensors):
            raise Missing("JAX takes memory at multiples of 16 bytes alone")
        arrays = [jax.numpy.from_dlpack(tensor) for tensor in tensors]
        compiled = jax.jit(functools.partial(function, jax.numpy))
        return lambda: compiled(*arrays)

    return side(name, prepare, goal, gpu.wall_of_jax)


def with_cuda(gpu, name, work, goal=None):
    """work: from CudaPeers to what is timed."""
    return side(name, lambda: work(gpu.load("cuda")), goal)


def writing(function, *arguments, **more):
    """A call whose result is in `out`, whatever it returns."""

    def work():
        function(*arguments, **more)

    return work
