#include "source.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "dtype.hpp"
#include "host/text.hpp"
#include "interfaces.hpp"
#include "interrupt.hpp"
#include "module.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

bool has(py::handle object, const char* attribute) { return py::hasattr(object, attribute); }
bool is_list(py::handle object) {
  return PyList_Check(object.ptr()) || PyTuple_Check(object.ptr());
}

Source source_from_held(std::shared_ptr<const HeldBuffer> held) {
  auto description = std::make_shared<const Description>(held->buffer());
  ArrayView view = ArrayView::from_export(description->raw());
  return {std::move(view), std::move(held), "host", std::move(description)};
}

Source source_from_stack(const StackObject& object) {
  Source source{object.stack.view(), std::make_shared<const StackObject>(object), object.device,
                nullptr};
  try {
    source.description = std::make_shared<const Description>(object.stack.raw_export());
  } catch (const Error&) {
    // No Py_buffer says it. The view does.
  }
  return source;
}

/// A part of a list, after `before`. Most lie like the one before: then nothing but the address is
/// new, and the format, the dearest thing to understand, is understood. Nothing where it is
/// another kind of part, or says something else; an export that was taken to see that is in `held`.
std::optional<Source> part_like(const Source& before, py::handle object,
                                std::shared_ptr<const HeldBuffer>& held) {
  const bool is_plain = PyObject_CheckBuffer(object.ptr()) &&
                        !py::isinstance<DeviceBuffer>(object) &&
                        !py::isinstance<StackObject>(object);
  if (!is_plain) return {};
  held = std::make_shared<const HeldBuffer>(object, PyBUF_FULL_RO);
  if (!before.description || !before.description->matches(held->buffer())) return {};
  const ArrayView& view = before.view;
  return Source{ArrayView(held->buffer().buf, view.format(), view.layout(), view.readonly()), held,
                "host", nullptr};
}

/// Whether one pointer table over both is an array.
bool alike(const ArrayView& a, const ArrayView& b) {
  const Layout& x = a.layout();
  const Layout& y = b.layout();
  if (a.space() != b.space() || x.ndim() != y.ndim() || x.levels() != y.levels()) return false;
  const auto same_axis = [](const Axis& p, const Axis& q) {
    return p.extent == q.extent && p.level == q.level && (p.extent == 1 || p.stride == q.stride);
  };
  return std::ranges::equal(x.axes(), y.axes(), same_axis) &&
         std::ranges::equal(x.origins().subspan(1), y.origins().subspan(1));
}

bool is_dense(const ArrayView& view) {
  if (view.layout().levels() > 0) return false;
  std::int64_t stride = view.itemsize();
  for (int i = view.ndim(); i-- > 0;) {
    const Axis& axis = view.layout().axes()[static_cast<std::size_t>(i)];
    if (axis.extent != 1 && axis.stride != stride) return false;
    stride *= axis.extent;
  }
  return true;
}

/// A list as one array: a pointer table over its parts where they lie, if they lie alike; else over
/// dense copies of those that are not dense.
Source source_from_list(py::handle list) {
  std::vector<Source> parts = parts_of(list);
  if (parts.empty()) throw py::value_error("an empty list has no shape and no format");
  const ArrayView first = parts[0].view;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ArrayView& view = parts[i].view;
    if (view.shape() != first.shape())
      throw py::value_error(text("the parts of a list have one shape: part ", i, " has ",
                                 tuple_text(view.shape()), ", part 0 has ",
                                 tuple_text(first.shape())));
    if (!(view.format() == first.format()))
      throw py::value_error(text("the parts of a list have one format: part ", i, " has '",
                                 view.format().text(), "', part 0 has '", first.format().text(),
                                 "'"));
    if (parts[i].device != parts[0].device)
      throw py::value_error(text("the parts of a list are on one device: part ", i, " is on ",
                                 parts[i].device, ", part 0 on ", parts[0].device));
  }
  if (!std::ranges::all_of(parts, [&](const Source& part) { return alike(first, part.view); })) {
    for (Source& part : parts)
      if (!is_dense(part.view)) part = source_of(dense_copy(part));
  }
  std::vector<ArrayView> views;
  views.reserve(parts.size());
  for (const Source& part : parts) views.push_back(part.view);
  return source_from_stack({stack(views), owner_of(parts), parts[0].device});
}

}  // namespace

namespace {
thread_local int nesting = 0;
}

NestedList::NestedList() {
  if (nesting == max_axes)
    throw py::value_error(text("a list nested deeper than ", max_axes,
                               " levels, which is the number of axes that an array can have"));
  ++nesting;
}
NestedList::~NestedList() { --nesting; }

bool is_array(py::handle object) {
  return py::isinstance<DeviceBuffer>(object) || py::isinstance<DeviceArray>(object) ||
         py::isinstance<StackObject>(object) || PyObject_CheckBuffer(object.ptr()) ||
         has(object, "__dlpack__") || has(object, "__cuda_array_interface__");
}

Source source_of(py::handle object) {
  // Our own come first: they can say more than any protocol.
  if (py::isinstance<DeviceBuffer>(object)) return source_of(object.cast<const DeviceBuffer&>());
  if (py::isinstance<StackObject>(object))
    return source_from_stack(object.cast<const StackObject&>());
  if (py::isinstance<DeviceArray>(object)) {
    const auto& array = object.cast<const DeviceArray&>();
    return source_of(without_gil([&](const Watch& watch) {
      Request request;
      request.watch = watch;
      return copy(array, Order::C, request);
    }));
  }
  if (PyObject_CheckBuffer(object.ptr()))
    return source_from_held(std::make_shared<const HeldBuffer>(object, PyBUF_FULL_RO));
  if (has(object, "__dlpack__") && has(object, "__dlpack_device__"))
    return source_from_dlpack(object);
  if (has(object, "__cuda_array_interface__")) return source_from_cuda_interface(object);
  if (is_list(object)) {
    const NestedList guard;
    return source_from_list(object);
  }
  throw py::type_error(text(
      "expected an object with the buffer protocol, __dlpack__ or __cuda_array_interface__, or "
      "a list of such objects, not ",
      Py_TYPE(object.ptr())->tp_name));
}

DeviceArray in_place(const Source& source) {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = source.owner;
  return without_gil([&](const Watch& watch) {
    options.watch = watch;
    return upload(source.view, Device::open(source.device), options);
  });
}

DeviceBuffer dense_copy(const Source& source) {
  const DeviceArray array = in_place(source);
  return without_gil([&](const Watch& watch) {
    Request request;
    request.watch = watch;
    return copy(array, Order::C, request);
  });
}

Source source_of(const DeviceBuffer& buffer) {
  without_gil([&](const Watch&) {
    buffer.synchronize();
    return true;
  });
  auto owner = std::make_shared<const DeviceBuffer>(buffer);
  ArrayView view = buffer.view();
  const bool on_host = view.space() == MemorySpace::host;
  auto description = on_host ? std::make_shared<const Description>(view) : nullptr;
  return {std::move(view), std::move(owner), buffer.device().name(), std::move(description)};
}

std::vector<Source> parts_of(py::handle sequence) {
  const auto items = py::reinterpret_steal<py::object>(
      PySequence_Fast(sequence.ptr(), "expected a sequence of arrays"));
  if (!items) throw py::error_already_set();
  std::vector<Source> parts;
  // A part's export may run code that changes the list: its size is asked for each time, and the
  // part is held.
  std::size_t model = 0;  // the last part that was read in full
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) {
    const auto item = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(items.ptr(), i));
    std::shared_ptr<const HeldBuffer> held;
    if (!parts.empty()) {
      if (auto part = part_like(parts[model], item, held)) {
        parts.push_back(std::move(*part));
        continue;
      }
    }
    Source part = held ? source_from_held(std::move(held)) : source_of(item);
    model = parts.size();
    if (!parts.empty() && same_meaning(parts[0].view.format(), part.view.format()))
      part.view = ArrayView(part.view.base(), parts[0].view.format(), part.view.layout(),
                            part.view.readonly(), part.view.space());
    parts.push_back(std::move(part));
  }
  return parts;
}

std::shared_ptr<const void> keep(py::handle object) {
  return {object.inc_ref().ptr(), [](const void* held) {
            if (!Py_IsInitialized()) return;
            const PyGILState_STATE gil = PyGILState_Ensure();
            Py_DECREF(static_cast<PyObject*>(const_cast<void*>(held)));
            PyGILState_Release(gil);
          }};
}

std::shared_ptr<const void> owner_of(const std::vector<Source>& parts) {
  std::vector<std::shared_ptr<const void>> owners;
  owners.reserve(parts.size());
  for (const Source& part : parts) owners.push_back(part.owner);
  return std::make_shared<const std::vector<std::shared_ptr<const void>>>(std::move(owners));
}

}  // namespace multibuffer::python
