#pragma once

#include <multibuffer/dataset.hpp>

namespace multibuffer::python {

/// What a Python `Dataset` holds.
struct DatasetObject {
  Dataset dataset;
  Device device;  ///< where gathers put their results
};

}  // namespace multibuffer::python
