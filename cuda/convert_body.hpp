#pragma once

#include "cuda/find_rows.hpp"
#include "cuda/words_body.hpp"
#include "host/convert_number.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// The body of the family that converts numbers on their way. What kinds of numbers they are is in
/// the plan, and every thread branches alike: one kernel for all pairs of kinds, since memory is
/// what it waits for.
namespace multibuffer::cuda {

/// How many numbers are converted together, however many a vector has.
inline constexpr int quad = 4;
using QuadBits = std::uint64_t[quad];

/// `bits` as an unsigned integer of the size of a number.
constexpr std::uint64_t number_bits(Bool value) { return value.bits; }
constexpr std::uint64_t number_bits(Half value) { return value.bits; }
constexpr std::uint64_t number_bits(BFloat16 value) { return value.bits; }
constexpr std::uint64_t number_bits(float value) { return std::bit_cast<std::uint32_t>(value); }
constexpr std::uint64_t number_bits(double value) { return std::bit_cast<std::uint64_t>(value); }
template <Integer T>
constexpr std::uint64_t number_bits(T value) {
  return static_cast<std::make_unsigned_t<T>>(value);
}

constexpr void reverse_quad(int bytes, QuadBits& bits) {
  if (bytes == 2)
    for (int i = 0; i < quad; ++i) bits[i] = reversed_bytes(static_cast<std::uint16_t>(bits[i]));
  else if (bytes == 4)
    for (int i = 0; i < quad; ++i) bits[i] = reversed_bytes(static_cast<std::uint32_t>(bits[i]));
  else if (bytes == 8)
    for (int i = 0; i < quad; ++i) bits[i] = reversed_bytes(bits[i]);
}

template <class To, class From>
constexpr void convert_to(const From (&values)[quad], bool saturate, QuadBits& bits) {
  if constexpr (Integer<From> && Integer<To>) {
    if (!saturate) {
      for (int i = 0; i < quad; ++i) bits[i] = number_bits(converted<To, false>(values[i]));
      return;
    }
  }
  for (int i = 0; i < quad; ++i) bits[i] = number_bits(converted<To, true>(values[i]));
}

template <class From>
constexpr void convert_from(const From (&values)[quad], const Conversion& numbers, QuadBits& bits) {
  switch (numbers.to) {
    case Number::boolean:
      return convert_to<Bool>(values, false, bits);
    case Number::int8:
      return convert_to<std::int8_t>(values, numbers.saturate, bits);
    case Number::int16:
      return convert_to<std::int16_t>(values, numbers.saturate, bits);
    case Number::int32:
      return convert_to<std::int32_t>(values, numbers.saturate, bits);
    case Number::int64:
      return convert_to<std::int64_t>(values, numbers.saturate, bits);
    case Number::uint8:
      return convert_to<std::uint8_t>(values, numbers.saturate, bits);
    case Number::uint16:
      return convert_to<std::uint16_t>(values, numbers.saturate, bits);
    case Number::uint32:
      return convert_to<std::uint32_t>(values, numbers.saturate, bits);
    case Number::uint64:
      return convert_to<std::uint64_t>(values, numbers.saturate, bits);
    case Number::float16:
      return convert_to<Half>(values, false, bits);
    case Number::bfloat16:
      return convert_to<BFloat16>(values, false, bits);
    case Number::float32:
    case Number::complex64:
      return convert_to<float>(values, false, bits);
    case Number::float64:
    case Number::complex128:
      return convert_to<double>(values, false, bits);
  }
}

/// Four numbers, by way of float, double or 64-bit integers, whichever holds all of their kind.
constexpr void convert_quad(const Conversion& numbers, QuadBits& bits) {
  switch (numbers.from) {
    case Number::float16:
    case Number::bfloat16:
    case Number::float32: {
      float values[quad] = {};
      if (numbers.from == Number::float32)
        for (int i = 0; i < quad; ++i)
          values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bits[i]));
      else if (numbers.from == Number::float16)
        for (int i = 0; i < quad; ++i)
          values[i] = widened(Half{static_cast<std::uint16_t>(bits[i])});
      else
        for (int i = 0; i < quad; ++i)
          values[i] = widened(BFloat16{static_cast<std::uint16_t>(bits[i])});
      return convert_from(values, numbers, bits);
    }
    case Number::float64: {
      double values[quad] = {};
      for (int i = 0; i < quad; ++i) values[i] = std::bit_cast<double>(bits[i]);
      return convert_from(values, numbers, bits);
    }
    case Number::uint64: {
      std::uint64_t values[quad] = {};
      for (int i = 0; i < quad; ++i) values[i] = bits[i];
      return convert_from(values, numbers, bits);
    }
    default: {
      const bool is_signed = numbers.from == Number::int8 || numbers.from == Number::int16 ||
                             numbers.from == Number::int32 || numbers.from == Number::int64;
      const int unused = is_signed ? 64 - 8 * bytes_of(numbers.from) : 0;
      const bool is_bool = numbers.from == Number::boolean;
      std::int64_t values[quad] = {};
      for (int i = 0; i < quad; ++i) {
        const std::uint64_t integer = is_bool && bits[i] != 0 ? 1 : bits[i];
        values[i] = static_cast<std::int64_t>(integer << unused) >> unused;
      }
      return convert_from(values, numbers, bits);
    }
  }
}

/// The first four numbers of a vector, of which those that are not there have no meaning.
constexpr void take_quad(int bytes, const Bytes16& vector, QuadBits& bits) {
  if (bytes == 1) {
    for (int i = 0; i < quad; ++i) bits[i] = (vector.low >> (8 * i)) & 0xff;
  } else if (bytes == 2) {
    for (int i = 0; i < quad; ++i) bits[i] = (vector.low >> (16 * i)) & 0xffff;
  } else if (bytes == 4) {
    for (int i = 0; i < quad; ++i)
      bits[i] = ((i < 2 ? vector.low : vector.high) >> (32 * (i % 2))) & 0xffffffff;
  } else {
    for (int i = 0; i < quad; ++i) bits[i] = i == 0 ? vector.low : i == 1 ? vector.high : 0;
  }
}

constexpr Bytes16 put_quad(int bytes, const QuadBits& bits) {
  Bytes16 vector;
  if (bytes == 1) {
    for (int i = 0; i < quad; ++i) vector.low |= bits[i] << (8 * i);
  } else if (bytes == 2) {
    for (int i = 0; i < quad; ++i) vector.low |= bits[i] << (16 * i);
  } else if (bytes == 4) {
    vector = {bits[0] | (bits[1] << 32), bits[2] | (bits[3] << 32)};
  } else if (bytes == 8) {
    vector = {bits[0], bits[1]};
  } else {
    vector = {bits[0], 0};
  }
  return vector;
}

/// A vector without its first four numbers, where it has more: those are of 1 or 2 bytes.
constexpr Bytes16 without_quad(int bytes, const Bytes16& vector) {
  if (bytes == 1) return {(vector.low >> 32) | (vector.high << 32), vector.high >> 32};
  return {vector.high, 0};
}
constexpr Bytes16 joined_quad(int bytes, const Bytes16& vector, int at, const Bytes16& four) {
  if (at == 0) return four;
  if (bytes != 1) return {vector.low, four.low};
  const std::uint64_t placed = four.low << (at % 8 * 8);
  return at < 8 ? Bytes16{vector.low | placed, vector.high}
                : Bytes16{vector.low, vector.high | placed};
}

/// Converts a batch of vectors, each in its place. Four numbers at a time: of one vector or, where
/// vectors are one number each, of all. The loop is one that compilers leave alone, as they do not
/// know how often it runs; so vectors take turns in the first place of the batch.
constexpr void convert_batch(const KernelConversion& c, Bytes16 (&vectors)[batch]) {
  static_assert(batch <= quad);
  const int from_bytes = bytes_of(c.numbers.from);
  const int to_bytes = bytes_of(c.numbers.to);
  const int order_bytes = c.to_part_bytes;
  Bytes16 made;
  int done = 0;
  for (int turn = 0; turn < c.turns; ++turn) {
    QuadBits bits = {};
    if (c.count == 1)
      for (int b = 0; b < batch; ++b) bits[b] = vectors[b].low;
    else
      take_quad(from_bytes, vectors[0], bits);

    if (c.numbers.from_foreign) reverse_quad(from_bytes, bits);
    if (c.numbers.from != c.numbers.to) convert_quad(c.numbers, bits);
    if (c.numbers.to_foreign) reverse_quad(order_bytes, bits);

    if (c.count == 1) {
      for (int b = 0; b < batch; ++b) vectors[b] = {bits[b], 0};
      continue;
    }
    made = joined_quad(to_bytes, made, done * to_bytes, put_quad(to_bytes, bits));
    done += quad;
    vectors[0] = without_quad(from_bytes, vectors[0]);
    if (done < c.count) continue;
    for (int b = 0; b + 1 < batch; ++b) vectors[b] = vectors[b + 1];
    vectors[batch - 1] = made;
    done = 0;
  }
}

/// Loads a batch of vectors of `Vector`.
template <class Vector, class Access>
constexpr void load_vectors(Access& access, const Address (&at)[batch], const bool (&wanted)[batch],
                            Bytes16 (&vectors)[batch]) {
  for (int b = 0; b < batch; ++b) {
    if (!wanted[b]) continue;
    if constexpr (sizeof(Vector) == sizeof(Bytes16))
      vectors[b] = access.template load<Vector>(at[b]);
    else
      vectors[b].low = access.template load<Vector>(at[b]);
  }
}

template <class Access>
constexpr void load_sources(const KernelConversion& c, Access& access, const Address (&at)[batch],
                            const bool (&wanted)[batch], Bytes16 (&vectors)[batch]) {
  if (!c.aligned_source) {
    Around around[batch] = {};
    for (int b = 0; b < batch; ++b)
      if (wanted[b]) around[b] = load_around(access, at[b], 0, c.from_bytes);
    for (int b = 0; b < batch; ++b) vectors[b] = word_at(around[b], at[b]);
    // Of the bytes around a number that stands alone, nothing is to be left.
    if (c.count == 1 && c.from_bytes < 8)
      for (int b = 0; b < batch; ++b)
        vectors[b].low &= (std::uint64_t{1} << (8 * c.from_bytes)) - 1;
    return;
  }
  switch (c.from_bytes) {
    case 16:
      return load_vectors<Bytes16>(access, at, wanted, vectors);
    case 8:
      return load_vectors<std::uint64_t>(access, at, wanted, vectors);
    case 4:
      return load_vectors<std::uint32_t>(access, at, wanted, vectors);
    case 2:
      return load_vectors<std::uint16_t>(access, at, wanted, vectors);
    default:
      return load_vectors<std::uint8_t>(access, at, wanted, vectors);
  }
}

template <class Vector, class Access>
constexpr void store_vectors(Access& access, const Address (&at)[batch],
                             const bool (&wanted)[batch], const Bytes16 (&vectors)[batch]) {
  for (int b = 0; b < batch; ++b) {
    if (!wanted[b]) continue;
    if constexpr (sizeof(Vector) == sizeof(Bytes16))
      access.store(at[b], vectors[b]);
    else
      access.store(at[b], static_cast<Vector>(vectors[b].low));
  }
}

template <class Access>
constexpr void store_results(const KernelConversion& c, Access& access, const Address (&at)[batch],
                             const bool (&wanted)[batch], const Bytes16 (&vectors)[batch]) {
  if (!c.aligned_output) {
    for_batch([&](int b) {
      Bytes16 rest = vectors[b];
      Address byte = at[b];
      for (int i = 0; wanted[b] && i < c.to_bytes; ++i)
        store_next<std::uint8_t>(access, byte, rest);
    });
    return;
  }
  switch (c.to_bytes) {
    case 16:
      return store_vectors<Bytes16>(access, at, wanted, vectors);
    case 8:
      return store_vectors<std::uint64_t>(access, at, wanted, vectors);
    case 4:
      return store_vectors<std::uint32_t>(access, at, wanted, vectors);
    case 2:
      return store_vectors<std::uint16_t>(access, at, wanted, vectors);
    default:
      return store_vectors<std::uint8_t>(access, at, wanted, vectors);
  }
}

/// Family `convert`: as `rows` where the lanes of a warp share a piece of a row, and as `elements`
/// where each thread finds its own vectors, which are then pieces of their own.
template <int Levels, class Plan, class Access>
constexpr void gather_converted(const Plan& plan, Access& access, const Place& place) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  const KernelConversion& c = plan.conversion;
  const Count lanes = Count{1} << c.lane_bits;
  const Count group = place.thread >> c.lane_bits;
  const Count groups = place.threads >> c.lane_bits;
  const Count turn_items = groups * batch;
  for (Count first = place.block * turn_items; first < plan.items;
       first += place.blocks * turn_items) {
    Count row[batch];
    Count begin[batch];
    bool valid[batch];
    for (int b = 0; b < batch; ++b) {
      Count item = first + static_cast<Count>(b) * groups + group;
      valid[b] = item < plan.items;
      item = valid[b] ? item : 0;
      row[b] = plan.pieces.per_row.divide(item);
      begin[b] = (item - row[b] * plan.pieces.per_row.divisor) * plan.pieces.vectors;
    }
    const Rows<Offset> rows = find_rows<Levels>(plan, access, row, valid);
    for (Count step = place.thread & (lanes - 1); step < plan.pieces.vectors; step += lanes) {
      Address source[batch];
      Address out[batch];
      bool wanted[batch];
      for (int b = 0; b < batch; ++b) {
        const Count vector = begin[b] + step;
        wanted[b] = valid[b] && vector < plan.pieces.row_vectors;
        source[b] = rows.source[b] + Address{vector} * static_cast<Address>(c.from_bytes);
        out[b] = output_at(plan, rows.out[b]) + Address{vector} * static_cast<Address>(c.to_bytes);
      }
      Bytes16 vectors[batch] = {};
      load_sources(c, access, source, wanted, vectors);
      convert_batch(c, vectors);
      store_results(c, access, out, wanted, vectors);
    }
  }
}

}  // namespace multibuffer::cuda
