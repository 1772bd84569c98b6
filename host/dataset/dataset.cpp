#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "host/dataset/description.hpp"
#include "host/dataset/grid.hpp"
#include "host/dataset/names.hpp"
#include "host/dataset/reading.hpp"
#include "host/dataset/source.hpp"
#include "host/files/stored_file.hpp"
#include "host/interop/numpy_type.hpp"
#include "host/support/text.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace multibuffer {
namespace {

/// The files of a dataset that is being opened, each once.
class FileList {
 public:
  std::uint32_t add(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) files::throw_unreadable(path, errno);
    if (files_.size() >= std::uint32_t{0xffffffff})
      throw Failure(Errc::invalid_argument, "more files than a dataset can have");
    // The process that reads it may be in another directory.
    files_.push_back({std::filesystem::absolute(path).lexically_normal().string(),
                      files::FileStamp::of(status), 0});
    return static_cast<std::uint32_t>(files_.size() - 1);
  }
  void decoded(std::uint32_t file, std::int64_t bytes) { files_[file].decoded_bytes = bytes; }
  const DatasetFile& operator[](std::uint32_t file) const { return files_[file]; }
  std::vector<DatasetFile> take() { return std::move(files_); }

 private:
  std::vector<DatasetFile> files_;
};

/// An element type as a .npy spells it; what NumPy has no letter for is raw bytes there.
std::string descr_of(const Format& format) {
  return format.opaque() ? text("'|V", format.itemsize(), "'")
                         : text("'", type_string(format.type()), "'");
}

std::string full_name(const std::string& path, const std::string& array) {
  return array.empty() ? path : text(path, "::", array);
}

/// The one array that a file without a name for it can mean.
std::string only_name(const files::StoredFile& file, const std::string& path) {
  const std::vector<std::string> names = file.names();
  if (names.size() == 1) return names[0];
  if (names.empty()) throw Failure(Errc::file_invalid, text(path, ": it has no arrays"));
  std::string some;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i)
    some += text(i ? ", " : "", path, "::", names[i]);
  throw Failure(Errc::invalid_argument,
                text(path, ": it has ", names.size(), " arrays; name one of them (", some,
                     names.size() > 3 ? ", ...)" : ")"));
}

files::StoredArray raw_array(const RawNumbers& raw, const DatasetFile& file) {
  const std::int64_t itemsize = raw.format.itemsize();
  const auto refuse = [&](const std::string& what) {
    throw Failure(Errc::file_invalid, text(file.path, ": ", what));
  };
  const std::int64_t there = file.stamp.bytes - raw.offset;
  if (raw.offset < 0 || there < 0)
    refuse(text("there is no byte ", raw.offset, ", of ", file.stamp.bytes));
  std::vector<std::int64_t> shape = raw.shape.value_or(std::vector<std::int64_t>{-1});
  std::int64_t known = itemsize;
  std::int64_t* free_extent = nullptr;
  for (std::int64_t& extent : shape) {
    if (extent < -1 || (extent == -1 && free_extent))
      throw Failure(Errc::invalid_argument,
                    text("the shape ", tuple_text(shape), " of ", file.path));
    if (extent == -1) {
      free_extent = &extent;
    } else if (__builtin_mul_overflow(known, extent, &known)) {
      throw Failure(Errc::size_overflow,
                    text("the bytes of shape ", tuple_text(shape), " do not fit in 64 bits"));
    }
  }
  if (free_extent) {
    if (known == 0 || there % known != 0)
      refuse(text(there, " bytes are no whole number of ", known, " bytes, which is what one ",
                  shape.size() > 1 ? "index of the free axis" : "number", " takes"));
    *free_extent = there / known;
  }
  files::StoredArray array = files::in_one_piece(descr_of(raw.format), raw.format.text(), itemsize,
                                                 std::move(shape), raw.offset);
  if (!raw.strides.empty()) {
    if (raw.strides.size() != array.shape.size() || free_extent)
      throw Failure(Errc::invalid_argument, text(raw.strides.size(), " strides for the shape ",
                                                 tuple_text(array.shape), " of ", file.path));
    array.strides = raw.strides;
  }
  files::check_inside(array, file.stamp.bytes, file.path);
  return array;
}

/// The pattern for names, which begin without a '/'.
ArrayPattern pattern_of(const std::string& array) {
  return ArrayPattern(std::string_view(array).substr(array.starts_with('/') ? 1 : 0));
}

/// The parts that a source stands for, and the grid of the stars in it.
struct Found {
  std::vector<Part> parts;
  std::vector<std::vector<std::string>> captures;
};

void find_in(const std::string& path, const std::string& array, const OpenOptions& options,
             FileList& list, Found& found) {
  const std::uint32_t number = list.add(path);
  if (options.raw) {
    if (!array.empty())
      throw Failure(
          Errc::invalid_argument,
          text(path, "::", array, ": an array by name has a type and a shape of its own"));
    // Whoever names a place in the file knows what is there.
    if (options.raw->offset == 0 && options.raw->strides.empty())
      if (const files::Reader* const reader = files::recognised(path))
        throw Failure(Errc::invalid_argument,
                      text(path, ": a ", reader->name,
                           " file, which says itself what it holds; "
                           "open it without a type, and convert what you read"));
    found.parts.push_back({raw_array(*options.raw, list[number]), number, path});
    return;
  }
  const std::unique_ptr<files::StoredFile> file = files::open_stored_file(path);
  list.decoded(number, file->decoded_bytes());
  const auto take = [&](const std::string& name) {
    found.parts.push_back({file->array(name), number, full_name(path, name)});
  };
  if (array.empty()) return take(only_name(*file, path));
  if (const ArrayPattern name(array); !name.has_stars()) return take(name.name());
  const ArrayPattern pattern = pattern_of(array);
  for (const std::string& name : file->names())
    if (auto captured = pattern.match(name)) {
      take(name);
      found.captures.push_back(std::move(*captured));
    }
}

Grid join(std::vector<Part> parts, const OpenOptions& options) {
  if (options.join == Join::concatenate) return concatenated(std::move(parts));
  const std::int64_t count[]{std::ssize(parts)};
  return stacked(std::move(parts), count);
}

/// Stacks what the stars of an array's pattern stand for.
Grid stack_stars(Found found, const std::string& source, const std::string& pattern) {
  if (found.parts.empty())
    throw Failure(Errc::invalid_argument, text(source, ": there is no array of such a name"));
  std::vector<std::string> names;
  for (const Part& part : found.parts) names.push_back(part.name);
  const StarGrid stars = grid_of_stars(found.captures, names, pattern_of(pattern), pattern);
  std::vector<Part> parts;
  for (const std::size_t i : stars.order) parts.push_back(std::move(found.parts[i]));
  return stacked(std::move(parts), stars.extents);
}

}  // namespace

Dataset::Dataset(std::shared_ptr<const DatasetSource> source, Format format, Layout layout)
    : source_(std::move(source)), format_(std::move(format)), layout_(std::move(layout)) {}

Dataset DatasetSource::view_of(std::shared_ptr<const DatasetSource> source) {
  std::vector<Axis> axes;
  for (const GridAxis& axis : source->grid.axes)
    axes.push_back({axis.extent, 1, static_cast<int>(axes.size())});
  Layout layout(axes, std::vector<std::int64_t>(axes.size() + 1, 0));
  Format format = source->grid.format;
  return Dataset(std::move(source), std::move(format), std::move(layout));
}

Dataset Dataset::open(const std::string& source, const OpenOptions& options) {
  return open(std::span(&source, 1), options);
}

Dataset Dataset::open(std::span<const std::string> sources, const OpenOptions& options) {
  if (sources.empty()) throw Failure(Errc::invalid_argument, "no files to open");
  FileList list;
  Found found;
  std::string pattern;
  for (const std::string& source : sources) {
    SourceName name = split_source(source);
    for (const std::string& path : files_of(name.file))
      find_in(path, name.array, options, list, found);
    if (!ArrayPattern(name.array).has_stars()) continue;
    if (sources.size() > 1)
      throw Failure(Errc::invalid_argument,
                    text(source, ": a pattern for arrays is opened by itself"));
    pattern = name.array;
  }
  Grid grid = pattern.empty() ? join(std::move(found.parts), options)
                              : stack_stars(std::move(found), sources[0], pattern);
  return DatasetSource::view_of(
      std::make_shared<DatasetSource>(std::move(grid), list.take(), options.window));
}

Dataset Dataset::of_memory(std::span<const ArrayView> views, std::shared_ptr<const void> owner) {
  std::vector<Part> parts;
  for (const ArrayView& view : views) {
    const std::string name = text("part ", parts.size());
    if (view.layout().levels() > 0 || view.space() != MemorySpace::host)
      throw Failure(Errc::invalid_argument,
                    text(name, " lies behind pointers, or on a device; upload() takes it"));
    files::StoredArray array{.descr = descr_of(view.format()),
                             .format = view.format().text(),
                             .itemsize = view.itemsize(),
                             .shape = view.shape(),
                             .piece = view.shape(),
                             .strides = {},
                             .offsets = {}};
    for (std::int64_t& extent : array.piece) extent = std::max<std::int64_t>(extent, 1);
    for (const Axis& axis : view.layout().axes()) array.strides.push_back(axis.stride);
    array.offsets.push_back(
        static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(view.base())) +
        view.layout().origins()[0]);
    parts.push_back({std::move(array), 0, name});
  }
  return DatasetSource::view_of(std::make_shared<DatasetSource>(
      concatenated(std::move(parts)), std::vector<DatasetFile>(1), 0, std::move(owner)));
}

std::string Dataset::serialize() const { return description_of(*source_, format_, layout_); }

Dataset Dataset::deserialize(std::string_view bytes) {
  Described all = described(bytes);
  return Dataset(std::move(all.source), std::move(all.format), std::move(all.layout));
}

std::string Dataset::serialize_view() const { return view_description_of(format_, layout_); }

Dataset Dataset::with_view(std::string_view view) const {
  DescribedView described = described_view(view, source_->grid);
  return Dataset(source_, std::move(described.format), std::move(described.layout));
}

const std::string& Dataset::descr() const noexcept { return source_->grid.descr; }

std::vector<std::string> Dataset::files() const {
  std::vector<std::string> paths;
  for (const DatasetFile& file : source_->files)
    if (!file.path.empty()) paths.push_back(file.path);
  return paths;
}

std::int64_t Dataset::window() const noexcept { return source_->window; }

bool Dataset::in_memory() const noexcept { return source_->owner != nullptr; }

Dataset Dataset::with_window(std::int64_t bytes) const {
  if (in_memory()) throw Failure(Errc::invalid_argument, "parts in memory are not read in windows");
  return Dataset(std::make_shared<DatasetSource>(source_->grid, source_->files, bytes), format_,
                 layout_);
}

std::optional<Dataset::Mapped> Dataset::mapped() const {
  std::optional<MappedTable> table = map_whole(*source_, format_, layout_);
  if (!table) return {};
  struct Kept {
    std::shared_ptr<const DatasetSource> source;
    MappedTable table;
  };
  auto kept = std::make_shared<Kept>(Kept{source_, std::move(*table)});
  return Mapped{kept->table.view(format_), kept};
}

std::vector<std::byte> Dataset::reference() const {
  return read_one_by_one(*source_, format_, layout_);
}

DeviceBuffer gather(const Dataset& dataset, const Selection& selection,
                    const ReadOptions& options) {
  return read(*dataset.source_, dataset.format_, dataset.layout_, selection, options);
}

DeviceBuffer take(const Dataset& dataset, int axis, const Indices& indices,
                  const ReadOptions& options) {
  return gather(dataset, {.groups = {{.axes = {axis}, .indices = {indices}, .position = {}}}},
                options);
}

DeviceBuffer copy(const Dataset& dataset, const ReadOptions& options) {
  return gather(dataset, {}, options);
}

DeviceArray upload(const Dataset& dataset, const Device& device, const UploadOptions& options) {
  UploadOptions with_owner = options;
  if (const auto mapped = dataset.mapped()) {
    with_owner.owner = mapped->owner;
    return upload(mapped->view, device, with_owner);
  }
  ReadOptions reading;
  reading.device = device;
  reading.stream = options.stream;
  reading.watch = options.watch;
  const DeviceBuffer all = copy(dataset, reading);
  // The elements are there, in memory of our own, which is used where it lies.
  with_owner.placement = PlacementKind::in_place;
  with_owner.memory = output_of(all).memory;
  with_owner.owner = std::make_shared<DeviceBuffer>(all);
  return upload(all.view(), device, with_owner);
}

std::vector<FileFormat> file_formats() {
  std::vector<FileFormat> formats;
  for (const files::Reader* reader : files::readers()) {
    FileFormat format{std::string(reader->name), "", ""};
    if (!reader->open) {
      format.missing = reader->package;
      format.remedy = files::remedy_of(*reader);
    }
    formats.push_back(std::move(format));
  }
  return formats;
}

}  // namespace multibuffer
