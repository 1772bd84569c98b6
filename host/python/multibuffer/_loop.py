"""Dataset.batches(): the batches of an epoch, gathered ahead by threads.

A batch goes through three hands. A thread of the epoch gathers it into memory that an earlier batch
has left (`Host.gather`, `Cuda.gather`); the loop's own thread makes an array or a tensor of it
(`hand_over`); and the memory comes back when the last array or tensor over it is gone (`Lease`).
New memory would cost more than the copy itself, since the kernel has to clear it page by page.
"""

import _thread
import operator
import os
import threading
import weakref
from _queue import SimpleQueue
from collections import deque

from . import _is_ending  # false, unless this is loaded while the interpreter ends

# Threads of an epoch. A large gather is parallel by itself, and two threads with small ones would
# wait for each other's turn at the interpreter; but reads by windows wait for the disk.
_THREADS, _THREADS_THAT_READ = 1, 4


def batches(dataset, n, *, shuffle=False, seed=0, rank=0, world=1, device=None, prefetch=2,
            drop_last=False, dtype=None, scale=None, bias=None, channel_axis=-1,
            framework="torch"):
    """Dataset.batches() and Datasets.batches(): see there."""
    elements = {"dtype": dtype, "scale": scale, "bias": bias, "channel_axis": channel_axis}
    return Batches(dataset, n, shuffle, seed, rank, world, device, prefetch, drop_last, elements,
                   framework)


def _integer(value, name, least):
    value = operator.index(value)
    if value < least:
        raise ValueError(f"{name} {value}: at least {least}")
    if value >= 1 << 63:
        raise OverflowError(f"{name} {value} is beyond 64 bits")
    return value


def _flag(value, name):
    if not isinstance(value, (bool, int)):
        raise TypeError(f"{name} is True or False, not {type(value).__name__}")
    return bool(value)


def shuffled(rows, seed, epoch):
    """The numbers below rows in the order of one epoch.

    It is a function of its arguments alone, on any machine and with any NumPy: 64-bit keys out of
    PCG64, whose stream NumPy promises to keep (that of Generator.permutation it does not), and a
    stable sort by them.
    """
    import numpy

    keys = numpy.random.PCG64([seed, epoch]).random_raw(rows)
    return numpy.argsort(keys, kind="stable")


# ---- Memory that is used again

class _Slot:
    """Memory for a whole batch of one column."""

    __slots__ = ("memory", "interface", "free")

    def __init__(self, memory, interface, free):
        self.memory = memory  # what take() writes to
        self.interface = interface  # the memory as NumPy's array interface says it
        self.free = free  # the slots that nobody uses, this one among them once it is let go of


class Lease:
    """Stands between a slot and the array over it: when the array and all its views are gone, in
    whatever package, the lease is, and the slot is free."""

    __slots__ = ("_slot", "__weakref__")

    def __init__(self, slot):
        self._slot = slot

    @property
    def __array_interface__(self):
        return self._slot.interface

    def __del__(self):
        # A deque with a largest length drops what was free longest: a loop that held many batches
        # at once does not keep all of their memory.
        self._slot.free.append(self._slot)


def _taken_by(framework, element):
    import numpy

    try:
        framework.from_numpy(numpy.empty(0, element))
    except TypeError:
        return False
    return True


class Column:
    """One of the arrays of a batch, and what take() is told to make of its elements."""

    def __init__(self, dataset, words, framework):
        self.dataset = dataset.on("host")
        self.words = dict(words)  # what take() is told to make of elements as it gathers them
        self.view_as = None  # torch's type for elements that NumPy has no name for
        self._settle(framework)

    def _settle(self, framework):
        """Finds out what the elements are in NumPy and torch, before the first batch is read."""
        import numpy

        none = self.dataset.take([], **self.words)
        name = none.dtype
        try:
            element = numpy.asarray(none).dtype
        except (AttributeError, BufferError, TypeError, ValueError):
            element = None
        if framework is None:
            if element is None:
                raise TypeError(f"NumPy has no elements of type {name}; give a dtype")
            return
        if element is not None and not element.isnative:  # torch has native elements alone
            element = element.newbyteorder("=")
            self.words["dtype"] = element
        if element is not None and _taken_by(framework, element):
            return
        self.view_as = getattr(framework, name, None)
        if not isinstance(self.view_as, framework.dtype):
            is_date = element is not None and element.kind in "mM"
            advice = 'dtype="int64" gives their counts' if is_date else "give a dtype"
            raise TypeError(f"torch {framework.__version__} has no elements of type {name}; "
                            f"{advice}")

    def take(self, rows, out=None):
        return self.dataset.take(rows, out=out, **self.words)


class Host:
    """Gathers batches of a column into the host's memory."""

    def __init__(self, column, size, ahead, framework):
        self.column, self.size, self.framework = column, size, framework
        self.free = deque(maxlen=ahead + 2)

    def gather(self, rows):
        """A slot; or, of the last batch, which is smaller, memory of its own."""
        if len(rows) != self.size:
            return self._slot(self.column.take(rows), deque(maxlen=0))
        try:
            slot = self.free.pop()
        except IndexError:
            return self._slot(self.column.take(rows), self.free)
        try:
            self.column.take(rows, slot.memory)
        except BaseException:
            self.free.append(slot)
            raise
        return slot

    def _slot(self, memory, free):
        import numpy

        if self.column.view_as is None:
            return _Slot(memory, numpy.asarray(memory).__array_interface__, free)
        tensor = self.framework.from_dlpack(memory)
        interface = {"version": 3, "shape": tuple(tensor.shape), "data": (tensor.data_ptr(), False),
                     "typestr": {1: "|i1", 2: "<i2"}[tensor.element_size()]}
        return _Slot(memory, interface, free)

    def hand_over(self, slot):
        import numpy

        if 0 in slot.interface["shape"]:  # without an address
            array = numpy.asarray(slot.memory)
        else:
            array = numpy.asarray(Lease(slot))
        if self.framework is None:
            return array
        tensor = self.framework.from_numpy(array)
        return tensor if self.column.view_as is None else tensor.view(self.column.view_as)


class Cuda:
    """Gathers batches of a column into page-locked memory, and uploads them on a stream of its own.

    The loop's stream waits for the upload, not the host; and page-locked memory is written again
    when its upload is done.
    """

    def __init__(self, column, size, ahead, framework, device):
        self.column, self.size, self.torch, self.device = column, size, framework, device
        self.free = deque(maxlen=ahead + 2)
        self.stream = framework.cuda.Stream(device)

    def gather(self, rows):
        try:
            pinned, event = self.free.popleft()  # whose upload began first
        except IndexError:
            pinned, event = self._pinned(), self.torch.cuda.Event()
        else:
            event.synchronize()
        part = pinned[:len(rows)]
        out = part if self.column.view_as is not None else part.numpy()
        self.column.take(rows, out)
        with self.torch.cuda.stream(self.stream):
            # Of the stream's own memory: torch does not give it to another stream before
            # record_stream says so.
            tensor = self.torch.empty_like(part, device=self.device)
            tensor.copy_(part, non_blocking=True)
            done = self.torch.cuda.Event()
            done.record(self.stream)
        self.free.append((pinned, done))
        return tensor, done

    def _pinned(self):
        import numpy

        like = self.column.take([])
        element = self.column.view_as
        if element is None:
            element = self.torch.from_numpy(numpy.empty(0, numpy.dtype(like.dtype))).dtype
        return self.torch.empty((self.size, *like.shape[1:]), dtype=element, pin_memory=True)

    def hand_over(self, uploaded):
        tensor, done = uploaded
        current = self.torch.cuda.current_stream(self.device)
        current.wait_event(done)
        tensor.record_stream(current)
        return tensor


# ---- Threads

class _Pending:
    """A batch that a thread is to gather."""

    __slots__ = ("rows", "result", "error", "done")

    def __init__(self, rows):
        self.rows, self.result, self.error = rows, None, None
        self.done = _thread.allocate_lock()
        self.done.acquire()


def _work(waiting, ended, gather):
    """What a thread does. It knows nothing of the epoch, which may be dropped at any time."""
    while (pending := waiting.get()) is not None and not ended:
        try:
            pending.result = gather(pending.rows)
        except BaseException as error:
            pending.error = error
        pending.done.release()
        del pending  # or the last batch would be held until there is another
    waiting.put(None)  # for the next thread


class _Place:
    """How far an epoch is: the number of batches that were handed out."""

    def __init__(self, epoch, batch):
        self.epoch, self.batch = epoch, batch


class Epoch:
    """The iterator over one epoch's batches."""

    def __init__(self, owner, place):
        self._gather, self._hand_over = owner._gather, owner._hand_over
        self._place, self._length = place, len(owner)
        self._size = owner._n
        self._rows = owner._rows_of(place.epoch)
        self._next = place.batch  # the first batch that is not gathered and not on its way
        self._ahead, self._coming, self._most = owner._prefetch, deque(), owner._threads
        self._waiting, self._ended, self._threads = None, [], []
        self._process, self._is_forked = os.getpid(), False
        self._lock = _thread.allocate_lock()
        _open_epochs.add(self)

    def __iter__(self):
        return self

    def __next__(self):
        with self._turn():
            return self._next_batch()

    def _turn(self):
        """One thread at a time. What another thread of the parent held, a forked process has not."""
        if self._process != os.getpid() and not self._is_forked:
            self._lock, self._is_forked = _thread.allocate_lock(), True
        return self._lock

    def _next_batch(self):
        if self._ahead and self._process == os.getpid():
            result = self._from_threads()
        else:
            # Also in the child of a fork, which has none of its parent's threads.
            result = self._by_itself()
        batch = self._hand_over(result)
        self._place.batch += 1
        if self._place.batch == self._length:
            self._place.epoch, self._place.batch = self._place.epoch + 1, 0
        return batch

    def _rows_of_next(self):
        first = self._next * self._size
        self._next += 1
        return self._rows[first:first + self._size]

    def _by_itself(self):
        if self._coming:
            rows = self._coming.popleft().rows
        elif self._next < self._length:
            rows = self._rows_of_next()
        else:
            raise StopIteration
        try:
            return self._gather(rows)
        except BaseException:
            self.close()
            raise

    def _from_threads(self):
        if self._waiting is None:
            self._start()
        if not self._threads:
            return self._by_itself()
        while self._next < self._length and len(self._coming) <= self._ahead:
            pending = _Pending(self._rows_of_next())
            self._coming.append(pending)
            self._waiting.put(pending)
        if not self._coming:
            self.close()
            raise StopIteration
        pending = self._coming[0]
        with pending.done:  # what interrupts this leaves the batch where it is
            pass
        self._coming.popleft()
        if pending.error is not None:
            self.close()
            try:
                raise pending.error
            finally:
                del pending  # the error's traceback would hold itself
        return pending.result

    def _start(self):
        self._waiting = SimpleQueue()
        for _ in range(min(self._ahead, self._length - self._next, self._most)):
            arguments = self._waiting, self._ended, self._gather
            thread = threading.Thread(target=_work, args=arguments, daemon=True,
                                      name="multibuffer batches")
            if not _starts(thread):
                break
            self._threads.append(thread)

    def close(self):
        """Ends the threads and the epoch. A batch that is being gathered is waited for."""
        self._stop()
        self._join()

    def _stop(self):
        self._next = self._length
        self._coming.clear()
        self._end_threads()

    def _end_threads(self, getpid=os.getpid):
        # A forked process may have the queue in the middle of another thread's use of it. When the
        # interpreter ends, this module's names may be gone before an epoch is.
        if self._waiting is not None and self._process == getpid():
            self._ended.append(True)
            self._waiting.put(None)

    def _join(self):
        threads, self._threads = self._threads, []
        if self._process == os.getpid():
            for thread in threads:
                if thread is not threading.current_thread():
                    thread.join()

    def end_with_the_process(self):
        """Ends the threads alone: a thread of the user's may still be in a loop over the epoch."""
        self._end_threads()
        self._join()

    def __del__(self):
        # Without waiting: this may run in any thread, the epoch's own included.
        if hasattr(self, "_threads"):
            self._stop()


# Held while a thread starts, since CPython crashes, up to 3.11, if the interpreter's end meets one that
# has no more than begun: a daemon thread of the user's may be in a loop over batches then.
_starting = _thread.allocate_lock()


def _starts(thread):
    with _starting:
        if _is_ending:
            return False
        try:
            thread.start()
        except RuntimeError:  # there are too many, or (from 3.12 on) the interpreter is ending
            return False
        return True


def _renew_lock():
    global _starting
    _starting = _thread.allocate_lock()


os.register_at_fork(after_in_child=_renew_lock)

_open_epochs = weakref.WeakSet()


def _close_epochs():
    global _is_ending
    with _starting:
        _is_ending = True
    for epoch in list(_open_epochs):
        epoch.end_with_the_process()


# ---- The loader

class Batches:
    """The batches of a dataset, made by Dataset.batches() or Datasets.batches(): each iter() is an
    epoch.

    Epochs count up from 0, and each has an order of its own where shuffle is true. state_dict() and
    load_state_dict() say and set the place from which an epoch goes on, also in another process.
    """

    def __init__(self, dataset, n, shuffle, seed, rank, world, device, prefetch, drop_last, elements,
                 framework):
        self._n = _integer(n, "n", 1)
        self._shuffle = _flag(shuffle, "shuffle")
        self._seed = _integer(seed, "seed", 0)
        self._world = _integer(world, "world", 1)
        self._rank = _integer(rank, "rank", 0)
        if self._rank >= self._world:
            raise ValueError(f"rank {rank} of a world of {world}")
        self._prefetch = _integer(prefetch, "prefetch", 0)
        self._drop_last = _flag(drop_last, "drop_last")
        self._dataset, self._device, self._elements = dataset, device, elements
        self._framework = framework
        self._rows = len(dataset)
        self._place, self._after = _Place(0, 0), None
        self._columns = self._make_columns()
        reads = any(each.column.dataset.window for each in self._columns.values())
        self._threads = _THREADS_THAT_READ if reads else _THREADS

    def _make_columns(self):
        """{name: Host or Cuda}; the name is None where a batch is no dict."""
        if self._framework == "torch":
            try:
                import torch
            except ImportError as error:
                raise ImportError(
                    "torch is not installed; framework='numpy' gives NumPy's arrays") from error
        elif self._framework == "numpy":
            torch = None
        else:
            raise ValueError(f"framework {self._framework!r}: there are 'torch' and 'numpy'")
        from ._dataset import Datasets, words_by_name

        columns = {}
        several = isinstance(self._dataset, Datasets)
        datasets = dict(self._dataset.items()) if several else {None: self._dataset}
        said = words_by_name(self._elements, datasets)
        for name, dataset in datasets.items():
            column = Column(dataset, said[name], torch)
            device = self._device_of(dataset, torch)
            columns[name] = Host(column, self._n, self._prefetch, torch) if device is None else \
                Cuda(column, self._n, self._prefetch, torch, device)
        return columns

    def _device_of(self, dataset, torch):
        """A torch.device of CUDA, or None for the host."""
        device = dataset.device if self._device is None else self._device
        if not isinstance(device, str) and not (torch and isinstance(device, torch.device)):
            raise TypeError(f"device is a str or a torch.device, not {type(device).__name__}")
        name = str(device)
        if name in ("host", "cpu"):
            return None
        if torch is None:
            raise ValueError(f"device {name!r}: NumPy's arrays are on the host")
        if name == "auto":
            if not torch.cuda.is_available():
                return None
            name = "cuda"
        kind, _, number = name.partition(":")
        if kind != "cuda" or not (number or "0").isdecimal():
            raise ValueError(f"device {name!r}: there are 'host', 'auto', 'cuda' and 'cuda:N'")
        if int(number or 0) >= torch.cuda.device_count():
            raise RuntimeError(f"torch finds no CUDA device for {name!r}")
        return torch.device("cuda", int(number) if number else torch.cuda.current_device())

    def _gather(self, rows):
        return [column.gather(rows) for column in self._columns.values()]

    def _hand_over(self, results):
        handed = [column.hand_over(result)
                  for column, result in zip(self._columns.values(), results)]
        return handed[0] if None in self._columns else dict(zip(self._columns, handed))

    def _rows_of(self, epoch):
        """The rows of this rank in an epoch, in order."""
        import numpy

        rows = shuffled(self._rows, self._seed, epoch) if self._shuffle else \
            numpy.arange(self._rows)
        return rows[self._rank::self._world]

    def __len__(self):
        """The batches of an epoch on this rank."""
        if self._drop_last:
            return self._rows // self._world // self._n
        return -(-len(range(self._rank, self._rows, self._world)) // self._n)

    def __iter__(self):
        if self._after is not None:  # the epoch after the one begun last, however that ended
            self._place = _Place(self._after, 0)
        place = self._place
        if place.batch >= len(self):
            place.epoch, place.batch = place.epoch + (1 if place.batch else 0), 0
        self._after = place.epoch + 1
        return Epoch(self, place)

    def state_dict(self):
        """The place of the epoch that was begun last, and what it is a place in: a dict of numbers.

        A batch counts once it is handed out; those that were gathered ahead do not.
        """
        return {**self._order(), "epoch": self._place.epoch, "batch": self._place.batch}

    def load_state_dict(self, state):
        """Makes the next iter() go on from the place that state_dict() said, on any rank.

        ValueError where rows, n, shuffle, seed, world or drop_last are not those of the state.
        """
        if not isinstance(state, dict):
            raise TypeError(f"a state is a dict, not {type(state).__name__}")
        for name, value in self._order().items():
            if name not in state:
                raise ValueError(f"the state has no {name!r}")
            if state[name] != value:
                raise ValueError(f"the state is of {name} {state[name]!r}, not {value!r}")
        place = _Place(_integer(state.get("epoch", 0), "epoch", 0),
                       _integer(state.get("batch", 0), "batch", 0))
        if place.batch > len(self):
            raise ValueError(f"the state is at batch {place.batch}, of {len(self)}")
        self._place = place
        self._after = None

    def _order(self):
        return {"rows": self._rows, "n": self._n, "shuffle": self._shuffle, "seed": self._seed,
                "world": self._world, "drop_last": self._drop_last}

    def __reduce__(self):
        return _restored, (self._dataset, self._n, self._shuffle, self._seed, self._rank,
                           self._world, self._device, self._prefetch, self._drop_last, self._elements,
                           self._framework, self.state_dict())

    def __repr__(self):
        return (f"Batches({self._dataset!r}, {self._n}, shuffle={self._shuffle}, "
                f"seed={self._seed}, rank={self._rank}, world={self._world})")


def _restored(*arguments):
    """What pickled Batches become: they go on from the same place."""
    result = Batches(*arguments[:-1])
    result.load_state_dict(arguments[-1])
    return result


for _public in (Batches,):
    _public.__module__ = __package__
