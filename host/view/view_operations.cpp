#include <multibuffer/view_operations.hpp>

namespace multibuffer {

std::vector<Axis> field_axes(const Field& field) {
  std::vector<Axis> axes(field.shape.size());
  std::int64_t stride = field.type.size;
  for (std::size_t i = axes.size(); i-- > 0; stride *= field.shape[i])
    axes[i] = {field.shape[i], stride, 0};
  return axes;
}

}  // namespace multibuffer
