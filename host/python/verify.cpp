#include <multibuffer/error.hpp>
#include <multibuffer/verify.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstdint>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// What verify() found: of elements or, where these are not even as many, of rows by their lengths.
struct Found : Comparison {
  bool is_of_rows = false;
};

DeviceBuffer buffer_of(const py::object& object, const Progress& progress) {
  if (const auto* const buffer = object_in<DeviceBuffer>(object)) return *buffer;
  // A reference is read when somebody asks for it.
  if (const auto copy = copy_of_reference(object, progress)) return *copy;
  return dense_copy(source_of(object));
}

Found verify_objects(const py::object& result, const py::object& expected, double atol, double rtol,
                     std::int64_t ulp, const Progress& progress) {
  const Tolerance tolerance{atol, rtol, ulp};
  const DeviceBuffer actual = buffer_of(result, progress);
  DeviceBuffer wanted = buffer_of(expected, progress);
  // Under another format, below, it would no longer say that its indices were out of range, nor
  // keep memory that is not the library's.
  const DeviceBuffer given = wanted;
  without_gil([&](const Watch&) {
    given.synchronize();
    return true;
  });
  if (same_meaning(actual.format(), wanted.format()))  // however each spells it
    wanted = wanted.reinterpret(actual.format());
  return without_gil(
      [&](const Watch& watch) {
        return Found{verify(actual, wanted, {tolerance, watch})};
      },
      progress);
}

/// Says that `mismatches` rows of `rows` differ in length: the first at `row`.
Found rows_that_differ(std::int64_t rows, std::int64_t mismatches, std::int64_t row,
                       std::int64_t actual, std::int64_t expected) {
  return {{rows, mismatches, {row}, text(actual, " items"), text(expected, " items")}, true};
}

py::object first_of(const Found& comparison) {
  return comparison.equal() ? py::object(py::none()) : to_tuple(comparison.first);
}

std::string represent_comparison(const Found& comparison) {
  if (comparison.is_of_rows)
    return text("Comparison(row ", comparison.first[0], " has ", comparison.actual, ", expected ",
                comparison.expected, "; ", comparison.mismatches, " of ", comparison.elements,
                " rows differ in length)");
  return "Comparison(" + describe(comparison) + ")";
}

}  // namespace

void bind_verify(py::module_& module) {
  Class<Found>("Comparison", "What verify() found: true if all is equal.")
      .property<&Comparison::elements>("elements",
                                       "How many elements were compared; where rows differ in "
                                       "length, how many rows.")
      .property<&Comparison::mismatches>("mismatches", "How many of them differ.")
      .property<first_of>("first", "The coordinates of the first mismatch in C order, or None.")
      .property<&Comparison::actual>("actual", "The first element that differs, as text.")
      .property<&Comparison::expected>("expected", "What it should have been, as text.")
      .property<&Comparison::equal>("equal", "Whether all elements are equal.")
      .truth<&Comparison::equal>()
      .repr<represent_comparison>()
      .add_to(module);
  add_function<verify_objects>(module,
                               "verify($module, result, expected, atol, rtol, ulp, progress)",
                               "As multibuffer.verify, which has the defaults.");
  add_function<rows_that_differ>(
      module, "rows_that_differ($module, rows, mismatches, row, actual, expected)",
      "A Comparison of rows by their lengths.");
}

}  // namespace multibuffer::python
