#pragma once

#include <multibuffer/ragged_view.hpp>

#include "host/python/inputs/source.hpp"
#include "host/python/support/owner.hpp"

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

namespace multibuffer::python {

/// Rows of unequal length as their owner has them, and what keeps their memory.
struct RaggedSource {
  RaggedView view;
  Owner owner;
  std::string device = "host";               ///< whose memory the rows are in
  std::shared_ptr<Memory> memory = nullptr;  ///< the block that all of them lie in, if it is ours
  std::string copied = {};  ///< what was not dense, and was copied: 'row 3'; or nothing
};

/// Reads the arguments of ragged(): with `offsets` or `lengths`, which may be None, `rows` is the
/// array of all items; without, it is a list of arrays, a Packed, lists of Arrow's, or a nested
/// tensor of torch's. What is not dense is copied. Throws TypeError for anything else, ValueError
/// for rows that differ, naming one, and for offsets that do not ascend within the values.
RaggedSource ragged_source(const pybind11::object& rows, const pybind11::object& offsets,
                           const pybind11::object& lengths, Route route);

}  // namespace multibuffer::python
