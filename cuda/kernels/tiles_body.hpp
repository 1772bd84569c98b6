#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/tiles.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

/// Transposes through the shared memory of a block. A block finds the rows of its tiles, reads them
/// (they are dense in the leaves), waits for all its threads, and writes the tiles' columns, which
/// are dense in the output:
///
///                  words of a row ─►                    words of a column ─►
///        row 0     a0 a1 a2 ...            column 0     a0 b0 c0 ...
///        row 1     b0 b1 b2 ...            column 1     a1 b1 c1 ...
///
/// Tiles hold words. Where k items make a word, k words of k neighbouring rows are transposed into
/// words of k columns, before they are written, in registers.
///
/// `SharedTiles` is how bodies access that memory:
///
///     set_tile(n, tile)      stores the description of one of a turn's tiles
///     tile(n)                returns it
///     set_row(row, address)  stores where a row of the tiles begins; 0 where there is none
///     row(row)               returns it
///     fetch(slot, address)   copies an aligned word from device memory; done after the barrier
///     put(slot, word)        stores a word
///     take(slot)             returns it
namespace multibuffer::cuda {

template <int ItemBytes>
struct TilesOf {
  static constexpr TileShape shape = tile_shape(ItemBytes);
  static_assert(shape.items_per_word == 1 || shape.word_bytes == 4);
  using Item = Unsigned<ItemBytes>;
  using Word = Unsigned<shape.word_bytes>;
  static constexpr int per_word = shape.items_per_word;
  static constexpr int side = shape.side;
  static constexpr int rows = shape.per_turn * side;  ///< rows of all tiles
  /// Words from one row to the next: with one word of padding, a warp reads and writes 32 banks
  /// whether its lanes move along a row or from row to row.
  static constexpr int pitch = warp_lanes + 1;
  static constexpr int slots_per_tile = side * pitch;
  static constexpr int slots = shape.per_turn * slots_per_tile;

  /// Rows that share a word of the output lie 32 apart, so that lanes which move from word to word
  /// move from row to row.
  static constexpr int slot(int tile, int row, int word) {
    const int place = row % per_word * warp_lanes + row / per_word;
    return tile * slots_per_tile + place * pitch + word;
  }
};

/// Describes a tile to all threads: the address of its first column in the output, and its rows and
/// columns that exist.
struct Tile {
  Address out = 0;
  int rows = 0;
  int columns = 0;
};

/// Copies a word of a row, of which `count` items exist, into the tiles.
template <class Shape, class Plan, class Access, class Shared>
constexpr void read_word(const Plan& plan, Access& access, Shared& tiles, int slot, Address at,
                         int count) {
  using Item = typename Shape::Item;
  using Word = typename Shape::Word;
  if constexpr (Shape::per_word == 1) {
    tiles.fetch(slot, at);
  } else if (count < Shape::per_word) {
    Word word = 0;
    for (int i = 0; i < Shape::per_word; ++i)
      if (i < count)
        word |= static_cast<Word>(
                    access.template load<Item>(at + static_cast<Address>(i) * sizeof(Item)))
                << (i * 8 * static_cast<int>(sizeof(Item)));
    tiles.put(slot, word);
  } else if (plan.own.tiles.reads_words || at % sizeof(Word) == 0) {
    tiles.fetch(slot, at);
  } else {
    // The two aligned words that it lies in are a neighbour's as well: the cache has them.
    const Address first = at - at % sizeof(Word);
    const std::uint64_t low = access.template over_read<Word>(first);
    const std::uint64_t high = access.template over_read<Word>(first + sizeof(Word));
    tiles.put(slot, static_cast<Word>((high << 32 | low) >> (8 * (at % sizeof(Word)))));
  }
}

/// Writes a word of a column, of which `count` items exist, in aligned pieces. All whole words of a
/// column have the same alignment, so that all lanes take the same branch.
template <class Shape, class Plan, class Access>
constexpr void write_word(const Plan& plan, Access& access, Address at,
                          const typename Shape::Word& word, int count) {
  using Item = typename Shape::Item;
  if constexpr (Shape::per_word == 1) {
    access.store(at, word);
  } else if (count < Shape::per_word) {
    for (int i = 0; i < Shape::per_word; ++i)
      if (i < count)
        access.store(at + static_cast<Address>(i) * sizeof(Item),
                     static_cast<Item>(word >> (i * 8 * static_cast<int>(sizeof(Item)))));
  } else if (plan.own.tiles.writes_words || at % 4 == 0) {
    access.store(at, word);
  } else if (at % 2 == 0) {
    access.store(at, static_cast<std::uint16_t>(word));
    access.store(at + 2, static_cast<std::uint16_t>(word >> 16));
  } else {
    access.store(at, static_cast<std::uint8_t>(word));
    access.store(at + 1, static_cast<std::uint16_t>(word >> 8));
    access.store(at + 3, static_cast<std::uint8_t>(word >> 24));
  }
}

/// Makes item i of word j item j of word i: swaps squares of items across the diagonal, each half
/// as large as the one before.
template <class Item, class Word, std::size_t PerWord>
constexpr void transpose_words(Word (&words)[PerWord]) {
  if constexpr (PerWord > 1) {
    constexpr std::size_t bits = 8 * sizeof(Item);
    static_assert(PerWord * bits == 8 * sizeof(Word));
    // Selects the lower half of the bits of each pair of squares.
    Word mask = std::numeric_limits<Word>::max();
    for (std::size_t side = PerWord / 2; side > 0; side /= 2) {
      mask ^= mask << (side * bits);
      for (std::size_t i = 0; i < PerWord; ++i) {
        if ((i & side) != 0) continue;
        // The bits that differ between the two squares are flipped in both.
        const Word flip = (words[i] >> (side * bits) ^ words[i + side]) & mask;
        words[i] ^= flip << (side * bits);
        words[i + side] ^= flip;
      }
    }
  }
}

/// The indices of a tile along its rows' and columns' axes.
template <class Count>
struct TilePlace {
  Count down = 0;
  Count across = 0;
};
template <class Plan, class Count>
constexpr TilePlace<Count> place_of(const Plan& plan, Count tile) {
  const Count above = plan.own.tiles.along_rows.divide(tile);
  const Count beside = plan.own.tiles.along_columns.divide(above);
  return {tile - above * plan.own.tiles.along_rows.divisor,
          above - beside * plan.own.tiles.along_columns.divisor};
}

/// Counts the items from `first` to `items`, up to `most`.
template <class Count>
constexpr int present(Count items, Count first, int most) {
  if (first >= items) return 0;
  const Count rest = items - first;
  return rest < static_cast<Count>(most) ? static_cast<int>(rest) : most;
}

/// Finds a turn's tiles, which begin with `first`, and their rows; threads share the work. The
/// block's threads wait for each other before `read_tiles`.
template <int ItemBytes, int Levels, class Plan, class Access, class Shared>
constexpr void find_tiles(const Plan& plan, Access& access, Shared& tiles, const Place& place,
                          CountOf<typename Plan::Offset> first) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  using Shape = TilesOf<ItemBytes>;
  const int thread = static_cast<int>(place.thread);
  const int threads = static_cast<int>(place.threads);
  for (int n = thread; n < Shape::shape.per_turn; n += threads) {
    const Count tile = first + static_cast<Count>(n);
    if (tile >= plan.items) {
      tiles.set_tile(n, {});
      continue;
    }
    const TilePlace<Count> where = place_of(plan, tile);
    tiles.set_tile(n, {output_at(plan, output_position(plan, tile * Shape::side)),
                       present(plan.own.tiles.rows, where.down * Shape::side, Shape::side),
                       present(plan.own.tiles.columns, where.across * Shape::side, Shape::side)});
  }
  for (int row = thread; row < Shape::rows; row += threads * batch) {
    Count items[batch];
    bool valid[batch];
    for (int b = 0; b < batch; ++b) {
      const int at = row + b * threads;
      const Count tile = first + static_cast<Count>(at / Shape::side);
      const auto within = static_cast<Count>(at % Shape::side);
      const bool exists = at < Shape::rows && tile < plan.items;
      valid[b] = exists && place_of(plan, tile).down * Shape::side + within < plan.own.tiles.rows;
      items[b] = valid[b] ? tile * Shape::side + within : 0;
    }
    const Rows<Offset> rows = find_rows<Levels>(plan, access, items, valid);
    for (int b = 0; b < batch; ++b)
      if (row + b * threads < Shape::rows)
        tiles.set_row(row + b * threads, valid[b] ? rows.source[b] : 0);
  }
}

/// Reads the tiles that `find_tiles` has found. The threads wait for each other before
/// `write_tiles`.
template <int ItemBytes, class Plan, class Access, class Shared>
constexpr void read_tiles(const Plan& plan, Access& access, Shared& tiles, const Place& place) {
  using Shape = TilesOf<ItemBytes>;
  using Word = typename Shape::Word;
  const int warp = static_cast<int>(place.thread / warp_lanes);
  const int lane = static_cast<int>(place.thread % warp_lanes);
  const int warps = static_cast<int>(place.threads / warp_lanes);
  for (int n = 0; n < Shape::shape.per_turn; ++n) {
    const Tile tile = tiles.tile(n);
    const int columns = present(tile.columns, lane * Shape::per_word, Shape::per_word);
    if (columns == 0) continue;
    for (int turn = 0; turn < Shape::side; turn += warps) {
      const int row = turn + warp;
      const Address begin = row < tile.rows ? tiles.row(n * Shape::side + row) : 0;
      if (begin == 0) continue;
      const Address at = begin + static_cast<Address>(lane) * sizeof(Word);
      read_word<Shape>(plan, access, tiles, Shape::slot(n, row, lane), at, columns);
    }
  }
}

/// Writes the tiles that `read_tiles` has read. The threads wait again before the next ones.
template <int ItemBytes, class Plan, class Access, class Shared>
constexpr void write_tiles(const Plan& plan, Access& access, Shared& tiles, const Place& place) {
  using Shape = TilesOf<ItemBytes>;
  using Word = typename Shape::Word;
  const int warp = static_cast<int>(place.thread / warp_lanes);
  const int lane = static_cast<int>(place.thread % warp_lanes);
  const int warps = static_cast<int>(place.threads / warp_lanes);
  const auto column_bytes =
      static_cast<Address>(std::int64_t{plan.own.tiles.column_out_stride} * plan.out_unit);
  for (int n = 0; n < Shape::shape.per_turn; ++n) {
    const Tile tile = tiles.tile(n);
    const int items = present(tile.rows, lane * Shape::per_word, Shape::per_word);
    if (items == 0) continue;
    Address at = tile.out + static_cast<Address>(lane) * sizeof(Word) +
                 static_cast<Address>(warp * Shape::per_word) * column_bytes;
    for (int turn = 0; turn < warp_lanes; turn += warps) {
      const int word = turn + warp;
      const int columns = word < warp_lanes ? tile.columns - word * Shape::per_word : 0;
      Word words[Shape::per_word] = {};
      if (columns > 0)
        for (int k = 0; k < Shape::per_word; ++k)
          words[k] = tiles.take(Shape::slot(n, lane * Shape::per_word + k, word));
      transpose_words<typename Shape::Item>(words);
      Address column = at;
      for (int k = 0; k < Shape::per_word; ++k, column += column_bytes)
        if (k < columns) write_word<Shape>(plan, access, column, words[k], items);
      at += static_cast<Address>(warps * Shape::per_word) * column_bytes;
    }
  }
}

}  // namespace multibuffer::cuda
