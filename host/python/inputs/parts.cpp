#include "host/python/inputs/parts.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/inputs/claims.hpp"
#include "host/python/inputs/exporter.hpp"
#include "host/python/inputs/interfaces.hpp"
#include "host/python/inputs/numpy_twins.hpp"
#include "host/python/inputs/stack_object.hpp"
#include "host/python/inputs/struct_format.hpp"
#include "host/python/inputs/tensor_twins.hpp"
#include "host/python/support/gil.hpp"
#include "host/python/support/instance.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {

bool is_dense(const ArrayView& view) {
  if (view.layout().levels() > 0) return false;
  std::int64_t stride = view.itemsize();
  for (int i = view.ndim(); i-- > 0;) {
    const Axis& axis = view.layout().axes()[static_cast<std::size_t>(i)];
    if (axis.extent != 1 && axis.stride != stride) return false;
    stride *= axis.extent;
  }
  return true;
}

namespace {

/// Keeps the parts of a list, and drops all at once.
class Holder {
 public:
  Holder() = default;
  ~Holder() {
    if (!Py_IsInitialized()) return;
    const LettingGo guard;
    for (Py_buffer& buffer : exports_) PyBuffer_Release(&buffer);
    for (PyObject* object : objects_) Py_DECREF(object);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  void reserve(std::size_t count) { objects_.reserve(count); }
  void hold(PyObject* object) {
    objects_.push_back(object);
    Py_INCREF(object);
  }
  void hold(Owner owner) { owners_.push_back(std::move(owner)); }

  /// For Python's garbage collector.
  int traverse(visitproc visit, void* arg) const {
    for (const Py_buffer& buffer : exports_)
      if (const int stop = visit_exporter(buffer, visit, arg)) return stop;
    for (PyObject* object : objects_) Py_VISIT(object);
    for (const Owner& owner : owners_)
      if (const int stop = python::traverse(owner, visit, arg)) return stop;
    return 0;
  }

  /// The answer is there until `keep_last`, or the next.
  const Py_buffer& acquire(py::handle exporter) {
    Py_buffer& buffer = exports_.emplace_back();
    try {
      acquire_buffer(exporter, PyBUF_FULL_RO, buffer);
    } catch (...) {
      exports_.pop_back();
      throw;
    }
    return buffer;
  }
  /// Keeps the export itself only for an exporter that is told when it is released; of others the
  /// reference is all there is.
  void keep_last() {
    PyObject* const exporter = exports_.back().obj;
    const PyBufferProcs* const calls = exporter ? Py_TYPE(exporter)->tp_as_buffer : nullptr;
    if (calls && calls->bf_releasebuffer) return;
    if (exporter) objects_.push_back(exporter);
    exports_.pop_back();
  }

 private:
  std::deque<Py_buffer> exports_;  ///< they must not move
  std::vector<PyObject*> objects_;
  std::vector<Owner> owners_;
};

/// Tells whether `tensor` says what `model` does, but for its address and the extents of its first
/// `free_axes`. A tensor without strides is another thing than one with them.
bool lies_like(const dlpack::ManagedTensorVersioned& model,
               const dlpack::ManagedTensorVersioned& tensor, std::ptrdiff_t free_axes) {
  const dlpack::Tensor& a = model.tensor;
  const dlpack::Tensor& b = tensor.tensor;
  if (a.ndim != b.ndim || !(a.dtype == b.dtype) || a.device.type != b.device.type ||
      a.device.id != b.device.id || (a.strides == nullptr) != (b.strides == nullptr) ||
      ((model.flags ^ tensor.flags) & dlpack::flag_read_only) != 0)
    return false;
  return std::equal(a.shape + free_axes, a.shape + a.ndim, b.shape + free_axes) &&
         (!a.strides || std::equal(a.strides, a.strides + a.ndim, b.strides));
}

/// Tells whether arrays of these strides are dense whatever the extent of axis 0.
bool is_dense_at_any_length(const ArrayView& view) {
  std::int64_t stride = view.itemsize();
  const auto axes = view.layout().axes();
  for (std::size_t i = axes.size(); i-- > 1;) stride *= axes[i].extent;
  return is_dense(view) && axes[0].stride == stride;
}

/// One pass over a sequence.
class Reader {
 public:
  Reader(Holding holding, Route route, Alike alike = Alike::equal)
      : holding_(holding), route_(route), alike_(alike), holder_(std::make_unique<Holder>()) {}

  /// `sequence` is a list or a tuple. The export of a part may run code that changes the list: its
  /// size is asked for each time, and a part is held before it is asked for anything. Parts that
  /// are added meanwhile are not read, since there might be no end to them.
  Parts read(PyObject* sequence) {
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
    parts_.starts.reserve(static_cast<std::size_t>(count));
    holder_->reserve(static_cast<std::size_t>(count));
    if (is_of_rows()) parts_.lengths.reserve(static_cast<std::size_t>(count));
    for (Py_ssize_t i = 0; i < std::min(count, PySequence_Fast_GET_SIZE(sequence)); ++i) {
      if ((i & (signal_period - 1)) == 0 && PyErr_CheckSignals() != 0)
        throw py::error_already_set();
      if (i >= PySequence_Fast_GET_SIZE(sequence)) break;  // a signal's handler is code, too
      if (i + far < PySequence_Fast_GET_SIZE(sequence)) {
        PyObject* const later = PySequence_Fast_GET_ITEM(sequence, i + far);
        PyObject* const soon = PySequence_Fast_GET_ITEM(sequence, i + near);
        twins_.prefetch_object(later);
        twins_.prefetch_axes(soon);
        tensor_twins_.prefetch_object(later);
        tensor_twins_.prefetch_inner(soon);
      }
      add(PySequence_Fast_GET_ITEM(sequence, i));
    }
    for (const auto& [table, device] : writers_) wait_for_tensors(*table, device);
    parts_.owner = keep(std::move(holder_));
    return std::move(parts_);
  }

 private:
  static constexpr Py_ssize_t signal_period = 1 << 14;
  /// Objects are prefetched `far` parts ahead, and what they point to `near` parts ahead.
  static constexpr Py_ssize_t far = 24, near = 12;

  bool is_of_rows() const { return alike_ == Alike::rows; }

  /// Adds a part that lies as the first of the run does.
  void join(const std::byte* start, std::int64_t length) {
    parts_.starts.push_back(start);
    if (is_of_rows()) parts_.lengths.push_back(length);
  }

  void add(PyObject* item) {
    if (twins_.has(item)) {
      join(NumpyTwins::data(item), is_of_rows() ? NumpyTwins::length(item) : 0);
      holder_->hold(item);
      return;
    }
    const auto object = py::reinterpret_borrow<py::object>(item);
    if (py::type::handle_of(object).ptr() != type_.ptr()) type_is_new(object);
    if (const auto twin = tensor_twins_.find(item); twin && twin_claims_.are_clear(item)) {
      join(twin->start, twin->length);
      holder_->hold(item);
      return;
    }
    if (is_exporter_)
      add_exporter(object);
    else if (table_)
      add_tensor(object);
    else
      add_other(object);
  }

  void type_is_new(py::handle object) {
    type_ = py::type::of(object);
    const bool ours = is_ours(object);
    is_exporter_ = !ours && is_exporter(object);
    const bool has_table = !is_exporter_ && !ours && route_ != Route::protocols;
    table_ = has_table ? exchange_table_of(Py_TYPE(object.ptr())) : nullptr;
    claims_ = is_exporter_ || table_ ? TensorClaims(object) : TensorClaims();
    twins_ = {};
    tensor_twins_ = {};
    tensor_ = nullptr;
  }

  static bool is_ours(py::handle object) {
    return object_in<DeviceBuffer>(object) || object_in<StackObject>(object) ||
           object_in<DeviceArray>(object);
  }

  void add_exporter(py::handle object) {
    claims_.check(object);
    check_mask(object);
    const Py_buffer* const answer = ask_for_buffer(object);
    if (!answer) return add_other(object);
    const Py_buffer& buffer = *answer;
    const auto last = parts_.runs.empty() ? nullptr : parts_.runs.back().source.description;
    py::object describer = describer_of(buffer);
    if (last && continues(*last, buffer) && describe_alike(describer, describer_)) {
      join(static_cast<const std::byte*>(buffer.buf), is_of_rows() ? buffer.shape[0] : 0);
    } else {
      begin_run(source_of_export(buffer));
      if (route_ != Route::protocols && run_goes_on_) twins_ = NumpyTwins(object, buffer, alike_);
      describer_ = std::move(describer);
    }
    holder_->keep_last();
  }

  bool continues(const Description& last, const Py_buffer& buffer) const {
    if (!is_of_rows()) return last.matches(buffer);
    return run_goes_on_ && last.matches_but_length(buffer);
  }

  /// Nothing if it refuses and may be asked otherwise: a type can have arrays on many devices.
  const Py_buffer* ask_for_buffer(py::handle object) {
    try {
      return &holder_->acquire(object);
    } catch (py::error_already_set& refusal) {
      if (!refusal.matches(PyExc_Exception) || !offers_more_than_buffer(object)) throw;
      return nullptr;
    }
  }

  void add_tensor(py::handle object) {
    claims_.check(object);
    auto tensor = tensor_of(*table_, object);
    if (tensor_ && lies_like(*tensor_, *tensor, is_of_rows() ? 1 : 0)) {
      join(data_of(tensor->tensor), is_of_rows() ? tensor->tensor.shape[0] : 0);
    } else {
      will_wait(tensor->tensor.device);
      begin_run(source_of_tensor(tensor));
      tensor_ = run_goes_on_ ? tensor : nullptr;
      if (holding_ == Holding::objects && run_goes_on_) {
        tensor_twins_ = TensorTwins(*table_, object, tensor->tensor, alike_);
        const bool complex = tensor->tensor.dtype.code == dlpack::code_complex;
        twin_claims_ = TwinClaims(claims_, object, complex);
      }
    }
    holder_->hold(std::move(tensor));
  }

  /// Work on tensors is waited for once a device, after the last has been taken.
  void will_wait(const dlpack::Device& device) {
    const auto is_known = [&](const auto& writer) {
      return writer.first == table_ && writer.second.type == device.type &&
             writer.second.id == device.id;
    };
    if (std::ranges::none_of(writers_, is_known)) writers_.emplace_back(table_, device);
  }

  void add_other(py::handle object) {
    Source source = source_of(object, route_);
    holder_->hold(std::move(source.owner));
    begin_run(std::move(source));
  }

  void begin_run(Source source) {
    if (!parts_.runs.empty()) {
      const Source& first = parts_.runs[0].source;
      if (source.device != first.device)
        throw py::value_error(text("the parts of a list are on one device: part ",
                                   parts_.starts.size(), " is on ", source.device, ", part 0 on ",
                                   first.device));
      if (same_meaning(first.view.format(), source.view.format()))
        source.view = ArrayView(source.view.base(), first.view.format(), source.view.layout(),
                                source.view.readonly(), source.view.space());
    }
    if (is_of_rows()) make_row(source);
    join(start_of(source.view), is_of_rows() ? source.view.shape()[0] : 0);
    parts_.runs.push_back({parts_.starts.size() - 1, std::move(source)});
  }

  /// Makes a dense row of an array; those that lie otherwise are runs of their own. What it was
  /// copied from may still be written to by the work of others: that is waited for first.
  void make_row(Source& source) {
    const std::size_t number = parts_.starts.size();
    if (source.view.ndim() == 0)
      throw py::value_error(text("row ", number, " has no axes; a row is an array of its items"));
    twins_ = {};
    tensor_twins_ = {};
    tensor_ = nullptr;
    run_goes_on_ = is_dense_at_any_length(source.view);
    if (is_dense(source.view) || source.view.layout().empty()) return;
    for (const auto& [table, device] : writers_) wait_for_tensors(*table, device);
    const DeviceBuffer copy = dense_copy(source, route_);
    copy.synchronize();
    source.view = copy.view();
    if (!parts_.copied) parts_.copied = number;
    holder_->hold(std::make_shared<const DeviceBuffer>(copy));
  }

  Holding holding_;
  Route route_;
  Alike alike_;
  Parts parts_;
  std::unique_ptr<Holder> holder_;
  /// Whose work is waited for in the end.
  std::vector<std::pair<const dlpack::ExchangeTable*, dlpack::Device>> writers_;

  // Of the part before:
  py::object type_;  ///< held: else another could take its address
  bool is_exporter_ = false;
  const dlpack::ExchangeTable* table_ = nullptr;
  py::object describer_;     ///< of the first of the run, if its elements are structs
  bool run_goes_on_ = true;  ///< of rows: others may lie as the first of the run does
  TensorClaims claims_;
  TwinClaims twin_claims_;
  NumpyTwins twins_;
  TensorTwins tensor_twins_;
  std::shared_ptr<const dlpack::ManagedTensorVersioned> tensor_;  ///< the first of the run
};

/// Tells whether one pointer table over both is an array.
bool alike(const ArrayView& a, const ArrayView& b) {
  const Layout& x = a.layout();
  const Layout& y = b.layout();
  if (!(a.format() == b.format()) || a.space() != b.space() || x.ndim() != y.ndim() ||
      x.levels() != y.levels())
    return false;
  const auto same_axis = [](const Axis& p, const Axis& q) {
    return p.extent == q.extent && p.level == q.level && (p.extent <= 1 || p.stride == q.stride);
  };
  return std::ranges::equal(x.axes(), y.axes(), same_axis) &&
         std::ranges::equal(x.origins().subspan(1), y.origins().subspan(1));
}

/// The number of the first run whose parts differ from part 0; that of all runs if none does.
std::size_t first_different(const Parts& parts) {
  const ArrayView& first = parts.runs[0].source.view;
  const auto differs = [&](const Parts::Run& run) { return !alike(first, run.source.view); };
  return static_cast<std::size_t>(std::ranges::find_if(parts.runs, differs) - parts.runs.begin());
}

Stack over(Parts& parts) {
  const ArrayView& first = parts.runs[0].source.view;
  const bool readonly = std::ranges::any_of(
      parts.runs, [](const Parts::Run& run) { return run.source.view.readonly(); });
  return stack(ArrayView(first.base(), first.format(), first.layout(), readonly, first.space()),
               std::move(parts.starts));
}

std::vector<std::int64_t> item_shape(const ArrayView& row) {
  std::vector<std::int64_t> shape = row.shape();
  if (!shape.empty()) shape.erase(shape.begin());
  return shape;
}

void check_one_item(const Parts& parts) {
  const ArrayView& first = parts.runs[0].source.view;
  for (const Parts::Run& run : parts.runs) {
    const ArrayView& view = run.source.view;
    if (item_shape(view) != item_shape(first))
      throw py::value_error(text("rows differ in their first axis alone: row ", run.first,
                                 " has shape ", tuple_text(view.shape()), ", row 0 has ",
                                 tuple_text(first.shape())));
    if (!(view.format() == first.format()))
      throw py::value_error(text("rows have one format: row ", run.first, " has '",
                                 view.format().text(), "', row 0 has '", first.format().text(),
                                 "'"));
  }
}

void check_one_shape(const Parts& parts) {
  const ArrayView& first = parts.runs[0].source.view;
  for (const Parts::Run& run : parts.runs) {
    const ArrayView& view = run.source.view;
    if (view.shape() != first.shape())
      throw py::value_error(text(
          "the parts of a list have one shape: part ", run.first, " has ", tuple_text(view.shape()),
          ", part 0 has ", tuple_text(first.shape()),
          item_shape(view) == item_shape(first) && !view.shape().empty() && !first.shape().empty()
              ? "; multibuffer.ragged() takes rows of unequal length"
              : ""));
    if (!(view.format() == first.format()))
      throw py::value_error(text("the parts of a list have one format: part ", run.first, " has '",
                                 view.format().text(), "', part 0 has '", first.format().text(),
                                 "'"));
  }
}

/// The copies that some runs of a list are read from. One owner keeps them all: in a chain of
/// owners, each would be let go of within the one before it, and there can be a million.
struct Copies {
  Owner parts;
  std::vector<DeviceBuffer> buffers;
  int traverse(visitproc visit, void* arg) const { return python::traverse(parts, visit, arg); }
};

/// Copies the parts of a run side by side, and leads to the copies.
void copy_run(Parts& parts, std::size_t number, std::vector<DeviceBuffer>& buffers, Route route) {
  Parts::Run& run = parts.runs[number];
  const auto begin = parts.starts.begin() + static_cast<std::ptrdiff_t>(run.first);
  const auto end = parts.starts.begin() + static_cast<std::ptrdiff_t>(parts.end(number));
  const Stack table = stack(run.source.view, std::vector(begin, end));
  const DeviceBuffer copies =
      dense_copy({table.view(), parts.owner, run.source.device, nullptr}, route);
  copies.synchronize();
  const std::int64_t bytes = run.source.view.nbytes();
  std::int64_t offset = 0;
  for (auto start = begin; start != end; ++start, offset += bytes) *start = copies.data() + offset;
  run.source.view = ArrayView::dense(copies.data(), run.source.view.shape(),
                                     run.source.view.format(), false, run.source.view.space());
  buffers.push_back(copies);
}

}  // namespace

namespace {

Parts read(Reader reader, py::handle sequence) {
  const auto items = py::reinterpret_steal<py::object>(
      PySequence_Fast(sequence.ptr(), "expected a sequence of arrays"));
  if (!items) throw py::error_already_set();
  Parts parts = reader.read(items.ptr());
  if (parts.starts.empty()) throw py::value_error("a list of no arrays has no shape and no format");
  return parts;
}

}  // namespace

Parts parts_of(py::handle sequence, Holding holding, Route route) {
  return read(Reader(holding, route), sequence);
}

Parts rows_of(py::handle sequence, Route route) {
  Parts parts = read(Reader(Holding::objects, route, Alike::rows), sequence);
  check_one_item(parts);
  return parts;
}

Stack stack_parts(Parts& parts) {
  const std::size_t different = first_different(parts);
  if (different == parts.runs.size()) return over(parts);
  // The library's own words for what differs, and its count of the parts.
  std::vector<ArrayView> views(parts.runs[different].first, parts.runs[0].source.view);
  views.push_back(parts.runs[different].source.view);
  return stack(views);
}

Stack gather_parts(Parts& parts, Route route) {
  check_one_shape(parts);
  if (first_different(parts) != parts.runs.size()) {
    auto copies = std::make_unique<Copies>();
    for (std::size_t run = 0; run < parts.runs.size(); ++run)
      if (!is_dense(parts.runs[run].source.view)) copy_run(parts, run, copies->buffers, route);
    copies->parts = std::move(parts.owner);
    parts.owner = keep(std::move(copies));
  }
  return over(parts);
}

}  // namespace multibuffer::python
