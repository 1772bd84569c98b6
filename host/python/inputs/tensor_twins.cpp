#include "host/python/inputs/tensor_twins.hpp"

#include <algorithm>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// Tells whether both lie alike at one address. Strides that nobody walks are one's own business:
/// torch makes them 1 in a managed tensor alone.
bool lie_alike(const dlpack::Tensor& a, const dlpack::Tensor& b) {
  if (data_of(a) != data_of(b) || a.ndim != b.ndim || !(a.dtype == b.dtype) ||
      a.device.type != b.device.type || a.device.id != b.device.id ||
      !std::equal(a.shape, a.shape + a.ndim, b.shape) || !a.strides != !b.strides)
    return false;
  for (int i = 0; a.strides && i < a.ndim; ++i)
    if (a.shape[i] > 1 && a.strides[i] != b.strides[i]) return false;
  return true;
}

}  // namespace

TensorTwins::TensorTwins(const dlpack::ExchangeTable& table, py::handle model,
                         const dlpack::Tensor& said, Alike alike) {
  dlpack::Tensor lent{};
  if (!table.borrow || table.borrow(model.ptr(), &lent) != 0 || !lie_alike(lent, said)) {
    PyErr_Clear();
    return;
  }
  borrow_ = table.borrow;
  device_ = lent.device;
  dtype_ = lent.dtype;
  shape_.assign(lent.shape, lent.shape + lent.ndim);
  has_strides_ = lent.strides != nullptr;
  if (has_strides_) strides_.assign(lent.strides, lent.strides + lent.ndim);
  free_axes_ = alike == Alike::rows ? 1 : 0;
}

std::optional<TensorTwins::Found> TensorTwins::find(PyObject* object) const {
  dlpack::Tensor lent;
  if (!borrow_) return {};
  if (borrow_(object, &lent) != 0) {
    PyErr_Clear();  // it is asked again for a managed one, and will say it again
    return {};
  }
  const bool is_twin =
      lent.dtype == dtype_ && lent.device.type == device_.type && lent.device.id == device_.id &&
      lent.ndim == static_cast<std::int32_t>(shape_.size()) &&
      (lent.strides != nullptr) == has_strides_ &&
      std::equal(shape_.begin() + free_axes_, shape_.end(), lent.shape + free_axes_) &&
      std::equal(strides_.begin(), strides_.end(), lent.strides);
  if (!is_twin) return {};
  return Found{data_of(lent), lent.ndim > 0 ? lent.shape[0] : 1};
}

}  // namespace multibuffer::python
