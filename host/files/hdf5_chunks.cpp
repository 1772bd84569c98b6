#include "host/files/hdf5_chunks.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

namespace multibuffer::files::hdf5 {
namespace {

/// A dataset's chunks, of which some are known.
class Grid {
 public:
  Grid(std::span<const std::int64_t> shape, std::span<const std::int64_t> piece, std::int64_t bytes)
      : shape_(shape), piece_(piece), bytes_(bytes) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < shape.size(); ++i)
      count *= static_cast<std::size_t>((shape[i] - 1) / piece[i] + 1);
    chunks_.addresses.assign(count, -1);
  }

  std::size_t size() const noexcept { return chunks_.addresses.size(); }

  void put(std::size_t number, haddr_t address, hsize_t bytes) noexcept {
    constexpr auto largest = static_cast<haddr_t>(std::numeric_limits<std::int64_t>::max());
    if (address == HADDR_UNDEF) return;
    chunks_.addresses[number] = static_cast<std::int64_t>(std::min(address, largest));
    if (bytes != static_cast<hsize_t>(bytes_)) ++chunks_.other_sizes;
  }

  /// Puts the chunk that begins at the index `at`, unless it lies outside of the shape.
  void put(const hsize_t* at, haddr_t address, hsize_t bytes) noexcept {
    std::size_t number = 0;
    for (std::size_t i = 0; i < shape_.size(); ++i) {
      if (at[i] >= static_cast<hsize_t>(shape_[i])) return;
      const auto chunks = static_cast<std::size_t>((shape_[i] - 1) / piece_[i] + 1);
      number =
          number * chunks + static_cast<std::size_t>(at[i]) / static_cast<std::size_t>(piece_[i]);
    }
    put(number, address, bytes);
  }

  /// Moves an index from the beginning of a chunk to that of the next.
  void advance(hsize_t* at) const noexcept {
    for (std::size_t axis = shape_.size(); axis-- > 0;) {
      at[axis] += static_cast<hsize_t>(piece_[axis]);
      if (at[axis] < static_cast<hsize_t>(shape_[axis])) return;
      at[axis] = 0;
    }
  }

  Chunks take() && {
    chunks_.missing = std::ranges::count(chunks_.addresses, -1);
    return std::move(chunks_);
  }

 private:
  std::span<const std::int64_t> shape_;
  std::span<const std::int64_t> piece_;
  std::int64_t bytes_;
  Chunks chunks_;
};

#if H5_VERSION_GE(1, 14, 3)

int put_chunk(const hsize_t* at, unsigned /*filters*/, haddr_t address, hsize_t bytes, void* grid) {
  static_cast<Grid*>(grid)->put(at, address, bytes);
  return 0;
}

void fill(Input& /*input*/, hid_t dataset, Grid& grid) {
  // Those that a failure leaves out are missing.
  H5Dchunk_iter(dataset, H5P_DEFAULT, put_chunk, &grid);
}

#else

/// H5Dread_chunk looks a chunk up in the index, and reads it, which our driver notes.
void fill(Input& input, hid_t dataset, Grid& grid) {
  std::array<hsize_t, H5S_MAX_RANK> at{};
  for (std::size_t number = 0; number < grid.size(); ++number) {
    std::uint32_t filters = 0;
    std::byte unused{};
    input.note_reads(true);
    const herr_t status = H5Dread_chunk(dataset, H5P_DEFAULT, at.data(), &filters, &unused);
    const Input::Noted noted = input.note_reads(false);
    if (status >= 0 && noted.reads == 1) grid.put(number, noted.address, noted.bytes);
    grid.advance(at.data());
  }
}

#endif

}  // namespace

Chunks find_chunks(Input& input, hid_t dataset, std::span<const std::int64_t> shape,
                   std::span<const std::int64_t> piece, std::int64_t bytes) {
  Grid grid(shape, piece, bytes);
  fill(input, dataset, grid);
  input.rethrow();
  return std::move(grid).take();
}

}  // namespace multibuffer::files::hdf5
