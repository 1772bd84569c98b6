#pragma once

#include <multibuffer/error.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/layout.hpp>

#include "host/python/arguments.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/indexing/indexing.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/class.hpp"
#include "host/python/support/values.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// The verbs that `DeviceArray`, `Reference` and `Dataset` share, bound once: a[key], take, gather,
// copy, astype, transpose, reshape, tobytes, tolist and `in`. A class says by a `Verbs<Self>` what
// it is and how it reads; `bind_verbs` adds the rest.

namespace multibuffer::python {

/// A gather as Python asked for it, for either class to run.
struct Asked {
  std::vector<IndexArray> indices;  ///< settled; one for each of `axes`
  std::vector<int> axes;
  std::optional<int> position;  ///< of the index arrays' axes in the result, as in `IndexGroup`
  IndexMode mode = IndexMode::raise;
  Order order = Order::C;
  WantedElements elements;
  std::vector<std::int64_t> shape;  ///< of the result; not known to a[key], which has no `out`
};

/// Read the arguments of copy(), take() and gather() for an array of `shape`. Throw what
/// `index_array` throws, and IndexError for axes that are not there.
Asked ask_copy(std::vector<std::int64_t> shape, Order order);
Asked ask_take(std::vector<std::int64_t> shape, pybind11::handle indices, int axis, IndexMode mode,
               OnDevice on_device = OnDevice::copied);
Asked ask_gather(const std::vector<std::int64_t>& shape, pybind11::handle coordinates,
                 IndexMode mode, OnDevice on_device = OnDevice::copied);
/// Makes the elements of the result those of `dtype`, or leaves the array's own if that is None;
/// and scales them.
Asked converted(Asked asked, pybind11::handle dtype, bool saturate, pybind11::handle scale,
                pybind11::handle bias, int channel_axis);

/// Specialised for each class with verbs:
///
///     static std::vector<std::int64_t> shape(const Self&);
///     static const Format& format(const Self&);
///     static Self field(const Self&, const std::string& name);
///     static Self fields(const Self&, const std::vector<std::string>& names);
///     static Self after(const Self&, ViewOperation);
///     static Self reshape(const Self&, const std::vector<std::int64_t>& shape,
///                         std::optional<bool> copy);
///     /// Runs a gather on `stream`. Returns a new DeviceBuffer, or `out`.
///     static pybind11::object run(const Self&, Asked&, pybind11::handle out,
///                                 pybind11::handle stream, const Progress&);
///     /// Writes all elements in C order to host memory.
///     static void read(const Self&, std::byte* to);
///     /// If there is one: take() along the first axis, or null where `run` must do it.
///     static pybind11::object quick_take(const Self&, pybind11::handle indices, IndexMode,
///                                        pybind11::handle out, pybind11::handle dtype,
///                                        bool saturate);
///     /// If there is one: copy() in C order, likewise.
///     static pybind11::object quick_copy(const Self&, pybind11::handle out,
///                                        pybind11::handle dtype, bool saturate);
template <class Self>
struct Verbs;

template <class Self>
struct VerbFunctions {
  using Shape = std::vector<std::int64_t>;
  using object = pybind11::object;
  using handle = pybind11::handle;
  using V = Verbs<Self>;

  static Shape shape_of(const Self& array) { return V::shape(array); }
  static const Format& format_of(const Self& array) { return V::format(array); }
  static Self transposed(const Self& array) { return transpose(array, pybind11::args()); }
  static Self transpose(const Self& array, const pybind11::args& axes) {
    return V::after(array, Permute{axes_argument(axes, static_cast<int>(V::shape(array).size()))});
  }
  static Self reshape(const Self& array, const object& wanted, std::optional<bool> copy) {
    std::int64_t size = 1;
    for (const std::int64_t extent : V::shape(array)) size *= extent;
    return V::reshape(array, shape_argument(wanted, size), copy);
  }

  static object get_item(const Self& array, const object& key) {
    if (PyUnicode_Check(key.ptr()))
      return wrap(V::field(array, text_argument(key, "the name of a field")));
    if constexpr (requires { &V::quick_take; })
      if (object result = V::quick_take(array, key, IndexMode::raise, pybind11::none(),
                                        pybind11::none(), false))
        return result;
    if (is_list_of_names(key)) return wrap(V::fields(array, names_of(key)));
    Selection selection = select(key, V::shape(array));
    Self view = array;
    for (ViewOperation& operation : selection.operations)
      view = V::after(view, std::move(operation));
    if (!selection.advanced()) return wrap(std::move(view));
    Asked asked;
    asked.indices = std::move(selection.indices);
    asked.axes = selection.axes;
    asked.position = selection.position;
    try {
      return V::run(view, asked, pybind11::none(), pybind11::none(), {});
    } catch (const Error& error) {
      selection.indices = std::move(asked.indices);
      if (error.code() == Errc::index_out_of_range) check_bounds(selection);  // in NumPy's words
      throw;
    }
  }
  static object take(const Self& array, handle indices, int axis, IndexMode mode, handle out,
                     handle dtype, bool saturate, handle scale, handle bias, int channel_axis,
                     handle stream, const Progress& progress) {
    if constexpr (requires { &V::quick_take; })
      if (axis == 0 && scale.is_none() && bias.is_none() && stream.is_none() && !progress)
        if (object result = V::quick_take(array, indices, mode, out, dtype, saturate))
          return result;
    Asked asked = converted(ask_take(V::shape(array), indices, axis, mode), dtype, saturate, scale,
                            bias, channel_axis);
    return V::run(array, asked, out, stream, progress);
  }
  static object gather(const Self& array, handle coordinates, IndexMode mode, handle out,
                       handle dtype, bool saturate, handle scale, handle bias, int channel_axis,
                       handle stream, const Progress& progress) {
    Asked asked = converted(ask_gather(V::shape(array), coordinates, mode), dtype, saturate, scale,
                            bias, channel_axis);
    return V::run(array, asked, out, stream, progress);
  }
  static object copy(const Self& array, Order order, handle out, handle dtype, bool saturate,
                     handle scale, handle bias, int channel_axis, handle stream,
                     const Progress& progress) {
    if constexpr (requires { &V::quick_copy; })
      if (order == Order::C && scale.is_none() && bias.is_none() && stream.is_none() && !progress)
        if (object result = V::quick_copy(array, out, dtype, saturate)) return result;
    Asked asked =
        converted(ask_copy(V::shape(array), order), dtype, saturate, scale, bias, channel_axis);
    return V::run(array, asked, out, stream, progress);
  }
  static object as_type(const Self& array, handle dtype, Order order, bool saturate, handle scale,
                        handle bias, int channel_axis, handle out, handle stream,
                        const Progress& progress) {
    if (dtype.is_none()) throw pybind11::type_error("astype(None): name the dtype");
    return copy(array, order, out, dtype, saturate, scale, bias, channel_axis, stream, progress);
  }

  static std::int64_t bytes_of(const Self& array) {
    return Properties<Self, shape_of, format_of>::nbytes(array);
  }
  static std::vector<std::byte> bytes(const Self& array) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(bytes_of(array)));
    V::read(array, bytes.data());
    return bytes;
  }
  static pybind11::bytes to_bytes(const Self& array) {
    auto bytes = pybind11::reinterpret_steal<pybind11::bytes>(
        PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(bytes_of(array))));
    if (!bytes) throw pybind11::error_already_set();
    V::read(array, reinterpret_cast<std::byte*>(PyBytes_AS_STRING(bytes.ptr())));
    return bytes;
  }
  static object to_lists(const Self& array) {
    V::format(array).type();  // refuses before anything is read
    return to_list(V::format(array), V::shape(array), bytes(array).data());
  }
  static bool contains(const Self& array, handle item) {
    if (is_compared_by_numpy(V::format(array), item)) {  // refuses before anything is read
      Asked all = ask_copy(V::shape(array), Order::C);
      const object dense = V::run(array, all, pybind11::none(), pybind11::none(), {});
      return numpy_has(dense.attr("to_host")(), item);
    }
    return any_equal(V::format(array), V::shape(array), bytes(array).data(), item);
  }
};

template <class Self>
void bind_verbs(Class<Self>& cls) {
  using F = VerbFunctions<Self>;
  bind_properties<F::shape_of, F::format_of>(cls);
  cls.template iteration<F::shape_of>()
      .template contains<F::contains>()
      .template property<F::transposed>("T", "The view with its axes in reverse order.")
      // NumPy's a[key]: a view for slices, integers, None and ...; a DeviceBuffer for index arrays
      // and masks; a view of a field for its name, of several for a list of names.
      .template subscript<F::get_item>()
      .template method<F::transpose>(
          "transpose($self, *axes)",
          "The view whose axis i is axis axes[i] of this array; without axes, all in reverse.")
      .template method<F::reshape>(
          "reshape($self, shape, copy=None)",
          "The elements in C order under another shape, one extent of which may be -1. A view\n"
          "where there is one, unless copy is True; else a copy, unless copy is False: then\n"
          "ValueError. Of a Reference always a view, which reads when it is asked for elements.")
      .template method<F::take>(
          "take($self, indices, axis=0, mode='raise', out=None, *, "
          "dtype=None, saturate=False, scale=None, bias=None, channel_axis=-1, stream=None, "
          "progress=None)",
          "numpy.take: the elements, or sub-arrays, at indices of one axis. mode says what an\n"
          "index out of range means: 'raise', 'clip' or 'wrap'. dtype, saturate, scale, bias and\n"
          "channel_axis are those of astype. Returns a DeviceBuffer, or out, if given, which must "
          "not overlap the array.\n"
          "On a GPU the work is enqueued on stream (of torch, of CuPy, of cuda.core, or its\n"
          "handle), or on one of the library's own. A call that names a stream does not wait,\n"
          "also where out is given: out is written in the order of that stream. A Reference\n"
          "reads and writes host memory, whatever the stream.\n"
          "progress is called with the bytes done and the bytes in all, now and then and at the\n"
          "end, by the calling thread; what it raises stops the call. Work that is only enqueued\n"
          "on a GPU reports nothing.")
      .template method<F::gather>(
          "gather($self, coordinates, mode='raise', out=None, *, "
          "dtype=None, saturate=False, scale=None, bias=None, channel_axis=-1, stream=None, "
          "progress=None)",
          "One element, or sub-array, for each coordinate: coordinates[i] are indices of axis i,\n"
          "and they broadcast. dtype, saturate, scale, bias and channel_axis are those of astype.\n"
          "Returns a DeviceBuffer, or out, if given, which must not overlap the array. stream and\n"
          "progress are those of take().")
      .template method<F::copy>(
          "copy($self, order='C', out=None, *, dtype=None, saturate=False, scale=None, bias=None, "
          "channel_axis=-1, stream=None, progress=None)",
          "All elements, dense in order 'C' or 'F'. dtype, saturate, scale, bias and channel_axis\n"
          "are those of astype. Returns a DeviceBuffer, or out, if given, which must not overlap "
          "the array. stream and\n"
          "progress are those of take().")
      .template method<F::as_type>(
          "astype($self, dtype, *, order='C', saturate=False, scale=None, bias=None, "
          "channel_axis=-1, out=None, stream=None, progress=None)",
          "All elements as others, converted as they are gathered: bool, integers of 8 to 64\n"
          "bits, float16, bfloat16, float32, float64, complex64 and complex128, in either byte\n"
          "order ('>f4'). As numpy.astype where that is defined: integers that do not fit wrap\n"
          "or, if saturate, become the nearest that do; reals are rounded once, to nearest; reals\n"
          "become integers towards zero, the nearest there is for those beyond, and 0 for a NaN.\n"
          "Complex numbers become complex alone.\n"
          "With scale or bias, elements that become float32 are element * scale + bias, rounded\n"
          "once (a fused multiply-add; a NaN becomes the one NaN 0x7fc00000). Each is a number, "
          "or\n"
          "one for each index of channel_axis, an axis of the result: a list or an array, rounded\n"
          "to float32. Without a scale it is 1; without a bias nothing is added. Every device "
          "gives\n"
          "the same bits.\n"
          "Returns a DeviceBuffer, or out, if given, which must not overlap the array. stream and\n"
          "progress are those of take().")
      .template method<F::to_bytes>("tobytes($self)", "The elements in C order, as bytes.")
      .template method<F::to_lists>(
          "tolist($self)",
          "The elements as nested lists; structs are tuples. TypeError where the format has no\n"
          "meaning.");
}

}  // namespace multibuffer::python
