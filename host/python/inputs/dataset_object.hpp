#pragma once

#include <multibuffer/dataset.hpp>

#include <pybind11/pybind11.h>

namespace multibuffer::python {

/// What a Python `Dataset` holds.
struct DatasetObject {
  Dataset dataset;
  Device device;  ///< where gathers put their results
  /// A list of what a dataset in memory was opened from, where that can be pickled in its place.
  pybind11::object origin = {};
};

}  // namespace multibuffer::python
