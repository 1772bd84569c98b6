#pragma once

#include <multibuffer/stack.hpp>

#include "host/python/support/owner.hpp"

#include <pybind11/pybind11.h>

#include <string>

namespace multibuffer::python {

/// The Python object of a stack: the table, and the buffers that its pointers lead to.
struct StackObject {
  Stack stack;
  Owner owner;
  std::string device;

  /// For Python's garbage collector.
  int traverse(visitproc visit, void* arg) const { return python::traverse(owner, visit, arg); }
};

}  // namespace multibuffer::python
