#pragma once

#include "cuda/kernels/strided.hpp"

#include <memory>

namespace multibuffer::cuda {

/// How a row continues.
template <class Offset>
struct KernelPixels {
  CountOf<Offset> row_bytes = 0;
  int shape = 0;           ///< index into `pixel_shapes`
  bool backwards = false;  ///< each pixel lies below the one before it
  bool reversed = false;   ///< each byte of a pixel does
};

/// Picks words of the output from the words in memory that small pixels lie in. Rows are those of
/// `Strided`.
struct Pixels : Strided {
  static constexpr Family family = Family::pixels;
  static constexpr const char* name = "pixels";
  static constexpr const char* needs =
      "pixels of up to 4 bytes at a pitch of up to 8, and 2 words of 16 bytes or more of them";
  static constexpr bool by_item_size = false;
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 6 : 10; }

  static bool can_gather(const PlanFacts& facts) { return facts.pixels.shape >= 0; }
  static bool pays(const PlanFacts& facts) { return words_of(facts) >= least_words; }

  static Work work(const PlanFacts& facts, int vector_bytes) {
    Work work = Strided::work(facts, vector_bytes);
    // The bytes of a row of 2-byte items are counted in 32 bits, from where its first word begins.
    work.bytes_before = word_bytes;
    return work;
  }

  template <class Scalars>
  static void set_parameters(const PlanFacts& facts, int vector_bytes, const Work& /*work*/,
                             Scalars& scalars) {
    using Offset = typename Scalars::Offset;
    const PixelRows& pixels = facts.pixels;
    std::construct_at(
        &scalars.own.pixels,
        KernelPixels<Offset>{narrowed<CountOf<Offset>>(facts.strided.items * vector_bytes),
                             pixels.shape, pixels.backwards, pixels.reversed});
  }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);
};

}  // namespace multibuffer::cuda
