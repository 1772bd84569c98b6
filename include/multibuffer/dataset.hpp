#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/view_operations.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {

/// How several arrays become one.
enum class Join {
  concatenate,  ///< along their axis 0
  stack,        ///< along a new axis 0
};

/// Numbers in a file without a header.
struct RawNumbers {
  Format format;
  /// C order; one extent may be -1, which is then as large as the file allows. Not given: one axis,
  /// as long as the file allows.
  std::optional<std::vector<std::int64_t>> shape = {};
  std::int64_t offset = 0;  ///< of the element at index 0, in bytes
  /// Bytes, one for each axis of a `shape` without -1; empty: C order.
  std::vector<std::int64_t> strides = {};
};

struct OpenOptions {
  Join join = Join::concatenate;
  /// Bytes. 0: files are mapped, and a file that is cut while it is read ends the process (SIGBUS),
  /// as with any mapping. Else they are read by `preadv` in pieces of about so many bytes, a file
  /// that is cut is an error, and no more memory than this is taken: for network file systems, and
  /// for workers whose memory is limited.
  std::int64_t window = 0;
  /// Given: every file holds numbers without a header.
  std::optional<RawNumbers> raw = {};
};

struct ReadOptions : GatherOptions {
  /// Where the result goes. A GPU receives the elements that were asked for, and no others; so the
  /// array may be larger than its memory.
  Device device = Device::host();
};

struct DatasetSource;

/// Arrays in files as one array: a description (names, sizes, times, offsets) and a view of it.
/// Opening reads headers; elements are read when they are gathered, and slices read nothing.
///
/// Files are mapped in each process when they are first needed. At each call the sizes and times of
/// the files that it touches are compared with those at opening, before and after: a call throws
/// `file_changed`, naming the file, and never returns half a result; an `out` of yours is then
/// unspecified. (A file that is replaced by one of the same size and time cannot be told from it.)
///
/// Copies and views share the description. Several threads may use one at a time.
class Dataset : public ViewOperations<Dataset> {
 public:
  /// `source` is the name of a file, `FILE::ARRAY` for formats with arrays by name, or a pattern:
  /// `*`, `?` and `[...]` in FILE stand for several files, joined in natural order (2 before 10);
  /// in ARRAY, for several arrays, stacked along one new axis for each `*`. `[*]`, `[?]` and `[[]`
  /// are these characters themselves, in both; and a FILE that is there is no pattern. Formats:
  /// .npy, .npz (stored), HDF5 (contiguous or chunked, without filters), safetensors, PNG, and
  /// plain numbers with `OpenOptions::raw`.
  ///
  /// Throws `file_unreadable`; `file_invalid` for what cannot be read, with the reason; and
  /// `invalid_argument` for arrays that do not fit together, naming the first that does not.
  static Dataset open(const std::string& source, const OpenOptions& options = {});
  static Dataset open(std::span<const std::string> sources, const OpenOptions& options = {});
  /// Parts in memory, joined along their axis 0, which `owner` keeps. It cannot be serialized.
  static Dataset of_memory(std::span<const ArrayView> parts, std::shared_ptr<const void> owner);

  /// The description and the view as bytes, for another process or a file: at most 200 bytes a file
  /// and 16 a piece, on average. Throws `invalid_argument` for parts in memory.
  std::string serialize() const;
  /// Throws `invalid_argument` for bytes that `serialize` has not made.
  static Dataset deserialize(std::string_view bytes);
  /// The view alone as bytes, for a process that has parts in memory like these.
  std::string serialize_view() const;
  /// All elements of this dataset's source as `view` sees them, which `serialize_view` has made of
  /// a dataset of the same shape and type. Throws `invalid_argument` for other bytes.
  Dataset with_view(std::string_view view) const;

  /// Indices of the files' own axes and, in the last level, bytes within an element.
  const Layout& layout() const noexcept { return layout_; }
  const Format& format() const noexcept { return format_; }
  /// The element type of the files as a .npy spells it.
  const std::string& descr() const noexcept;
  std::vector<std::string> files() const;
  std::int64_t window() const noexcept;
  bool in_memory() const noexcept;

  /// The same files, mapped (0) or read in windows of so many bytes.
  Dataset with_window(std::int64_t bytes) const;

  /// All elements as an array of pointers into mapped memory, with what keeps it; nothing where no
  /// pointer table can say it (chunks that cut axes behind the first, windows). Checks the files.
  struct Mapped {
    ArrayView view;
    std::shared_ptr<const void> owner;
  };
  std::optional<Mapped> mapped() const;

  /// All elements in C order, read from the files one at a time: for comparison.
  std::vector<std::byte> reference() const;

 private:
  friend ViewOperations<Dataset>;
  friend struct DatasetSource;
  Dataset(std::shared_ptr<const DatasetSource> source, Format format, Layout layout);
  friend DeviceBuffer gather(const Dataset&, const Selection&, const ReadOptions&);

  std::shared_ptr<const DatasetSource> source_;
  Format format_;
  Layout layout_;
};

/// Read the selected elements, as they do from a `DeviceArray`. Indices on a device are fetched.
/// Throw what those throw, `file_unreadable`, and `file_changed`.
DeviceBuffer gather(const Dataset& dataset, const Selection& selection,
                    const ReadOptions& options = {});
DeviceBuffer take(const Dataset& dataset, int axis, const Indices& indices,
                  const ReadOptions& options = {});
DeviceBuffer copy(const Dataset& dataset, const ReadOptions& options = {});

/// All elements on a device.
DeviceArray upload(const Dataset& dataset, const Device& device, const UploadOptions& options = {});

/// A file format, and whether this build reads it.
struct FileFormat {
  std::string name;
  std::string missing;  ///< Debian's package that the build lacked; empty if it can be read
  std::string remedy;   ///< how to get it, in words; empty if it can be read
};
std::vector<FileFormat> file_formats();

}  // namespace multibuffer
