#include <multibuffer/elements.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/through.hpp>

#include "host/python/device_array.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/support/gil.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/owner.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

// What kernels of others need to find elements, and tables of others before an array.

namespace py = pybind11;

namespace multibuffer::python {
namespace {

// ---- Tables of others

/// The owners that an array by `through` has of the array before it and of the table, for the
/// collector: it reports what `Kept`s they have, as the Python objects with these owners do.
class KeptBefore {
 public:
  void add(const Share& share) {
    PyObject* const kept = kept_by(share);
    if (!kept) return;
    kept_.push_back(kept);
    begin_sharing(share);
  }
  bool empty() const { return kept_.empty(); }

  KeptBefore() = default;
  KeptBefore(const KeptBefore&) = delete;
  KeptBefore& operator=(const KeptBefore&) = delete;
  ~KeptBefore() {
    if (kept_.empty() || !Py_IsInitialized()) return;
    const LettingGo guard;
    for (PyObject* const kept : kept_) end_sharing(kept);
  }
  int traverse(visitproc visit, void* arg) const {
    for (PyObject* const kept : kept_) Py_VISIT(kept);
    return 0;
  }

 private:
  std::vector<PyObject*> kept_;
};

/// What `object` has in memory, where it is.
DeviceBuffer borrowed_table(py::handle object) {
  if (const auto* const ours = object_in<const DeviceBuffer>(object)) return *ours;
  Source source = source_of(object);
  if (source.view.layout().levels() > 0)
    throw py::value_error("a table with pointer tables of its own; copy() makes it dense");
  source.owner = shared(source.owner);
  std::optional<DeviceBuffer> buffer = in_place(source).as_buffer();
  if (!buffer) throw py::value_error("a table in several blocks; copy() makes it dense");
  return *std::move(buffer);
}

/// Adds what keeps the table.
void add_owner(KeptBefore& kept, py::handle object, const DeviceBuffer& table) {
  if (object_in<const DeviceBuffer>(object)) return kept.add({owner_of(table), nullptr});
  const auto storage = std::static_pointer_cast<const Storage>(owner_of(table));
  kept.add({storage->owner, storage});
}

DeviceArray through(const DeviceArray& array, int axis, const py::object& object) {
  const DeviceBuffer table = borrowed_table(object);
  auto kept = std::make_unique<KeptBefore>();
  kept->add({storage_of(array)->owner, storage_of(array)});
  add_owner(*kept, object, table);
  const Owner owner = kept->empty() ? nullptr : shared(keep(std::move(kept)));
  const DeviceArray before = array;  // as owner.hpp asks for
  return without_gil([&](const Watch&) { return before.through(axis, table, owner); });
}

void check_table_of(const DeviceArray& array, int axis, const py::object& object,
                    bool allow_negative) {
  const DeviceBuffer table = borrowed_table(object);
  const DeviceArray before = array;  // as owner.hpp asks for
  without_gil([&](const Watch&) {
    check_table(before, axis, table,
                allow_negative ? NegativeEntries::unread : NegativeEntries::refused);
    return true;
  });
}

// ---- For kernels

py::tuple tables_of(const DeviceArray& array) {
  const std::vector<DeviceBuffer> tables = array.tables();
  py::tuple tuple(tables.size());
  for (std::size_t i = 0; i < tables.size(); ++i) tuple[i] = wrap(tables[i]);
  return tuple;
}
std::int64_t address_of(const DeviceArray& array) {
  return static_cast<std::int64_t>(array.address());
}

constexpr std::int64_t most_alignment = 16;

/// The alignment that C++ and CUDA give an element: a power of two.
std::int64_t kernel_alignment(const Type& type) {
  if (!type.is_struct) return std::min(most_alignment, type.size & -type.size);
  std::int64_t most = 1;
  for (const Field& field : type.fields) most = std::max(most, kernel_alignment(field.type));
  return most;
}

/// Appends numbers to the bytes of a C++ struct, each aligned to itself.
class StructBytes {
 public:
  template <class Number>
  void add(Number number) {
    static_assert(std::is_trivially_copyable_v<Number>);
    const auto* const from = reinterpret_cast<const char*>(&number);
    bytes_.resize((bytes_.size() + sizeof number - 1) / sizeof number * sizeof number);
    bytes_.append(from, sizeof number);
  }
  std::string finished() {
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

/// The bytes of an `ElementView`, whose members <multibuffer/element_view.hpp> lists: of any rank
/// and number of levels, which C++ has as constants. Arrays of none are of one.
std::string view_bytes(const detail::FoundElements& found, int levels) {
  const int missing = levels - static_cast<int>(found.tables.size());
  const auto table_at = [&](int level) {
    return level < missing || level >= levels
               ? detail::FoundElements::Table{}
               : found.tables[static_cast<std::size_t>(level - missing)];
  };
  std::vector<Axis> axes = found.axes;
  if (axes.empty()) axes.push_back({0, 0, -missing});
  const int tables = std::max(levels, 1);

  StructBytes bytes;
  bytes.add(found.base);
  bytes.add(found.unit);
  for (int level = 0; level < tables; ++level) bytes.add(table_at(level).data);
  for (const Axis& axis : axes) bytes.add(axis.extent);
  for (const Axis& axis : axes) bytes.add(axis.stride);
  for (const Axis& axis : axes) bytes.add(static_cast<std::uint8_t>(axis.level + missing));
  for (int level = 0; level < tables; ++level)
    bytes.add(static_cast<std::uint8_t>(table_at(level).is_wide ? 1 : 0));
  return bytes.finished();
}

/// Throws ValueError, by the names that Python has, for what no view can be made of.
void check_viewed(const DeviceArray& array, int levels) {
  const int tables = array.layout().levels();
  if (tables > levels)
    throw py::value_error(text("the elements lie behind ", tables,
                               tables == 1 ? " table" : " tables", ", for a view through ", levels,
                               " at most; ask for levels=", tables, ", or copy() the array"));
  const Format& format = array.format();
  if (!format.opaque() && !is_native(format.type()))
    throw py::value_error(text("elements of format '", format.text(),
                               "' have the other byte order; native() copies them in this "
                               "machine's"));
}

/// numpy.void, which CuPy passes by value, or bytes where there is no NumPy.
py::object element_view(const DeviceArray& array, int levels) {
  if (levels < 0 || levels > max_axes)
    throw py::value_error(text("levels=", levels, ": from 0 to ", max_axes));
  const Format& format = array.format();
  check_viewed(array, levels);
  const std::int64_t alignment = format.opaque() ? 1 : kernel_alignment(format.type());
  const std::string bytes =
      view_bytes(detail::find_elements(array, {std::nullopt, format.itemsize(), alignment},
                                       array.ndim(), levels),
                 levels);
  py::object object = py::bytes(bytes);
  try {
    return py::module_::import("numpy").attr("void")(object);
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_ImportError)) throw;
    return object;
  }
}

}  // namespace

void bind_element_access(Class<DeviceArray>& cls) {
  cls.method<through>(
         "through($self, axis, table)",
         "The array with an axis indexed through a table, without moving anything: where the "
         "array\n"
         "has index i along the axis, the result has the table's indices j..., and i = "
         "table[j...].\n"
         "The table's axes, any number at any strides, take the place of the axis.\n\n"
         "The table has int32 or int64 elements on the array's device, a block table of a paged\n"
         "cache for one. It is kept, and read at each use, so that it may change between uses. "
         "Its\n"
         "entries are not checked (check_table() does that); those that no index leads to may be\n"
         "anything. An array behind pointer tables has its first axis, unsliced, through one.")
      .method<check_table_of>(
          "check_table($self, axis, table, *, allow_negative=False)",
          "Raises IndexError, naming the first, if a table for through() has entries that are no\n"
          "indices of the axis. allow_negative: those below 0 are padding.")
      .method<element_view>(
          "element_view($self, levels=1)",
          "The bytes of the C++ struct multibuffer::ElementView<const T, ndim, levels>, as a "
          "kernel\n"
          "takes it by value, in a numpy.void: for cupy.RawKernel with the option\n"
          "'-I' + multibuffer.include_dir(). levels is the most offset arrays that the array may\n"
          "have. Keep the array, and launch within access(). Without NumPy they are bytes.")
      .property<tables_of>(
          "tables",
          "The offset arrays that an index goes through, where they lie: a tuple of read-only\n"
          "DeviceBuffer of uint32 or int64, one a level, and of what was given to through().")
      .property<address_of>("address",
                            "What offsets count from; 0 where they are addresses. An element lies\n"
                            "entry * unit + origins[-1] + sum(index * stride) bytes from there.")
      .property<&DeviceArray::unit>("unit",
                                    "The bytes that entries of the last offset array count in.");
}

}  // namespace multibuffer::python
