#include <multibuffer/draw.hpp>
#include <multibuffer/explain.hpp>

#include "host/python/device_array.hpp"
#include "host/python/indexing/indexing.hpp"
#include "host/python/inputs/dataset_object.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/ragged_object.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// A picture in SVG.
struct Drawing {
  std::string svg;
};

/// What is looked at is where it is: of a dataset, its mapped files, and never a copy.
Source source_to_show(const py::object& object) {
  const auto* const dataset = object_in<DatasetObject>(object);
  if (!dataset) return source_of(object);
  const Dataset shared = dataset->dataset;
  const auto mapped = without_gil([&](const Watch&) { return shared.mapped(); });
  if (!mapped)
    throw py::value_error(
        "this dataset's elements are in pieces that no pointer table leads to, or are read in "
        "windows; with_window(0) maps files, and the copy() of a slice is an array");
  return {.view = mapped->view, .owner = mapped->owner, .description = nullptr};
}

// ---- Explanations

Explanation explain_object(const py::object& object, const std::vector<std::int64_t>& index,
                           const std::string& placement, const Progress& progress) {
  const PlacementKind kind = placement_of(placement);
  if (const auto* const array = object_in<DeviceArray>(object)) {
    const DeviceArray shared = *array;  // as owner.hpp asks for
    return without_gil([&](const Watch&) { return explain(shared, index); }, progress);
  }
  if (const auto* const rows = object_in<RaggedObject>(object)) {
    const RaggedArray shared = rows->array;
    return without_gil([&](const Watch&) { return explain(shared, index); }, progress);
  }
  const Source source = source_to_show(object);
  return without_gil(
      [&](const Watch& watch) {
        return explain(source.view, index, {kind, watch});
      },
      progress);
}

std::string text_of_explanation(const Explanation& explanation) {
  std::string lines = describe(explanation);
  lines.pop_back();  // print() ends the last line
  return lines;
}

std::string json_of_explanation(const Explanation& explanation) { return to_json(explanation); }

py::object dict_of_explanation(const Explanation& explanation) {
  return py::module_::import("json").attr("loads")(to_json(explanation));
}

py::object steps_by(const Explanation& explanation, const char* way) {
  const py::object found = dict_of_explanation(explanation)[way];
  return found.is_none() ? found : py::object(py::tuple(found["steps"]));
}
py::object pointer_steps(const Explanation& explanation) {
  return steps_by(explanation, "pointers");
}
py::object offset_steps(const Explanation& explanation) { return steps_by(explanation, "offsets"); }

PyObject* iterate_steps(PyObject* self) {
  return guarded([&] {
    const auto& explanation = value_in<const Explanation>(self);
    return PyObject_GetIter(
        (explanation.pointers ? pointer_steps(explanation) : offset_steps(explanation)).ptr());
  });
}

py::tuple index_of_explanation(const Explanation& explanation) {
  return to_tuple(explanation.index);
}
py::tuple notes_of_explanation(const Explanation& explanation) {
  py::tuple notes(explanation.notes.size());
  for (std::size_t i = 0; i < explanation.notes.size(); ++i)
    PyTuple_SET_ITEM(notes.ptr(), static_cast<Py_ssize_t>(i), to_python(explanation.notes[i]));
  return notes;
}

// ---- Pictures

template <class Array, class DrawArray>
Drawing drawing_of(const Array& array, const py::object& key, DrawOptions& options,
                   const Progress& progress, const DrawArray& draw_array) {
  if (PyUnicode_Check(key.ptr()) || is_list_of_names(key))
    throw py::type_error("draw() takes no names of fields as a key; draw the array's field");
  Selection selection = select(key, array.shape());
  if (selection.advanced())
    throw py::type_error(
        "draw() takes slices, integers, None and ... as a key; what index arrays select is a copy");
  options.operations = std::move(selection.operations);
  return {without_gil(
      [&](const Watch& watch) {
        options.watch = watch;
        return draw_array(options);
      },
      progress)};
}

/// Rows of unequal length are drawn whole: a part of them is an array of its own.
Drawing drawing_of_rows(const RaggedArray& rows, const py::object& key, const DrawOptions& options,
                        const Progress& progress) {
  if (key.ptr() != Py_Ellipsis)
    throw py::type_error("draw() takes no key for rows of unequal length; draw the slice of them");
  return {without_gil([&](const Watch&) { return draw(rows, options); }, progress)};
}

Drawing draw_object(const py::object& object, const py::object& key, const py::object& at,
                    bool offsets, const std::string& placement, const std::string& title,
                    const Progress& progress) {
  DrawOptions options;
  options.placement = placement_of(placement);
  options.with_offsets = offsets;
  options.title = title;
  if (!at.is_none()) options.at = integers_argument(at, "at");
  if (const auto* const array = object_in<DeviceArray>(object)) {
    const DeviceArray shared = *array;  // as owner.hpp asks for
    return drawing_of(shared, key, options, progress,
                      [&](const DrawOptions& given) { return draw(shared, given); });
  }
  if (const auto* const rows = object_in<RaggedObject>(object))
    return drawing_of_rows(RaggedArray(rows->array), key, options, progress);
  const Source source = source_to_show(object);
  return drawing_of(source.view, key, options, progress,
                    [&](const DrawOptions& given) { return draw(source.view, given); });
}

std::string svg_in_notebook(const Drawing& drawing) { return drawing.svg; }

/// Opens a file by its name; the number of a descriptor is none.
py::object opened_to_write(const py::object& path) {
  const py::object name = py::module_::import("os").attr("fspath")(path);
  try {
    return py::module_::import("io").attr("open")(name, "wb");
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_UnicodeError)) throw;
    throw py::value_error(text("path ", repr_of(path), ": no file can have this name"));
  }
}

void save_drawing(const Drawing& drawing, const py::object& path) {
  const py::object file = opened_to_write(path);
  file.attr("write")(py::bytes(drawing.svg));
  file.attr("close")();
}

std::string represent_drawing(const Drawing& drawing) {
  return text("Drawing(", drawing.svg.size(), " bytes of SVG)");
}

}  // namespace

std::string svg_of(const DeviceArray& array) {
  const DeviceArray shared = array;  // as owner.hpp asks for
  return without_gil([&](const Watch& watch) { return draw(shared, {.watch = watch}); });
}

std::string svg_of(const RaggedArray& rows) {
  const RaggedArray shared = rows;
  return without_gil([&](const Watch& watch) { return draw(shared, {.watch = watch}); });
}

void bind_explain(py::module_& module) {
  Class<Explanation>(
      "Explanation",
      "How an index leads to one element: what explain() returns. As text it has both ways side\n"
      "by side; iterated over, it gives the steps by the exporter's pointers, each a dict (of an\n"
      "uploaded array, those by its offset arrays).")
      .property<index_of_explanation>("index", "The index, counted from the front.")
      .property<&Explanation::value>("value", "The element, as text; '' where it was not read.")
      .property<pointer_steps>(
          "pointers",
          "The steps by the exporter's pointers, a tuple of dicts, or None for an uploaded array.")
      .property<offset_steps>(
          "offsets", "The steps by offset arrays, or None where the array cannot be uploaded.")
      .property<notes_of_explanation>(
          "notes", "Sentences: what was simplified, and what others get wrong about the array.")
      .method<json_of_explanation>("json($self)", "All of it as JSON: a str.")
      .method<dict_of_explanation>("dict($self)", "All of it as a dict.")
      .slot<getiterfunc>(Py_tp_iter, iterate_steps)
      .repr<text_of_explanation>()
      .add_to(module);

  Class<Drawing>("Drawing", "A picture of an array in SVG: what draw() returns. Notebooks show it.")
      .property<&Drawing::svg>("svg", "The file, as a str.")
      .method<svg_in_notebook>("_repr_svg_($self)", "For notebooks: the same.")
      .method<save_drawing>("save($self, path)", "Write the file.")
      .repr<represent_drawing>()
      .add_to(module);

  add_function<explain_object>(module, "explain($module, obj, index, placement, progress)",
                               "As multibuffer.explain, which has the defaults.");
  add_function<draw_object>(module,
                            "draw($module, obj, key, at, offsets, placement, title, progress)",
                            "As multibuffer.draw, which has the defaults.");
}

}  // namespace multibuffer::python
