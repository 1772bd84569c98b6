#include <multibuffer/byte_order.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/error.hpp>

#include "host/python/arguments.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/hand_on.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <optional>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

bool on_host(const DeviceBuffer& buffer) { return buffer.device().kind() == DeviceKind::host; }

/// The elements in C order: where they are, or a copy.
class HostBytes {
 public:
  explicit HostBytes(const DeviceBuffer& buffer) {
    if (on_host(buffer) && buffer.is_c_contiguous()) {
      synchronize(buffer);
      data_ = buffer.data();
    } else {
      copy_ = without_gil([&](const Watch&) { return buffer.to_host(); });
      data_ = copy_.data();
    }
  }
  HostBytes(const HostBytes&) = delete;
  HostBytes& operator=(const HostBytes&) = delete;
  const std::byte* data() const { return data_; }

 private:
  std::vector<std::byte> copy_;
  const std::byte* data_ = nullptr;
};

py::bytes to_bytes(const DeviceBuffer& buffer) {
  const HostBytes bytes(buffer);
  return {reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(buffer.nbytes())};
}

DeviceBuffer to_host(const DeviceBuffer& buffer) {
  if (on_host(buffer)) return buffer;
  const HostBytes bytes(buffer);
  return DeviceBuffer::from_host(Device::host(), bytes.data(), buffer.shape(), buffer.format());
}

bool contains(const DeviceBuffer& buffer, py::handle item) {
  if (is_compared_by_numpy(buffer.format(), item)) return numpy_has(wrap(to_host(buffer)), item);
  const HostBytes bytes(buffer);
  return any_equal(buffer.format(), buffer.shape(), bytes.data(), item);
}

py::object to_lists(const DeviceBuffer& buffer) {
  return to_list(buffer.format(), buffer.shape(), HostBytes(buffer).data());
}

DeviceBuffer native_buffer(const DeviceBuffer& buffer, py::handle stream,
                           const Progress& progress) {
  const StreamRef handle = stream_argument(stream);
  const DeviceArray array = in_place(source_of(buffer));
  return without_gil(
      [&](const Watch& watch) {
        return to_native(array, {handle, watch});
      },
      progress);
}

DeviceBuffer as_type(const DeviceBuffer& buffer, const py::object& dtype, bool saturate,
                     py::handle stream, const Progress& progress) {
  if (dtype.is_none()) throw py::type_error("astype(None): name the dtype");
  return converted_copy(in_place(source_of(buffer)), wanted_elements(dtype, saturate),
                        stream_argument(stream), progress);
}

py::tuple strides_of(const DeviceBuffer& buffer) { return to_tuple(buffer.strides()); }
std::string device_of_buffer(const DeviceBuffer& buffer) { return buffer.device().name(); }
const std::vector<std::int64_t>& shape_of_buffer(const DeviceBuffer& buffer) {
  return buffer.shape();
}
const Format& format_of_buffer(const DeviceBuffer& buffer) { return buffer.format(); }

std::string represent_buffer(const DeviceBuffer& buffer) {
  return text("DeviceBuffer(", shape_text(buffer.shape(), buffer.format()), ", device='",
              buffer.device().name(), "')");
}

}  // namespace

void bind_device_buffer(py::module_& module) {
  Class<DeviceBuffer> cls(
      "DeviceBuffer",
      "A dense array in a device's memory: what gathers return.\n\n"
      "On the host it is an exporter: memoryview, numpy.asarray and torch.from_dlpack share its\n"
      "memory. On a GPU it goes to CuPy, torch, JAX and Numba through __dlpack__ and\n"
      "__cuda_array_interface__, without a copy.");
  bind_properties<shape_of_buffer, format_of_buffer>(cls);
  cls.property<strides_of>("strides", "Bytes from one element to the next, for each axis.")
      .property<device_of_buffer>("device",
                                  "Whose memory the elements are in: 'host', 'cuda:0', ...")
      .method<synchronize>(
          "synchronize($self)",
          "Wait for the work that fills this array; raise IndexError if an index that was on the\n"
          "device turned out to be out of range.")
      .method<to_bytes>("tobytes($self)", "The elements in C order, whatever the strides.")
      .method<to_lists>(
          "tolist($self)",
          "The elements as nested lists; structs are tuples. TypeError where the format has no "
          "meaning.")
      .method<to_host>("to_host($self)", "The same array in host memory: itself, if it is there.")
      .method<native_buffer>("native($self, *, stream=None, progress=None)",
                             "A copy in this machine's byte order.")
      .method<as_type>(
          "astype($self, dtype, *, saturate=False, stream=None, progress=None)",
          "A copy whose elements are converted, as DeviceArray.astype does while it gathers.")
      .contains<contains>()
      .collected()
      .repr<represent_buffer>();
  bind_hand_on(cls);
  bind_dlpack(cls);
  add_exchange_table(cls.add_to(module));
}

}  // namespace multibuffer::python
