"""What users run beside this today: torch, JAX, ml_dtypes, pyarrow, pandas and the rest, as `./dev
ecosystem` installs them; and the rules about them, on objects made to measure, which need none.

The rule of most: memory is taken only from an object whose elements are what its memory holds.
"""

import contextlib
import sys
import unittest
import unittest.mock
import warnings

import multibuffer
from _exchange import Tensor
from packages import Image, dask, h5py, jax, ml_dtypes, numpy, pandas, pyarrow, torch
from support import needs


@contextlib.contextmanager
def warnings_ignored():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def up(obj, **options):
    return multibuffer.upload(obj, device="host", **options)


class Claims:
    """What torch's tensors say of themselves, all false unless it is set."""

    conjugated = negated = requires_grad = False

    def is_conj(self):
        return self.conjugated

    def is_neg(self):
        return self.negated


class ByTable(Claims, Tensor):
    """A tensor that C code takes by a table, which has no word for its claims."""

    __dlpack_c_exchange_api__ = Tensor.__dlpack_c_exchange_api__


class ByMethods(Claims):
    """A tensor by `__dlpack__`, which has no word for them either, as torch's has none for negatives.

    To resolve what it claims, it makes another one.
    """

    def __init__(self, *elements):
        self.elements = elements
        self.array = up(memoryview(bytes(elements))).copy()

    def __dlpack__(self, **words):
        return self.array.__dlpack__(**words)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def data_ptr(self):
        return self.array.__array_interface__["data"][0]

    def resolve_conj(self):
        return ByMethods(*self.elements) if self.conjugated else self

    def resolve_neg(self):
        return ByMethods(*self.elements) if self.negated else self


def by_table(*elements):
    return ByTable(list(elements), [len(elements)], [1])


CLAIMS = {"conjugated": r"\.resolve_conj\(\)", "negated": r"\.resolve_neg\(\)",
          "requires_grad": r"\.detach\(\)"}


def readers(plain, bad):
    """Everything that reads an array, as (name, call without arguments)."""
    base = up(bytes(range(10, 20)))
    yield "upload", lambda: up(bad)
    yield "in place", lambda: up(bad, placement="in_place")
    yield "list", lambda: up([bad])
    yield "list of like arrays", lambda: up([plain, plain, bad, plain])
    yield "nested list", lambda: up([[plain], [bad]])
    yield "stack", lambda: multibuffer.stack([plain, plain, bad])
    yield "reference", lambda: multibuffer.reference(bad)
    yield "reference of a list", lambda: multibuffer.reference([plain, plain, bad])
    yield "verify", lambda: multibuffer.verify(bad, bad)
    yield "update", lambda: up(plain).update(bad)
    yield "indices", lambda: base[bad]
    yield "list of indices", lambda: base[[bad, bad]]
    yield "take", lambda: base.take(bad)
    yield "gather", lambda: base.gather([bad])
    yield "plan", lambda: base.plan_take(bad)
    yield "take of a reference", lambda: multibuffer.reference(bytes(9)).take(bad)
    yield "pointers", lambda: multibuffer.from_pointers(bad, 1)


def writers(shape_of, bad):
    """Everything that writes to one."""
    array, reference = up(shape_of), multibuffer.reference(shape_of)
    yield "copy", lambda: array.copy(out=bad)
    yield "take", lambda: array.take([0, 1], out=bad)
    yield "gather", lambda: array.gather([[0, 1]], out=bad)
    yield "plan", lambda: array.plan_copy(out=bad)
    yield "reference", lambda: reference.copy(out=bad)


class Case(unittest.TestCase):
    def refused(self, calls, message, kind=BufferError, only=None):
        for name, call in calls:
            if only and name not in only:
                continue
            with self.subTest(name), self.assertRaisesRegex(kind, message) as caught:
                call()
            with self.subTest(name + ": one sentence"):
                self.assertNotIn("\n", str(caught.exception))


class StandIns(Case):
    """The rules, on objects of our own."""

    def test_nothing_is_read_that_claims_to_be_something_else(self):
        for claim, message in CLAIMS.items():
            for make in by_table, ByMethods:
                bad = make(0, 1)
                setattr(bad, claim, True)
                with self.subTest(claim=claim, make=make.__name__):
                    exempt = set()
                    if make is by_table:
                        # The reference knows nothing of the table of a type.
                        exempt = {"reference", "reference of a list"}
                        if claim == "conjugated":  # the conjugates of integers are themselves
                            exempt.add("list of like arrays")
                    self.refused((pair for pair in readers(make(0, 1), bad)
                                  if pair[0] not in exempt), message)

    def test_nothing_is_written_to_what_claims_to_be_something_else(self):
        for claim, message in CLAIMS.items():
            for make, plain in ((by_table, memoryview(bytes(8)).cast("i")), (ByMethods, bytes(2))):
                bad = make(3, 4)
                setattr(bad, claim, True)
                with self.subTest(claim=claim, make=make.__name__):
                    self.refused(writers(plain, bad), message)
                    setattr(bad, claim, False)
                    self.assertEqual(up(bad).tolist(), [3, 4])

    def test_the_reference_asks_by_another_way(self):
        # It does not ask is_neg(), which here says nothing, nor does upload() resolve.
        bad = ByMethods(1, 2)
        bad.negated = True
        bad.is_neg = lambda: False
        self.assertEqual(up(bad).tolist(), [1, 2])
        for thing in bad, [ByMethods(1, 2), bad]:
            with self.assertRaisesRegex(BufferError, r"\.resolve_neg\(\)"):
                multibuffer.reference(thing)
        # It asks every object itself, by Python's protocols.
        with self.assertRaisesRegex(TypeError, "through the table, please"):
            multibuffer.reference([by_table(1), by_table(2)])

    def test_what_asking_raises_is_raised(self):
        class Broken(ByMethods):
            def is_neg(self):
                raise ZeroDivisionError("in is_neg")

        self.refused(readers(ByMethods(1), Broken(1)), "in is_neg", ZeroDivisionError,
                     only={"upload", "list", "indices"})

    def test_the_table_of_a_base_class_is_not_asked(self):
        class Wrapper(Tensor):
            """Its own memory is not what it stands for."""

            def __dlpack__(self, **words):
                return up(bytes([7, 8])).copy().__dlpack__(**words)

        wrapper = Wrapper([1, 2], [2], [1])
        self.assertEqual(up(wrapper).tolist(), [7, 8])
        self.assertEqual(up([wrapper, wrapper]).tolist(), [[7, 8]] * 2)

    def test_a_stack_of_cpp_frames_becomes_one_sentence(self):
        class Refuses(ByMethods):
            kind = RuntimeError

            def __dlpack__(self, **words):
                raise self.kind("there is no storage\nframe #0: c10::Error::Error\nframe #1: ...")

        calls = {"upload", "list", "list of like arrays", "stack", "reference", "indices", "take"}
        self.refused(readers(ByMethods(1), Refuses(1)), "^Refuses .*there is no storage$", only=calls)
        with self.assertRaises(BufferError) as caught:
            up(Refuses(1))
        self.assertIsInstance(caught.exception.__cause__, RuntimeError)
        # What is not the C++ of somebody's is its own exception.
        Refuses.kind = ZeroDivisionError
        with self.assertRaisesRegex(ZeroDivisionError, "there is no storage"):
            up(Refuses(1))

    def test_what_has_no_elements_is_told_what_has(self):
        class Layout:
            def __str__(self):
                return "torch.sparse_coo"

        class Refuses(ByMethods):
            layout = is_meta = is_quantized = is_nested = None

            def __dlpack_device__(self):
                raise ValueError("an unknown device, or so")

        for attribute, value, message in (("layout", Layout(), r"torch\.sparse_coo.*\.to_dense\(\)"),
                                          ("is_meta", True, "meta device"),
                                          ("is_nested", True, r"\.unbind\(\)"),
                                          ("is_quantized", True, r"\.dequantize\(\)")):
            refuses = Refuses(1)
            setattr(refuses, attribute, value)
            self.refused(readers(ByMethods(1), refuses), message,
                         only={"upload", "list", "stack", "reference", "reference of a list"})

    def test_advice_on_objects_that_are_no_arrays(self):
        def of(*methods):
            return type("Thing", (), {name: lambda self: None for name in methods})()

        for thing, advice in ((of("__array__", "to_numpy"), r"Thing: \.to_numpy\(\)"),
                              (of("__array__", "compute"), r"\.compute\(\)"),
                              (of("__array__", "read_direct"), r"dataset\[\.\.\.\]"),
                              (of("__array__"), r"numpy\.asarray\(\)"),
                              (of("getbands", "tobytes", "__array__"), r"multibuffer\.rows\(image\)"),
                              (of(), "not Thing$")):
            for call in (up, lambda x: up([x]), lambda x: multibuffer.stack([x]),
                         multibuffer.reference, lambda x: up(b"ab").copy(out=x)):
                with self.subTest(advice), self.assertRaisesRegex(TypeError, advice):
                    call(thing)
            with self.assertRaisesRegex(IndexError, advice):
                up(b"ab")[thing]


@needs(numpy, "NumPy")
class Masks(Case):
    def test_a_set_mask_is_refused(self):
        plain = numpy.ma.array([0, 1, 2])
        records = numpy.ma.array([(1, 2), (3, 4)], mask=[(0, 0), (0, 1)],
                                 dtype=[("a", "i4"), ("b", "i4")])
        for bad in (numpy.ma.array([0, 1, 2], mask=[0, 1, 0]), numpy.ma.masked_equal([0, 1, 2], 1)):
            self.refused(readers(plain, bad), r"\.filled\(\).*\.data")
            self.refused(writers(numpy.arange(3), bad), r"\.filled\(\).*\.data")
        for bad in (records, numpy.ma.masked, records[1], numpy.ma.array([1.5], mask=True)):
            self.refused(readers(plain, bad), r"\.filled\(\)", only={"upload", "list", "reference"})

    def test_a_mask_that_hides_nothing_is_none(self):
        for mask in (numpy.ma.nomask, False, [0, 0, 0]):
            array = numpy.ma.array([0, 1, 2], mask=mask)
            self.assertEqual(up(array).tolist(), [0, 1, 2])
            self.assertEqual(up([array, array[::-1]]).tolist(), [[0, 1, 2], [2, 1, 0]])
            self.assertEqual(up(bytes(range(3)))[array].tolist(), [0, 1, 2])
            out = numpy.ma.array([0, 0, 0], mask=mask)
            up(array).copy(out=out)
            self.assertEqual(out.tolist(), [0, 1, 2])

    def test_a_field_of_the_name_is_no_mask(self):
        records = numpy.rec.array(numpy.array([(1,), (2,)], [("mask", "i4")]))
        self.assertEqual(up(records).tolist(), [(1,), (2,)])

    def test_others_masks(self):
        class Masked(numpy.ndarray):
            """As astropy has them."""

            @property
            def mask(self):
                return numpy.asarray(self) < 0

        self.assertEqual(up(numpy.arange(3).view(Masked)).tolist(), [0, 1, 2])
        with self.assertRaisesRegex(BufferError, "mask"):
            up(numpy.arange(-1, 2).view(Masked))

    @needs(ml_dtypes, "ml_dtypes")
    def test_fields_without_a_format_are_named(self):
        number = ml_dtypes.bfloat16
        for dtype in ([("a", "i4"), ("t", number)], [("a", "M8[s]"), ("n", [("t", number)])]):
            with self.assertRaisesRegex(BufferError, "field 't', of dtype bfloat16"):
                up(numpy.zeros(2, dtype))


@needs(numpy, "NumPy")
class WithoutMlDtypes(Case):
    """Results that NumPy has no word for, where nothing brings one."""

    def setUp(self):
        patch = unittest.mock.patch.dict(sys.modules, {"ml_dtypes": None})
        patch.start()
        self.addCleanup(patch.stop)
        self.array = up(numpy.arange(4, dtype="f4"))
        self.result = self.array.astype("bfloat16")

    def test_the_error_says_what_will_do(self):
        for call in (numpy.asarray, numpy.array, lambda x: numpy.stack([x, x]),
                     lambda x: x.__array__(), lambda x: numpy.asarray(in_place(x))):
            with self.subTest(), self.assertRaisesRegex(TypeError, r'bfloat16.*astype\("float32"\)'):
                call(self.result)
        self.assertEqual(numpy.asarray(self.result.astype("float32")).tolist(), [0, 1, 2, 3])

    def test_no_format_is_made_up_for_them(self):
        with self.assertRaisesRegex(BufferError, r"bfloat16.*numpy\.asarray\(\) and DLPack"):
            memoryview(self.result)
        with self.assertRaisesRegex(BufferError, r"bfloat16.*upload\(\)"):
            memoryview(multibuffer.stack([self.result, self.result]))
        with self.assertRaisesRegex(BufferError, r"upload\(\)"):
            numpy.asarray(multibuffer.stack([self.result, self.result]))
        self.assertFalse(hasattr(self.result, "__array_interface__"))
        # Who asks for no format gets the bytes.
        with open("/dev/null", "wb") as file:
            self.assertEqual(file.write(self.result), 8)
        self.assertEqual(self.result.tobytes(), b"\0\0\x80\x3f\0\x40\x40\x40")


def in_place(result):
    return up(result, placement="in_place")


@needs(numpy, "NumPy")
@needs(ml_dtypes, "ml_dtypes")
class MlDtypes(Case):
    names = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3", "float8_e3m4",
             "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz", "float8_e8m0fnu")

    def array(self, name):
        return numpy.array([[1, 2, 4], [0.5, 8, 0.25]]).astype(getattr(ml_dtypes, name))

    def test_there_and_back(self):
        for name in self.names:
            array = self.array(name)
            for strided in array, array.T, array[::-1, ::2], array[0, 0], array[:0]:
                with self.subTest(name=name, shape=strided.shape):
                    uploaded = up(strided)
                    self.assertEqual((uploaded.dtype, uploaded.shape), (name, strided.shape))
                    back = numpy.asarray(uploaded.copy())
                    self.assertEqual(back.dtype, array.dtype)
                    numpy.testing.assert_array_equal(back, strided)
                    numpy.testing.assert_array_equal(numpy.asarray(uploaded), strided)
                    reference = multibuffer.reference(strided)
                    numpy.testing.assert_array_equal(numpy.asarray(reference), strided)
                    self.assertTrue(multibuffer.verify(uploaded, reference))

    def test_results_share_their_memory_with_numpy(self):
        result = up(self.array("bfloat16")).copy("F")
        array = numpy.asarray(result)
        self.assertTrue(array.flags.f_contiguous and array.flags.writeable)
        array[1, 2] = 3
        self.assertEqual(up(result).astype("float32").tolist(), [[1, 2, 4], [0.5, 8, 3]])
        copied = numpy.array(result)
        copied[:] = 0
        self.assertEqual(up(result)[0].astype("float32").tolist(), [1, 2, 4])
        self.assertEqual(numpy.asarray(result, dtype="float64").tolist(), [[1, 2, 4], [0.5, 8, 3]])
        del result
        self.assertEqual(array.astype("f4").tolist(), [[1, 2, 4], [0.5, 8, 3]])

    def test_lists(self):
        for name in self.names:
            arrays = [self.array(name)[i % 2] for i in range(20)]
            expected = numpy.stack(arrays)
            with self.subTest(name=name):
                numpy.testing.assert_array_equal(numpy.asarray(up(arrays)), expected)
                numpy.testing.assert_array_equal(
                    numpy.asarray(multibuffer.reference(arrays)), expected)
                numpy.testing.assert_array_equal(
                    numpy.asarray(up(multibuffer.stack(arrays))), expected)
                mixed = arrays + [numpy.repeat(arrays[0], 2)[::2]]
                numpy.testing.assert_array_equal(numpy.asarray(up(mixed)), numpy.stack(mixed))
        with self.assertRaisesRegex(ValueError, "one format"):
            up([self.array("bfloat16"), self.array("bfloat16").view("u2")])
        scalars = up([ml_dtypes.bfloat16(1), ml_dtypes.bfloat16(2)])
        self.assertEqual(numpy.asarray(scalars).tolist(), [1, 2])

    def test_outputs_and_updates(self):
        array = self.array("bfloat16")
        out = numpy.zeros_like(array)
        up(array).copy(out=out)
        numpy.testing.assert_array_equal(out, array)
        multibuffer.reference(array[::-1]).copy(out=out)
        numpy.testing.assert_array_equal(out, array[::-1])
        up(numpy.arange(6, dtype="f8").reshape(2, 3)).copy(out=out, dtype="bfloat16")
        self.assertEqual(out.astype("f4").tolist(), [[0, 1, 2], [3, 4, 5]])
        with self.assertRaisesRegex(ValueError, "out has format 'H'"):
            up(array).copy(out=out.view("u2"))
        out.flags.writeable = False
        with self.assertRaisesRegex((BufferError, ValueError), "read-only|not writ"):
            up(array).copy(out=out)
        uploaded = up(array)
        uploaded.update(array[::-1].copy())
        numpy.testing.assert_array_equal(numpy.asarray(uploaded), array[::-1])

    def test_conversions(self):
        array = self.array("bfloat16")
        self.assertEqual(up(array).astype("float32").tolist(), array.astype("f4").tolist())
        numbers = up(numpy.arange(6, dtype="i4").reshape(2, 3))
        numpy.testing.assert_array_equal(numpy.asarray(numbers.astype(ml_dtypes.bfloat16)),
                                         numpy.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16))

    def test_numbers_of_less_than_a_byte_are_refused_by_name(self):
        for name, advice in (("int4", "int8"), ("uint4", "int8"), ("int2", "int8"),
                             ("float4_e2m1fn", "float32"), ("float6_e2m3fn", "float32")):
            if not hasattr(ml_dtypes, name):
                continue
            array = numpy.ones(3).astype(getattr(ml_dtypes, name))
            self.refused(readers(array, array), rf"{name} .*astype\('{advice}'\)",
                         only={"upload", "list", "stack", "reference", "indices"})

    def test_they_are_numbers(self):
        for name in self.names:
            array = self.array(name)
            with self.subTest(name=name):
                self.assertEqual(up(array).tolist(), array.astype("f8").tolist())
                self.assertEqual(up(array).copy().tolist(), array.astype("f8").tolist())
                self.assertIn(8, up(array))
                self.assertTrue(multibuffer.verify(up(array), array * array.dtype.type(1), ulp=1))
                self.assertFalse(multibuffer.verify(up(array), array[::-1], atol=1e-3))
                self.assertTrue(multibuffer.verify(up(array), array[::-1], atol=8))

    def test_conversions_are_those_of_ml_dtypes(self):
        bits = numpy.arange(1 << 16, dtype="u2")
        numbers = [bits.view("f2"), bits.view(ml_dtypes.bfloat16), bits.astype("i2"),
                   (bits.astype("u4") << 16 | 0x8000).view("f4"), bits.view("u1").view("i1"),
                   (bits.astype("u8") << 47).view("f8"), bits.view("u1") % 2 == 1]
        numbers += [numpy.arange(256, dtype="u1").view(getattr(ml_dtypes, name))
                    for name in self.names if name != "bfloat16"]
        for name in self.names:
            to = numpy.dtype(getattr(ml_dtypes, name))
            for given in numbers:
                with self.subTest(name=name, given=given.dtype), \
                        numpy.errstate(invalid="ignore", over="ignore"):
                    try:
                        expected = given.astype(to)
                    except TypeError:  # NumPy has no way between some of them
                        continue
                    made = numpy.asarray(up(given).astype(to))
                    if name == "float8_e8m0fnu":
                        # Versions of ml_dtypes differ on what lies below its two least numbers.
                        wide = given.astype("f8")
                        least = (wide > 2.0 ** -127) & (wide < 1.5 * 2.0 ** -127)
                        self.assertTrue((made.view("u1")[least] == 0).all())
                        above = ~(wide < 1.5 * 2.0 ** -127)
                        made, expected = made[above], expected[above]
                    numpy.testing.assert_array_equal(made.astype("f8"), expected.astype("f8"))

    def test_a_foreign_byte_order(self):
        array = self.array("bfloat16").byteswap()
        array = array.view(array.dtype.newbyteorder())
        uploaded = up(array)
        self.assertEqual(uploaded.dtype, ">bfloat16" if sys.byteorder == "little" else "<bfloat16")
        self.assertEqual(uploaded.tolist(), self.array("bfloat16").tolist())
        numpy.testing.assert_array_equal(numpy.asarray(uploaded.native()), self.array("bfloat16"))
        back = numpy.asarray(uploaded.copy())
        self.assertEqual((back.dtype, back.tobytes()), (array.dtype, array.tobytes()))
        with self.assertRaisesRegex(BufferError, "bfloat16"):
            memoryview(uploaded.copy())

    def test_records_of_them_are_refused_by_the_field(self):
        records = numpy.zeros(2, [("a", "i4"), ("b", ml_dtypes.bfloat16)])
        self.refused(readers(records, records), "field 'b', of dtype bfloat16",
                     only={"upload", "list", "stack", "reference"})
        self.assertEqual(up(records["b"]).dtype, "bfloat16")

    def test_a_masked_array_of_them(self):
        array = numpy.ma.array(self.array("bfloat16"))
        numpy.testing.assert_array_equal(numpy.asarray(up(array)), array)
        array[0, 0] = numpy.ma.masked
        with self.assertRaisesRegex(BufferError, r"\.filled\(\)"):
            up(array)


@needs(torch, "torch")
class Torch(Case):
    def lazily(self):
        """(tensor, the method that helps)."""
        numbers = torch.tensor([1 + 2j, 3 + 4j])
        yield numbers.conj(), r"\.resolve_conj\(\)"
        yield numbers.conj().imag, r"\.resolve_neg\(\)"
        yield torch._neg_view(torch.ones(2)), r"\.resolve_neg\(\)"
        yield torch._neg_view(torch.tensor([0, 1])), r"\.resolve_neg\(\)"
        yield torch.ones(2, requires_grad=True), r"\.detach\(\)"
        yield torch.ones(2, requires_grad=True) * 2, r"\.detach\(\)"
        yield torch.nn.Parameter(torch.ones(2)), r"\.detach\(\)"

    def test_lazy_tensors_are_not_read(self):
        for bad, message in self.lazily():
            plain = torch.zeros(2, dtype=bad.dtype)
            self.refused(readers(plain, bad), message)
        with torch.no_grad():
            self.refused(readers(torch.ones(2), torch.ones(2, requires_grad=True)), r"\.detach\(\)")

    def test_lazy_tensors_are_not_written_to(self):
        for bad, message in self.lazily():
            before = bad.detach().clone()
            self.refused(writers(torch.zeros(2, dtype=bad.dtype), bad), message)
            self.assertTrue(torch.equal(bad.detach(), before))

    def test_resolved_tensors_are(self):
        numbers = torch.tensor([1 + 2j, 3 + 4j]).conj()
        for tensor in (numbers.resolve_conj(), numbers.imag.resolve_neg(), numbers.real,
                       torch.ones(2, requires_grad=True).detach(),
                       torch.nn.Parameter(torch.ones(2), requires_grad=False)):
            for array in (up(tensor), multibuffer.reference(tensor), up([tensor, tensor])[0]):
                self.assertEqual(array.tolist(), tensor.tolist())
            out = torch.zeros_like(tensor)
            up(tensor).copy(out=out)
            self.assertTrue(torch.equal(out, tensor))

    def test_tensors_without_elements_in_memory(self):
        with warnings_ignored():
            quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
            csr = torch.eye(3).to_sparse_csr()
        calls = {"upload", "in place", "list", "list of like arrays", "stack", "reference",
                 "reference of a list", "indices", "update", "verify"}
        for bad, message in ((torch.eye(3).to_sparse(), r"\.to_dense\(\)"),
                             (csr, r"\.to_dense\(\)"),
                             (quantized, r"\.int_repr\(\)"),
                             (torch.ones(3, device="meta"), "meta")):
            self.refused(readers(torch.ones(3), bad), message, only=calls)
            self.refused(writers(torch.ones(3), bad), message)
        # Some have a shape and the address NULL.
        null = [torch._efficientzerotensor(3)]
        from torch._subclasses.fake_tensor import FakeTensorMode
        with FakeTensorMode():
            null.append(torch.ones(3))
        for bad in null:
            # Some versions of torch fail when these are asked whether they are pinned.
            self.refused(readers(torch.ones(3), bad), "",
                         (BufferError, ValueError, TypeError, AssertionError),
                         only=calls - {"indices", "update"})

    @unittest.skipUnless(torch and hasattr(torch, "vmap"), "no torch with transforms")
    def test_inside_of_transforms(self):
        numbers = torch.ones(2)

        def call(tensor):
            self.assertEqual(multibuffer.reference(numbers).tolist(), [1, 1])
            self.refused(readers(numbers, tensor), "",
                         only={"upload", "list", "stack", "reference"})
            self.refused(writers(numbers, tensor), "")
            return tensor.sum()

        torch.vmap(call)(torch.ones(3, 2))
        torch.func.grad(call)(torch.ones(2))

    def test_subclasses_answer_for_themselves(self):
        class Plain(torch.Tensor):
            pass

        tensors = [torch.arange(3).add(i).as_subclass(Plain) for i in range(5)]
        self.assertEqual(up(tensors).tolist(), [[i, i + 1, i + 2] for i in range(5)])
        self.assertEqual(up(tensors[1]).tolist(), [1, 2, 3])
        with warnings_ignored():
            masked = torch.masked.masked_tensor(torch.ones(3), torch.tensor([True, False, True]))
        self.refused(readers(torch.ones(3), masked), r"\.to_tensor\(value\).*\.get_data\(\)",
                     only={"upload", "list", "list of like arrays", "stack", "reference"})

    def test_torch_takes_bfloat16_results(self):
        result = up(torch.arange(4).to(torch.bfloat16)).copy()
        self.assertEqual(torch.from_dlpack(result).dtype, torch.bfloat16)


@needs(jax, "JAX")
@needs(numpy, "NumPy")
class Jax(Case):
    def test_bfloat16_results_are_numpys(self):
        array = jax.numpy.arange(4, dtype=jax.numpy.bfloat16)
        result = up(array).copy()
        self.assertEqual(numpy.asarray(result).dtype, jax.numpy.bfloat16)
        self.assertEqual(numpy.asarray(result).tolist(), [0, 1, 2, 3])
        self.assertTrue(multibuffer.verify(result, array))
        self.assertEqual(jax.numpy.from_dlpack(result).dtype, jax.numpy.bfloat16)

    def test_results_of_numpys_bfloat16_go_to_jax(self):
        array = numpy.arange(4).astype(jax.numpy.bfloat16)
        uploaded = up([array, array])
        for result in (jax.numpy.asarray(numpy.asarray(uploaded)),
                       jax.numpy.from_dlpack(uploaded.copy())):
            self.assertEqual((result.dtype, result.shape), (jax.numpy.bfloat16, (2, 4)))

    def test_traced_arrays(self):
        @jax.jit
        def traced(array):
            for call in up, multibuffer.reference, lambda x: up([x]):
                with self.assertRaisesRegex(TypeError, "traces"):
                    call(array)
            with self.assertRaisesRegex((IndexError, TypeError), "traces"):
                up(b"abc")[array]
            return array

        traced(jax.numpy.ones(3))

    def test_jax_arrays_are_not_written_to(self):
        array = jax.numpy.zeros(2, "int32")
        self.refused(writers(numpy.ones(2, "i4"), array), "", (BufferError, ValueError))
        self.assertEqual(array.tolist(), [0, 0])

    def test_numbers_of_less_than_a_byte(self):
        for name in "int4", "float4_e2m1fn":
            array = jax.numpy.zeros(4, name)
            for call in up, multibuffer.reference, lambda x: up([x, x]):
                with self.assertRaises((BufferError, TypeError)):
                    call(array)


@needs(pyarrow, "pyarrow")
class Arrow(Case):
    def test_nulls_are_refused(self):
        bad = pyarrow.array([1, None, 3])
        self.refused(readers(pyarrow.array([1, 2, 3]), bad), "a null in its row 1", ValueError,
                     only={"upload", "list", "stack", "reference", "reference of a list", "indices"})
        self.assertEqual(up(pyarrow.array([1, 2, 3])).tolist(), [1, 2, 3])
        self.assertEqual(up([pyarrow.array([1, 2]), pyarrow.array([3, 4])]).tolist(),
                         [[1, 2], [3, 4]])

    def test_they_are_not_written_to(self):
        array = pyarrow.array([0, 0])
        self.refused(writers(numpy.ones(2, "i8"), array), "read-only")
        self.assertEqual(array.to_pylist(), [0, 0])

    def test_what_dlpack_does_not_take_is_read_all_the_same(self):
        fixed = pyarrow.array([[1, 2], [3, 4]], pyarrow.list_(pyarrow.int32(), 2))
        for thing in fixed, pyarrow.chunked_array([fixed[:1], fixed[1:]]), [fixed[0].values] * 2:
            self.assertEqual(up(thing).shape, (2, 2))
        self.assertEqual(up(pyarrow.chunked_array([[1, 2], [3]])).tolist(), [1, 2, 3])
        indices = pyarrow.chunked_array([[1], [0]])
        self.assertEqual(up(numpy.array([5, 6])).take(numpy.asarray(up(indices))).tolist(), [6, 5])


class Advice(Case):
    @needs(pandas, "pandas")
    def test_pandas(self):
        for thing in pandas.Index([1]), pandas.array([1, None], dtype="Int64"):
            with self.assertRaisesRegex(TypeError, r"\.to_numpy\(\)"):
                up(thing)

    @needs(pandas, "pandas")
    @needs(pyarrow, "pyarrow")
    def test_pandas_by_arrow(self):
        for thing in pandas.Series([1, 2]), pandas.DataFrame({"a": [1, 2]}):
            if hasattr(type(thing), "__arrow_c_stream__"):  # by its version
                self.assertEqual(up(thing).tolist(), [1, 2])
            else:
                with self.assertRaisesRegex(TypeError, r"\.to_numpy\(\)"):
                    up(thing)

    @needs(dask, "dask")
    def test_dask(self):
        with self.assertRaisesRegex(TypeError, r"\.compute\(\)"):
            up(dask.ones(3))

    @needs(h5py, "h5py")
    def test_h5py(self):
        with h5py.File("nowhere.h5", "w", driver="core", backing_store=False) as file:
            dataset = file.create_dataset("x", data=[1, 2, 3])
            with self.assertRaisesRegex(TypeError, r"dataset\[\.\.\.\]"):
                up(dataset)

    @needs(Image, "Pillow")
    def test_pillow(self):
        with self.assertRaisesRegex(TypeError, r"multibuffer\.rows\(image\)"):
            up(Image.new("L", (2, 2)))


if __name__ == "__main__":
    unittest.main()
