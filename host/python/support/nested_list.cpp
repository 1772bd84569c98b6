#include "host/python/support/nested_list.hpp"

#include <multibuffer/layout.hpp>

#include "host/support/text.hpp"

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace multibuffer::python {

namespace {
thread_local int nesting = 0;
}  // namespace

NestedList::NestedList() {
  if (nesting == max_axes)
    throw py::value_error(text("a list nested deeper than ", max_axes,
                               " levels, which is the number of axes that an array can have"));
  ++nesting;
}
NestedList::~NestedList() { --nesting; }

}  // namespace multibuffer::python
