#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/arrow_input.hpp"
#include "host/python/inputs/dataset_object.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/output.hpp"
#include "host/python/support/errors.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/owner.hpp"
#include "host/python/support/shares.hpp"
#include "host/python/verbs.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

using Shape = std::vector<std::int64_t>;

Join join_of(const std::string& name) {
  if (name == "concatenate") return Join::concatenate;
  if (name == "stack") return Join::stack;
  throw py::value_error(text("join '", name, "': there are concatenate and stack"));
}

/// Names of files and arrays, in the bytes that the file system has.
std::vector<std::string> names_of_files(const py::object& list) {
  std::vector<std::string> names;
  for (const py::handle item : list) {
    names.push_back(text_argument(item, "source"));
    const auto bytes = py::reinterpret_steal<py::object>(PyUnicode_EncodeFSDefault(item.ptr()));
    if (bytes)
      names.back().assign(PyBytes_AS_STRING(bytes.ptr()),
                          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
    else
      PyErr_Clear();  // no file has such a name, which is then said by the error for that
  }
  return names;
}

/// A number by its dtype; anything else that NumPy has, as its buffers describe it.
Format format_in_file(const py::object& dtype) {
  if (std::optional<Format> format = find_format_of_dtype(dtype)) return *format;
  try {
    return source_of(py::module_::import("numpy").attr("empty")(1, dtype)).view.format();
  } catch (const py::error_already_set&) {
    return format_of_dtype(dtype);  // which says what there is
  }
}

/// What keeps many arrays, side by side.
struct KeptArrays {
  py::object arrays;
  std::vector<Owner> owners;

  KeptArrays() = default;
  KeptArrays(const KeptArrays&) = delete;
  KeptArrays& operator=(const KeptArrays&) = delete;
  ~KeptArrays() {
    const py::gil_scoped_acquire gil;
    arrays = {};
  }
  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(arrays.ptr());
    return 0;
  }
};

DatasetObject open_files(const py::object& sources, const std::string& join, std::int64_t window,
                         const py::object& dtype, const py::object& shape, std::int64_t offset,
                         const py::object& strides, const std::string& device) {
  OpenOptions options;
  options.join = join_of(join);
  options.window = window;
  if (!dtype.is_none()) {
    RawNumbers raw{.format = format_in_file(dtype)};
    if (!shape.is_none()) raw.shape = integers_argument(shape, "shape");
    raw.offset = offset;
    if (!strides.is_none()) raw.strides = integers_argument(strides, "strides");
    options.raw = std::move(raw);
  } else if (!shape.is_none() || !strides.is_none() || offset != 0) {
    throw py::value_error("shape and offset are of numbers without a header; give their dtype");
  }
  const std::vector<std::string> names = names_of_files(sources);
  return without_gil([&](const Watch&) {
    return DatasetObject{Dataset::open(names, options), Device::open(device)};
  });
}

/// Joins arrays in host memory, each of which is kept, along their axis 0.
DatasetObject open_arrays(const py::object& arrays, const std::string& device) {
  std::vector<ArrayView> parts;
  auto kept = std::make_unique<KeptArrays>();
  kept->arrays = arrays;
  for (const py::handle array : arrays) {
    Source source = source_of(array);
    if (source.device != "host")
      throw py::value_error("the parts of a dataset are files, or lie in host memory");
    parts.push_back(source.view);
    kept->owners.push_back(std::move(source.owner));
  }
  return {Dataset::of_memory(parts, keep(std::move(kept))), Device::open(device)};
}

/// Joins Arrow's columns, where they lie.
DatasetObject open_arrow(const py::object& objects, const std::string& device) {
  ArrowColumn column = arrow_column(objects);
  return {Dataset::of_memory(column.parts, std::move(column.owner)), Device::open(device), objects};
}

py::bytes state_of(const DatasetObject& object) {
  const std::string bytes = object.dataset.serialize();
  return {bytes.data(), bytes.size()};
}

std::string_view bytes_argument(const py::object& state) {
  if (!PyBytes_Check(state.ptr())) throw py::type_error("the state of a dataset is bytes");
  return {PyBytes_AS_STRING(state.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(state.ptr()))};
}

DatasetObject from_state(const py::object& state, const std::string& device) {
  return {Dataset::deserialize(bytes_argument(state)), Device::open(device)};
}

/// Opens Arrow's columns that have been pickled, as a view that has been pickled sees them.
DatasetObject arrow_from_state(const py::object& objects, const py::object& view,
                               const std::string& device) {
  DatasetObject object = open_arrow(objects, device);
  object.dataset = object.dataset.with_view(bytes_argument(view));
  return object;
}

py::tuple reduce(const DatasetObject& object) {
  if (object.origin) {
    const py::object make = py::module_::import("multibuffer._dataset").attr("_restored_arrow");
    const std::string view = object.dataset.serialize_view();
    return py::make_tuple(make, py::make_tuple(object.origin, py::bytes(view.data(), view.size()),
                                               object.device.name()));
  }
  if (object.dataset.in_memory())
    throw py::type_error(
        "cannot pickle a Dataset of arrays in memory: pickle the arrays, and open them there");
  const py::object make = py::module_::import("multibuffer._dataset").attr("_restored");
  return py::make_tuple(make, py::make_tuple(state_of(object), object.device.name()));
}
py::tuple reduce_by(const DatasetObject& object, int /*protocol*/) { return reduce(object); }

std::string represent_dataset(const DatasetObject& object) {
  const std::vector<std::string> files = object.dataset.files();
  std::string result =
      text("Dataset(", shape_text(object.dataset.shape(), object.dataset.format()));
  if (files.size() == 1) result += text(", '", files[0], "'");
  if (files.size() > 1) result += text(", ", files.size(), " files");
  if (object.dataset.window() > 0) result += text(", window=", object.dataset.window());
  if (object.device.kind() != DeviceKind::host)
    result += text(", device='", object.device.name(), "'");
  return result + ")";
}

py::list files_of(const DatasetObject& object) {
  py::list list;
  for (const std::string& path : object.dataset.files())
    list.append(py::reinterpret_steal<py::object>(
        PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size()))));
  return list;
}

int visit_origin(const DatasetObject& object, visitproc visit, void* arg) {
  Py_VISIT(object.origin.ptr());
  return 0;
}

std::string device_of_dataset(const DatasetObject& object) { return object.device.name(); }
std::int64_t window_of(const DatasetObject& object) { return object.dataset.window(); }

DatasetObject on(const DatasetObject& object, const std::string& device) {
  return {object.dataset, Device::open(device), object.origin};
}
/// `bytes` may be words: "64 MiB".
DatasetObject with_window(const DatasetObject& object, const py::object& bytes) {
  const py::object number =
      py::module_::import("multibuffer._dataset").attr("_bytes_of")(bytes, "bytes");
  return {object.dataset.with_window(long_argument(number, "bytes")), object.device};
}

DeviceBuffer read_selected(const DatasetObject& object, const multibuffer::Selection& selection,
                           ReadOptions options, const Progress& progress) {
  options.device = object.device;
  const Dataset dataset = object.dataset;  // as owner.hpp asks for
  return without_gil(
      [&](const Watch& watch) {
        options.watch = watch;
        return gather(dataset, selection, options);
      },
      progress);
}

/// Uploads all elements.
DeviceArray upload_all(const DatasetObject& object, const py::object& device, py::handle stream,
                       const Progress& progress) {
  UploadOptions options;
  options.stream = stream_argument(stream);
  const Device target =
      device.is_none() ? object.device : Device::open(text_argument(device, "device"));
  const Dataset dataset = object.dataset;
  return without_gil(
      [&](const Watch& watch) {
        options.watch = watch;
        return upload(dataset, target, options);
      },
      progress);
}

DeviceBuffer one_by_one(const DatasetObject& object) {
  return reference_copy(Dataset(object.dataset));  // a copy, as owner.hpp asks for
}

py::object dataset_as_numpy(const DatasetObject& object, const py::object& dtype,
                            std::optional<bool> copy) {
  if (!copy.value_or(true))
    throw py::value_error("an array in files becomes a NumPy array by a copy");
  DatasetObject here = object;
  here.device = Device::host();
  const py::object dense = wrap(read_selected(here, {}, {}, {}));
  return py::module_::import("numpy").attr("asarray")(dense, numpy_dtype(dtype));
}

/// The part of the module that is written in Python does what an epoch needs.
py::object batches(const DatasetObject& object, const py::object& n, const py::object& shuffle,
                   const py::object& seed, const py::object& rank, const py::object& world,
                   const py::object& device, const py::object& prefetch,
                   const py::object& drop_last, const py::object& dtype, const py::object& scale,
                   const py::object& bias, const py::object& channel_axis,
                   const py::object& framework) {
  using py::literals::operator""_a;
  return py::module_::import("multibuffer._loop")
      .attr("batches")(wrap(DatasetObject(object)), n, "shuffle"_a = shuffle, "seed"_a = seed,
                       "rank"_a = rank, "world"_a = world, "device"_a = device,
                       "prefetch"_a = prefetch, "drop_last"_a = drop_last, "dtype"_a = dtype,
                       "scale"_a = scale, "bias"_a = bias, "channel_axis"_a = channel_axis,
                       "framework"_a = framework);
}

py::object for_torch(const DatasetObject& object) {
  return py::module_::import("multibuffer.torch").attr("Samples")(wrap(DatasetObject(object)));
}

/// Dask's name for the dataset, by the part of the module that is written in Python.
py::object dask_token(const DatasetObject& object) {
  return py::module_::import("multibuffer._dataset").attr("_token")(wrap(DatasetObject(object)));
}

py::list formats() {
  py::list list;
  for (const FileFormat& format : file_formats())
    list.append(py::make_tuple(format.name, format.missing.empty()
                                                ? py::object(py::none())
                                                : py::object(py::str(format.missing))));
  return list;
}

}  // namespace

template <>
struct Verbs<DatasetObject> {
  static Shape shape(const DatasetObject& object) { return object.dataset.shape(); }
  static const Format& format(const DatasetObject& object) { return object.dataset.format(); }
  static DatasetObject field(const DatasetObject& object, const std::string& name) {
    return {object.dataset.field(name), object.device, object.origin};
  }
  static DatasetObject fields(const DatasetObject& object, const std::vector<std::string>& names) {
    return {object.dataset.fields(names), object.device, object.origin};
  }
  static DatasetObject after(const DatasetObject& object, const ViewOperation& operation) {
    return {object.dataset.apply(operation), object.device, object.origin};
  }
  static DatasetObject reshape(const DatasetObject& object, const Shape& shape,
                               std::optional<bool> copy) {
    std::optional<Dataset> view = object.dataset.reshape(shape);
    if (!view || copy.value_or(false))
      throw py::value_error(text("a dataset of shape ", tuple_text(object.dataset.shape()),
                                 " has no view of shape ", tuple_text(shape),
                                 " that moves no data; copy() it"));
    return {*std::move(view), object.device, object.origin};
  }
  static py::object run(const DatasetObject& object, Asked& asked, py::handle out,
                        py::handle stream, const Progress& progress) {
    multibuffer::Selection selection;
    selection.mode = asked.mode;
    if (!asked.axes.empty()) {
      IndexGroup group;
      group.axes = asked.axes;
      group.position = asked.position;
      for (IndexArray& index : asked.indices) group.indices.push_back(index.indices());
      selection.groups.push_back(std::move(group));
    }
    ReadOptions options;
    options.order = asked.order;
    options.format = asked.elements.format;
    options.overflow = asked.elements.overflow;
    options.scaling = asked.elements.scaling;
    options.stream = stream_argument(stream);
    if (!out.is_none())
      options.out = output_of(out, asked.shape, options.format.value_or(object.dataset.format()));
    DeviceBuffer result = read_selected(object, selection, std::move(options), progress);
    if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
    return wrap(std::move(result));
  }
  static void read(const DatasetObject& object, std::byte* to) {
    ReadOptions options;
    options.out = Output{to, object.dataset.nbytes(), MemorySpace::host, {}};
    read_selected(object, {}, std::move(options), {});
  }
};

void bind_dataset(py::module_& module) {
  module.add_object("StaleError", make_stale_error());

  Class<DatasetObject> cls(
      "Dataset",
      "Arrays in files as one array, made by multibuffer.open(): a description (names, sizes,\n"
      "times, offsets), which is pickled in some 200 bytes a file and 16 a chunk. Slices are\n"
      "Datasets, and read nothing; index arrays, take(), gather() and copy() read what they\n"
      "select into a DeviceBuffer, on the host or on the device that on() has named, which\n"
      "receives no more than that. Files are mapped in each process when they are first needed.\n"
      "StaleError, and never half a result, where one is not what it was. What is of Arrow's\n"
      "columns in memory is pickled with the objects that it was opened from.");
  bind_verbs(cls);
  cls.property<files_of>("files", "The names of the files, absolute, a list of str.")
      .property<device_of_dataset>("device",
                                   "Where gathers put their results: 'host', 'cuda:0', ...")
      .property<window_of>("window", "Bytes read at a time; 0 where files are mapped.")
      .method<on>("on($self, device)", "The same dataset, whose gathers put results on device.")
      .method<with_window>(
          "with_window($self, bytes)",
          "The same dataset, read in windows of so many bytes, an int or '64 MiB'; 0 maps\n"
          "files.")
      .method<upload_all>("upload($self, device=None, *, stream=None, progress=None)",
                          "All elements as a DeviceArray, on the dataset's device if none is "
                          "named.")
      .method<one_by_one>(
          "reference($self)",
          "All elements, each read from its file by itself: what gathers are checked against. A\n"
          "DeviceBuffer on the host. Slow: slice first.")
      .method<batches>(
          "batches($self, n, *, shuffle=False, seed=0, rank=0, world=1, device=None, prefetch=2, "
          "drop_last=False, dtype=None, scale=None, bias=None, channel_axis=-1, "
          "framework='torch')",
          "The rows in batches of n, for a training loop: a Batches, each iter() of which is an\n"
          "epoch, and len() the number of its batches. A batch is a tensor, and of a Datasets a\n"
          "dict of tensors. It is yours as long as you hold it or a view of it; its memory is\n"
          "used for a later batch when you do not.\n"
          "shuffle, seed: an order for each epoch, by seed and the epoch's number alone.\n"
          "rank, world: of the epoch's rows in order, those at rank, rank + world, ... Over all\n"
          "ranks each row comes once; ranks may differ by one row, and so by one batch.\n"
          "drop_last: rows // world // n batches of n rows on every rank, and no other.\n"
          "device: where batches go, the dataset's own device if none is named. To a GPU they\n"
          "travel on a stream of their own, which torch's current stream waits for.\n"
          "prefetch: batches that threads gather ahead; 0: the caller gathers. The order is the\n"
          "same. What a thread raises is raised where its batch would be, and ends the epoch.\n"
          "dtype, scale, bias, channel_axis: as in take(), the axis being one of the batch; of a\n"
          "Datasets also dicts, of the datasets to convert.\n"
          "framework: 'torch', or 'numpy' for NumPy arrays. NumPy is needed for both.\n"
          "An epoch ends its threads when it is dropped, as by a break out of its loop. In a\n"
          "forked process, which has no threads, it goes on without.")
      .method<for_torch>(
          "torch($self)",
          "The rows as a map-style dataset for torch's DataLoader: multibuffer.torch.Samples. It\n"
          "reads a batch at once (__getitems__), is pickled as the description, and goes with any\n"
          "number of workers, forked, spawned or from a fork server.")
      .method<dataset_as_numpy>("__array__($self, dtype=None, copy=None)", "For NumPy, by a copy.")
      .method<dask_token>("__dask_tokenize__($self)",
                          "For Dask: what tells it from others, its files' sizes and times too.")
      .method<reduce>("__reduce__($self)", "For pickle: the description, and the device's name.")
      .method<reduce_by>("__reduce_ex__($self, protocol)", "For pickle.")
      .repr<represent_dataset>()
      .collected<visit_origin>()
      .add_to(module);

  add_function<open_files>(
      module, "open_files($module, sources, join, window, dtype, shape, offset, strides, device)",
      "As multibuffer.open.");
  add_function<open_arrays>(module, "open_arrays($module, arrays, device)",
                            "A Dataset of arrays in host memory, along their axis 0.");
  add_function<open_arrow>(module, "open_arrow($module, objects, device)",
                           "A Dataset of Arrow's columns, one after the other.");
  add_function<arrow_from_state>(module, "arrow_from_state($module, objects, view, device)",
                                 "What a pickled Dataset of Arrow's columns becomes.");
  add_function<from_state>(module, "dataset_from_state($module, state, device)",
                           "What a pickled Dataset becomes.");
  add_function<formats>(
      module, "file_formats($module)",
      "(name, Debian's package that this build lacks, or None), for each format.");
}

}  // namespace multibuffer::python
