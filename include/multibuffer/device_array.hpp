#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/placement_options.hpp>
#include <multibuffer/view_operations.hpp>
#include <multibuffer/watch.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace multibuffer {

class Memory;
struct Placement;
struct Storage;

struct UploadOptions {
  PlacementKind placement = PlacementKind::automatic;
  Simplify simplify = {};
  /// Kept alive as long as the array, if that is in place or keeps its sources. Arrays in place
  /// need it; with `keep_sources` it keeps the addresses from being reused.
  std::shared_ptr<const void> owner = nullptr;
  /// The block that the elements lie in, if it is the library's (`output_of` has it) and they are
  /// used in place: work on the array is then ordered with all other work on the block.
  std::shared_ptr<Memory> memory = nullptr;
  StreamRef stream = {};
  Watch watch = {};
  /// Remembers where each leaf came from (some 80 bytes of host memory a leaf), so that
  /// `update_pointers` can share them with another array.
  bool keep_sources = false;
  /// Trusts no address: before anything is read there, proves of every pointer table, and of what
  /// every pointer leads to, that it lies in host memory that this process can read, so that an
  /// exporter that lies gets an error (`unreadable_memory`, with the axis and the index) where it
  /// would end the process. Elements that one pointer leads to lie in one block, with all between
  /// them, since they may travel so; the slots of a table need not. It costs about a microsecond
  /// for each mapping of the process (0.3 ms for a Python with NumPy), and 8 ns a pointer.
  ///
  /// It cannot tell the end of an allocation from what lies behind it in the same mapping, nor see
  /// what another thread unmaps meanwhile. Memory on a device is not checked.
  bool checked = false;
};

/// An array of pointers on a device: leaves in one arena, offset arrays where the pointer tables
/// were, and a layout to view them through. Views share the storage and move no data; the storage
/// is freed after the last of them, and after all work on it.
///
/// It is a handle, and its constness is shallow, as that of a `std::span<T>`: a `const` one stays
/// the same view of the same elements, which `update` may write. Several threads may use one at a
/// time, and its views: on a CUDA device the library orders what they do to the elements. On the
/// host, `update` is done on return, and it is for you that nobody reads the elements meanwhile.
class DeviceArray : public ViewOperations<DeviceArray> {
 public:
  const Layout& layout() const noexcept { return layout_; }
  const Format& format() const noexcept { return format_; }
  const Device& device() const noexcept;
  PlacementKind placement() const noexcept;
  /// Bytes that the arena and the offset arrays take on the device.
  std::int64_t storage_bytes() const noexcept;

  /// The elements where they are, as a read-only buffer at this view's strides (of any sign),
  /// where no pointer table stands between: nothing moves, and the buffer keeps the storage. Work
  /// on it is ordered with this library's other work on the array, and a later `update` shows in
  /// it. Nothing for an array behind tables and, on a GPU, for one whose leaves came in several
  /// blocks (`keep_sources`): those need a gather.
  std::optional<DeviceBuffer> as_buffer() const;
  /// The elements of an array on the host that are dense in C order, where they are; valid as long
  /// as the array or a view of it. Throws what `DeviceBuffer::as_span` throws, and
  /// `invalid_argument` for an array that cannot be a buffer.
  template <class T>
  std::span<const T> as_span() const {
    return require_buffer().template as_span<const T>();
  }

  /// The array with `axis` indexed through `table`: where it has an index i along the axis, the
  /// result has the indices j... of the table, and reads at i = table[j...]. The table's axes, any
  /// number at any strides, take the place of the axis. Nothing moves.
  ///
  ///     pages.through(0, block_table)     // (sequences, blocks, ...) of a paged cache's pages
  ///
  /// The entries are int32 or int64 on the array's device. They are read at each use and so may
  /// change between uses: work that reads the array comes after the library's earlier work on the
  /// table; what others write must be there, or ordered by you. The table is kept; memory that is
  /// not the library's, and has no owner, is the caller's to keep. `owner` is kept likewise.
  ///
  /// Entries are not checked, since they may change: one outside of [0, extent) that is read leads
  /// out of the array (`check_table` of <multibuffer/through.hpp> looks at all of them at once).
  /// Entries that no index leads to may be anything.
  ///
  /// `update` of the result is one of what was uploaded, as of any view. Throws `invalid_argument`
  /// for entries of another type, device or alignment; and for an array behind tables, unless the
  /// axis moves by single entries of the first one. Throws `index_out_of_range` for entries along
  /// an axis of extent 0, and `size_overflow`.
  DeviceArray through(int axis, const DeviceBuffer& table,
                      std::shared_ptr<const void> owner = nullptr) const;

  /// What code of your own needs to find elements, beside `layout()`: an element lies
  ///
  ///     entry = 0
  ///     for each level:  entry = tables()[level][entry + origins[level] + sum(index * stride)]
  ///     entry * unit() + origins[levels] + sum(index * stride)
  ///
  /// bytes from `address()`. In C++, `elements` of <multibuffer/elements.hpp> does that.
  ///
  /// The offset arrays where they are, of std::uint32_t or std::int64_t, read-only; they keep the
  /// storage. That of `through` is the caller's, whose axes are those of level 0.
  std::vector<DeviceBuffer> tables() const;
  /// 0 where the entries are addresses.
  std::uintptr_t address() const noexcept;
  std::int64_t unit() const noexcept;

 private:
  friend ViewOperations<DeviceArray>;
  friend detail::Internals;
  DeviceArray(std::shared_ptr<const Storage> storage, Layout layout);
  DeviceBuffer require_buffer() const;

  std::shared_ptr<const Storage> storage_;
  Format format_;  ///< the storage's, or that of a part of its elements
  Layout layout_;
};

/// Resolves, places and transfers `view`. Returns after the last read of the source (in place: the
/// source stays in use for the array's life). Throws what `resolve` and `place` throw, and
/// `out_of_device_memory` with the bytes asked for and free.
DeviceArray upload(const ArrayView& view, const Device& device, const UploadOptions& options = {});

/// Transfers a placement that is made already, one of the stages by itself
/// (<multibuffer/stages/place.hpp>).
DeviceArray upload(const Placement& placement, const Device& device,
                   const UploadOptions& options = {});

}  // namespace multibuffer
