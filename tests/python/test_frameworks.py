"""What other packages make of results, and what upload() makes of their arrays."""

import unittest

import cython_views
import multibuffer
from packages import cupy, cython, jax, numba, numpy, torch
from support import DEVICE, Tables, needs, require_device, upload


def setUpModule():
    require_device()


@needs(torch, "torch")
@needs(numpy, "NumPy")
class Torch(unittest.TestCase):
    def setUp(self):
        self.rows = [numpy.arange(10.0 * i, 10 * i + 4) for i in range(5)]
        self.array = upload(self.rows)

    def test_the_five_lines_of_the_readme(self):
        batch = self.array[[3, 1, 3], ::2]
        tensor = torch.from_dlpack(batch)
        self.assertEqual(tensor.tolist(), [[30, 32], [10, 12], [30, 32]])
        self.assertEqual(tensor.device.type, "cpu" if DEVICE == "host" else "cuda")

    def test_nothing_is_copied(self):
        result = self.array.copy()
        torch.from_dlpack(result)[0, 0] = -5
        self.assertEqual(result.tolist()[0][0], -5)

    def test_an_uploaded_array_without_tables(self):
        tensor = torch.from_dlpack(self.array)
        self.assertEqual(tensor.tolist(), self.array.tolist())
        self.assertEqual(tensor.device.type, "cpu" if DEVICE == "host" else "cuda")
        self.assertEqual(torch.from_dlpack(self.array.T[::2]).tolist(), self.array.T[::2].tolist())
        self.array.update([row + 1 for row in self.rows])
        self.assertEqual(tensor.tolist(), [(row + 1).tolist() for row in self.rows])
        with self.assertRaises((BufferError, ValueError, RuntimeError)):  # no negative strides
            torch.from_dlpack(self.array[::-1])
        shuffled = upload([self.rows[i] for i in (2, 0, 1)] + [self.rows[2]] * 2,
                          placement="preserved")
        with self.assertRaisesRegex(BufferError, r"copy\(\)"):
            torch.from_dlpack(shuffled)
        self.assertEqual(torch.from_dlpack(shuffled.copy()).tolist(), shuffled.tolist())

    def test_tensors_are_inputs(self):
        device = "cpu" if DEVICE == "host" else "cuda"
        tensor = torch.arange(12, dtype=torch.float32, device=device).reshape(3, 4)
        self.assertEqual(upload(tensor).tolist(), tensor.tolist())
        self.assertEqual(upload(tensor.t()[::2]).tolist(), tensor.t()[::2].tolist())
        self.assertEqual(upload([tensor[2], tensor[0]]).tolist(), [tensor[2].tolist(),
                                                                   tensor[0].tolist()])
        self.assertEqual(upload(tensor)[torch.tensor([2, 0], device=device)].tolist(),
                         tensor[[2, 0]].tolist())

    def test_bfloat16_goes_out_as_it_came_in(self):
        device = "cpu" if DEVICE == "host" else "cuda"
        rows = list(torch.arange(12, device=device).to(torch.bfloat16).reshape(3, 4))
        uploaded = upload(rows[::-1])
        self.assertEqual((uploaded.dtype, uploaded.itemsize), ("bfloat16", 2))
        tensor = torch.from_dlpack(uploaded[::-1, [0, 2]])
        self.assertEqual(tensor.dtype, torch.bfloat16)
        self.assertEqual(tensor.tolist(), [[0, 2], [4, 6], [8, 10]])
        self.assertTrue(multibuffer.verify(uploaded, rows[::-1]))
        self.assertEqual(uploaded.tolist(), [[8, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]])
        self.assertIn(11, uploaded)
        self.assertNotIn(12, uploaded)
        self.assertTrue(multibuffer.verify(uploaded, rows[::-1], atol=1))
        others = [row + 1 for row in rows[::-1]]
        self.assertFalse(multibuffer.verify(uploaded, others))
        self.assertTrue(multibuffer.verify(uploaded, others, atol=1))
        self.assertFalse(multibuffer.verify(uploaded, others, atol=0.5))

    def test_bfloat16_has_a_byte_order(self):
        device = "cpu" if DEVICE == "host" else "cuda"
        swapped = upload(torch.arange(4.0, device=device)).astype(">bfloat16")
        self.assertEqual((swapped.dtype, swapped.tolist()), (">bfloat16", [0, 1, 2, 3]))
        # By torch's own table of C functions, where it has one, else by __dlpack__.
        with self.assertRaisesRegex((BufferError, TypeError), r"native\(\)"):
            torch.from_dlpack(swapped)
        native = swapped.native()
        self.assertEqual(native.dtype, "bfloat16")
        self.assertEqual(torch.from_dlpack(native).tolist(), [0, 1, 2, 3])

    def test_floats_of_8_bits_are_numbers(self):
        device = "cpu" if DEVICE == "host" else "cuda"
        numbers = [[0.0, 1.0, -2.0, 0.4375], [448.0, 2 ** -9, 10.0, -0.0]]
        array = upload(torch.tensor(numbers, device=device))
        for name in "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz":
            with self.subTest(name=name):
                converted = array.astype(name)
                self.assertEqual((converted.dtype, converted.itemsize), (name, 1))
                # As text, since a NaN is not equal to itself.
                self.assertEqual(str(converted.astype("float32").tolist()), str(converted.tolist()))
                reference = multibuffer.reference(torch.tensor(numbers)).astype(name)
                self.assertTrue(multibuffer.verify(converted, reference))
                if hasattr(torch, name):
                    tensor = torch.tensor(numbers, device=device).to(getattr(torch, name))
                    self.assertTrue(multibuffer.verify(converted, tensor))
        self.assertEqual(array.astype("float8_e4m3fn").tolist(), numbers)
        self.assertEqual(array.astype("float8_e5m2").tolist()[1][:3], [448.0, 2 ** -9, 10.0])
        too_large = array.astype("float8_e4m3fnuz").tolist()[1][0]
        self.assertNotEqual(too_large, too_large)

    def test_tensors_are_outputs(self):
        out = torch.zeros(2, 4, dtype=torch.float64, device="cpu" if DEVICE == "host" else "cuda")
        self.assertIs(self.array.take([3, 1], out=out), out)
        self.assertEqual(out.tolist(), [self.rows[3].tolist(), self.rows[1].tolist()])


@needs(numba, "Numba")
@needs(numpy, "NumPy")
class Numba(unittest.TestCase):
    def test_a_result_in_a_compiled_function(self):
        @numba.njit
        def total(array):
            result = 0.0
            for value in array.flat:
                result += value
            return result

        rows = [numpy.arange(4.0) + i for i in range(3)]
        result = upload(rows).copy().to_host()
        self.assertEqual(total(numpy.asarray(result)), sum(row.sum() for row in rows))

    @unittest.skipUnless(DEVICE == "cuda", "Numba's CUDA arrays need a GPU")
    def test_cuda_arrays(self):
        from numba import cuda

        result = upload([bytes(range(4)), bytes(range(4, 8))]).copy()
        array = cuda.as_cuda_array(result)
        self.assertEqual(array.copy_to_host().tolist(), result.tolist())
        self.assertEqual(upload(array)[::-1].tolist(), result.tolist()[::-1])


@unittest.skipUnless(DEVICE == "cuda", "CuPy needs a GPU")
@needs(cupy, "CuPy")
class CuPy(unittest.TestCase):
    def test_there_and_back(self):
        result = upload([bytes(range(4)), bytes(range(4, 8))]).copy()
        for array in (cupy.asarray(result), cupy.from_dlpack(result)):
            self.assertEqual(array.get().tolist(), result.tolist())
            self.assertEqual(upload(array).T.tolist(), array.T.get().tolist())


@needs(jax, "JAX")
class Jax(unittest.TestCase):
    def test_there_and_back(self):
        result = upload([bytes(range(4)), bytes(range(4, 8))]).copy()
        array = jax.numpy.from_dlpack(result)
        self.assertEqual(array.tolist(), result.tolist())
        self.assertEqual(upload(array)[::-1].tolist(), result.tolist()[::-1])


@needs(cython, "Cython")
class Cython(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.views = cython_views.load(cls)

    def test_direct_views(self):
        table = self.views.make(3, 4)
        self.assertEqual(upload(table).tolist(), [[100 * i + j for j in range(4)] for i in range(3)])

    def test_cython_reads_a_stack(self):
        table = self.views.make(3, 4)
        stack = multibuffer.stack([memoryview(table)[i:i + 1].cast("B").cast("i") for i in range(3)])
        self.assertEqual(self.views.total(stack), sum(range(4)) * 3 + 100 * 4 * 3)

    def test_indirect_views(self):
        tables = Tables((3, 4), {0}, format="i")
        view = self.views.sliced(tables.exporter())
        expected = [row[1:] for row in tables.nested()[::-1]]
        self.assertEqual(upload(view).tolist(), expected)
        self.assertEqual(upload(view)[::-1, ::2].tolist(), [row[::2] for row in expected[::-1]])


if __name__ == "__main__":
    unittest.main()
