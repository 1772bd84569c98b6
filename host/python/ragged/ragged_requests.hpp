#pragma once

#include <multibuffer/ragged.hpp>

#include "host/python/ragged/ragged_arguments.hpp"
#include "host/python/ragged_object.hpp"
#include "host/python/support/class.hpp"

#include <pybind11/pybind11.h>

#include <cstdint>

namespace multibuffer::python {

/// A pack as the library runs it. `rows` is what the selection borrows from.
struct PackRequest {
  AskedRows rows;
  PackOptions options;
};
PackRequest ask_pack(const RaggedArray& array, AskedRows rows, pybind11::handle out,
                     pybind11::handle dtype, bool saturate, pybind11::handle offsets_dtype,
                     pybind11::handle items, pybind11::handle stream);

/// A pad likewise; `fill` is what the options point to.
struct PadRequest {
  AskedRows rows;
  PadOptions options;
  std::vector<std::byte> fill;
};
PadRequest ask_pad(const RaggedArray& array, AskedRows rows, pybind11::handle length,
                   pybind11::handle fill, pybind11::handle side, pybind11::handle truncate,
                   pybind11::handle out, pybind11::handle dtype, bool saturate,
                   pybind11::handle stream);

/// Adds plan_pack and plan_pad.
void bind_ragged_plans(Class<RaggedObject>& cls);

}  // namespace multibuffer::python
