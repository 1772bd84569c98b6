#include "host/cpu/convert_items.hpp"

#include "host/backend/convert_number.hpp"
#include "host/bytes/number_vectors.hpp"
#include "host/bytes/simd.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace multibuffer {
namespace {

/// Items between two steps: at most twice as many, of 8 bytes each, lie in the first cache.
constexpr std::int64_t block_items = 512;

template <class T>
constexpr int size_of = static_cast<int>(sizeof(T));

/// make(number) for each of many, one after the other.
template <class From, class To, class Make>
void make_each(std::byte* __restrict to, const std::byte* __restrict from, std::int64_t count,
               const Make& make) {
  for (std::int64_t i = 0; i < count; ++i) {
    From number;
    std::memcpy(&number, from + i * size_of<From>, sizeof number);
    const To made = make(number);
    std::memcpy(to + i * size_of<To>, &made, sizeof made);
  }
}

template <class From, class To, bool saturate>
struct Convert {
  static void run(std::byte* to, const std::byte* from, std::int64_t count) {
    make_each<From, To>(to, from, count, [](const From& number) -> To {
      // Processors that the host backend runs on leave of a NaN what `converted` asks for.
      if constexpr (std::is_same_v<From, double> && std::is_same_v<To, float>)
        return static_cast<float>(number);
      else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, double>)
        return static_cast<double>(number);
      else
        return converted<To, saturate>(widened(number));
    });
  }
};

template <class Bits>
struct Reverse {
  static void run(std::byte* to, const std::byte* from, std::int64_t count) {
    make_each<Bits, Bits>(to, from, count, [](const Bits& bits) { return reversed_bytes(bits); });
  }
};

/// Widens floats of 8 bits. Their encoding is an argument, so that one loop does for all of them.
/// It is copied: what is written might be a part of it, for all that a compiler knows.
struct WidenFloat8 {
  static void run(std::byte* to, const std::byte* from, std::int64_t count,
                  const Float8Encoding& encoding) {
    make_each<Float8, float>(
        to, from, count, [encoding](const Float8& number) { return widened(number, encoding); });
  }
};
struct NarrowToFloat8 {
  static void run(std::byte* to, const std::byte* from, std::int64_t count,
                  const Float8Encoding& encoding) {
    make_each<float, Float8>(to, from, count,
                             [encoding](float number) { return to_float8(number, encoding); });
  }
};

/// To floats that are rounded on without a second error.
template <class From>
struct RoundToOdd {
  static void run(std::byte* to, const std::byte* from, std::int64_t count) {
    make_each<From, float>(to, from, count, [](const From& number) { return to_odd(number); });
  }
};
/// Makes floats of integers that round to halves as the integers themselves would.
template <class From>
struct RoundToShort {
  static void run(std::byte* to, const std::byte* from, std::int64_t count) {
    make_each<From, float>(to, from, count,
                           [](const From& number) { return to_short_float(number); });
  }
};

/// A real, and an imaginary part of 0.
template <class Part>
struct MakeComplex {
  struct Complex {
    Part real, imaginary;
  };
  static void run(std::byte* to, const std::byte* from, std::int64_t count) {
    make_each<Part, Complex>(to, from, count, [](const Part& real) {
      return Complex{real, Part{0}};
    });
  }
};

/// Numbers that the loop of a scaling converts by itself: in fewer instructions than it takes to
/// store and load what another loop has made of them (see `add_number`).
template <class T>
constexpr bool is_scaled_at_once = std::is_same_v<T, Bool> || std::is_same_v<T, float> ||
                                   std::is_same_v<T, std::int32_t> ||
                                   (Integer<T> && sizeof(T) <= 2);

template <class From>
float float_of(From number) {
  if constexpr (std::is_same_v<From, float>)
    return number;
  else
    return static_cast<float>(std::int32_t{widened(number)});
}

/// `multiply_add` is fma, by an instruction or without.
template <class From, class MultiplyAdd>
void scale_alike(std::byte* to, const std::byte* from, std::int64_t count, float factor, float term,
                 const MultiplyAdd& multiply_add) {
  make_each<From, float>(to, from, count, [factor, term, multiply_add](const From& number) {
    return with_one_nan(multiply_add(float_of(number), factor, term));
  });
}
template <class From, class MultiplyAdd>
void scale_each(std::byte* __restrict to, const std::byte* __restrict from, std::int64_t count,
                const float* __restrict factors, const float* __restrict terms,
                const MultiplyAdd& multiply_add) {
  for (std::int64_t i = 0; i < count; ++i) {
    From number;
    std::memcpy(&number, from + i * size_of<From>, sizeof number);
    const float made = with_one_nan(multiply_add(float_of(number), factors[i], terms[i]));
    std::memcpy(to + i * size_of<float>, &made, sizeof made);
  }
}

constexpr auto by_instruction = [](float a, float b, float c) { return __builtin_fmaf(a, b, c); };
constexpr auto without_instruction = [](float a, float b, float c) { return fused(a, b, c); };

template <class From>
struct Scale {
  static void alike(std::byte* to, const std::byte* from, std::int64_t count, float factor,
                    float term) {
    scale_alike<From>(to, from, count, factor, term, without_instruction);
  }
  static void each(std::byte* to, const std::byte* from, std::int64_t count, const float* factors,
                   const float* terms) {
    scale_each<From>(to, from, count, factors, terms, without_instruction);
  }
  MULTIBUFFER_FUSED static void alike_fused(std::byte* to, const std::byte* from,
                                            std::int64_t count, float factor, float term) {
    scale_alike<From>(to, from, count, factor, term, by_instruction);
  }
  MULTIBUFFER_FUSED static void each_fused(std::byte* to, const std::byte* from, std::int64_t count,
                                           const float* factors, const float* terms) {
    scale_each<From>(to, from, count, factors, terms, by_instruction);
  }
};

/// Never inlined: what vectors leave over need not be in each of their loops.
template <class Work>
[[gnu::noinline]] void run_plain(std::byte* to, const std::byte* from, std::int64_t count) {
  Work::run(to, from, count);
}
template <class Work>
MULTIBUFFER_ARITHMETIC void run_wide(std::byte* to, const std::byte* from, std::int64_t count) {
  Work::run(to, from, count);
}
template <class Work>
MULTIBUFFER_ARITHMETIC void run_float8_wide(std::byte* to, const std::byte* from,
                                            std::int64_t count, const Float8Encoding& encoding) {
  Work::run(to, from, count, encoding);
}
template <class Work>
auto float8_loop_for() {
  return has_wide_arithmetic() ? &run_float8_wide<Work> : &Work::run;
}
template <class Work>
auto loop_for() {
  return has_wide_arithmetic() ? &run_wide<Work> : &run_plain<Work>;
}

/// Reals whose numbers are converted one by one: faster than by what a compiler makes of it.
template <class From, class To>
constexpr bool is_truncated_each = Real<From> && (std::is_same_v<To, std::int64_t> ||
                                                  std::is_same_v<To, std::uint64_t> ||
                                                  (std::is_same_v<From, double> &&
                                                   std::is_same_v<To, std::uint32_t>));

template <class From, class To, bool saturate>
constexpr bool has_vectors = [] {
  constexpr bool is_narrow = Integer<To> && sizeof(To) <= 2;
  if (std::is_same_v<From, Half>) return std::is_same_v<To, float>;
  if (std::is_same_v<From, float> && std::is_same_v<To, Half>) return true;
  if (std::is_same_v<From, std::int32_t>) return saturate && is_narrow;
  return Real<From> &&
         (is_narrow || std::is_same_v<To, std::int32_t> || is_truncated_each<From, To>);
}();

template <class Numbers, class From, class To, bool saturate>
void convert_vectors(std::byte* to, const std::byte* from, std::int64_t count) {
  std::int64_t done = 0;
  for (; done + Numbers::count <= count; done += Numbers::count) {
    std::byte* const made = to + done * size_of<To>;
    const std::byte* const read = from + done * size_of<From>;
    if constexpr (std::is_same_v<From, Half>)
      Numbers::widen_halves(made, read);
    else if constexpr (std::is_same_v<To, Half>)
      Numbers::narrow_to_halves(made, read);
    else if constexpr (is_truncated_each<From, To>)
      truncate_each<To, From>(made, read, Numbers::count);
    else
      Numbers::template to_integers<To, From>(made, read);
  }
  run_plain<Convert<From, To, saturate>>(to + done * size_of<To>, from + done * size_of<From>,
                                         count - done);
}
template <class From, class To, bool saturate>
MULTIBUFFER_WIDE void convert_sixteens(std::byte* to, const std::byte* from, std::int64_t count) {
  convert_vectors<SixteenNumbers, From, To, saturate>(to, from, count);
}
template <class From, class To, bool saturate>
MULTIBUFFER_HALVES void convert_eights(std::byte* to, const std::byte* from, std::int64_t count) {
  convert_vectors<EightNumbers, From, To, saturate>(to, from, count);
}

template <class From, class To, bool saturate>
auto loop_for_numbers() {
  if constexpr (has_vectors<From, To, saturate>) {
    if (has_wide_vectors()) return &convert_sixteens<From, To, saturate>;
    if (has_halves()) return &convert_eights<From, To, saturate>;
  }
  return loop_for<Convert<From, To, saturate>>();
}

/// One loop does for all integers of the same sizes where their signs make no difference: what
/// remains of one modulo a power of 2 does not depend on its sign, nor does that of as many bytes.
template <class From, class To, bool saturate>
auto loop_for_integers() {
  using Bits = std::make_unsigned_t<To>;
  using Own = std::numeric_limits<From>;
  if constexpr (saturate && !(std::in_range<To>(Own::min()) && std::in_range<To>(Own::max())))
    return loop_for_numbers<From, To, true>();
  else if constexpr (sizeof(From) < sizeof(To))
    return loop_for<Convert<From, Bits, false>>();
  else if constexpr (sizeof(From) == 8)
    // Compilers pack these by moving items between the halves of a vector of 32 bytes, which takes
    // twice as long.
    return &run_plain<Convert<std::uint64_t, Bits, false>>;
  else
    return loop_for<Convert<std::make_unsigned_t<From>, Bits, false>>();
}

template <class T>
constexpr bool is_narrow_float =
    std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> || std::is_same_v<T, Float8>;

/// visit(T{}) with the type that numbers are converted from: narrow floats are floats by then, and
/// booleans 0 or 1.
template <class Visit>
void visit_widened(ScalarType scalar, const Visit& visit) {
  visit_number(scalar, [&](auto number) {
    if constexpr (is_narrow_float<decltype(number)>)
      visit(float{});
    else if constexpr (std::is_same_v<decltype(number), Bool>)
      visit(std::uint8_t{});
    else
      visit(number);
  });
}

/// Returns the loop that makes floats of numbers such that they round to `To`, a narrow float, as
/// the numbers themselves would.
template <class From, class To>
auto loop_before_rounding() {
  if constexpr (Integer<From> && sizeof(From) <= 2)
    return loop_for<Convert<From, float, false>>();
  else if constexpr (Integer<From> && std::is_same_v<To, Half>)
    return loop_for<RoundToShort<From>>();
  else
    return loop_for<RoundToOdd<From>>();
}

}  // namespace

ConvertItems::ConvertItems(const Conversion& conversion, const PlanScaling* scaling)
    : scaling_(conversion.scaled ? scaling : nullptr),
      from_bytes_(bytes_of(conversion.from)),
      to_bytes_(bytes_of(conversion.to)) {
  add_reversal(reversed_before(conversion));
  if (is_moved(conversion)) return;
  if (conversion.scaled)
    add_scaling(conversion);
  else
    add_number(conversion);
  add_reversal(reversed_after(conversion));
  if (conversion.to == ScalarType::complex64) add(loop_for<MakeComplex<std::uint32_t>>());
  if (conversion.to == ScalarType::complex128) add(loop_for<MakeComplex<std::uint64_t>>());
}

void ConvertItems::add(Float8Loop loop, ScalarType scalar) {
  steps_[step_count_++] = {nullptr, loop, row_of(scalar).float8};
}

void ConvertItems::add_reversal(int bytes) {
  switch (bytes) {
    case 2:
      return add(loop_for<Reverse<std::uint16_t>>());
    case 4:
      return add(loop_for<Reverse<std::uint32_t>>());
    case 8:
      return add(loop_for<Reverse<std::uint64_t>>());
    default:
      return;  // nothing, or one byte, which has no order
  }
}

void ConvertItems::add_number(const Conversion& conversion) {
  visit_number(conversion.from, [&](auto from) {
    using From = decltype(from);
    if constexpr (std::is_same_v<From, Float8>)
      add(float8_loop_for<WidenFloat8>(), conversion.from);
    else if constexpr (is_narrow_float<From>)
      add(loop_for_numbers<From, float, false>());
    else if constexpr (std::is_same_v<From, Bool>)
      add(loop_for<Convert<Bool, std::uint8_t, false>>());
  });
  visit_widened(conversion.from, [&](auto from) {
    visit_number(conversion.to,
                 [&](auto to) { add_widened<decltype(from), decltype(to)>(conversion); });
  });
}

template <class From, class To>
void ConvertItems::add_widened(const Conversion& conversion) {
  if constexpr (std::is_same_v<From, To>) {
    return;
  } else if constexpr (is_narrow_float<To>) {
    if constexpr (!std::is_same_v<From, float>) add(loop_before_rounding<From, To>());
    if constexpr (std::is_same_v<To, Float8>)
      add(float8_loop_for<NarrowToFloat8>(), conversion.to);
    else
      add(loop_for_numbers<float, To, false>());
  } else if constexpr (Integer<From> && Integer<To>) {
    add(conversion.saturate ? loop_for_integers<From, To, true>()
                            : loop_for_integers<From, To, false>());
  } else if constexpr (Integer<From> && std::is_same_v<To, Bool>) {
    add(loop_for<Convert<std::make_unsigned_t<From>, Bool, false>>());
  } else {
    add(loop_for_numbers<From, To, false>());
  }
}

template <class From>
void ConvertItems::add_scaling_from() {
  scale_alike_ = has_fused() ? &Scale<From>::alike_fused : &Scale<From>::alike;
  scale_each_ = has_fused() ? &Scale<From>::each_fused : &Scale<From>::each;
  scale_from_bytes_ = size_of<From>;
  steps_[step_count_++] = {};
}

void ConvertItems::add_scaling(const Conversion& conversion) {
  visit_number(conversion.from, [&](auto from) {
    using From = decltype(from);
    if constexpr (is_scaled_at_once<From>) {
      add_scaling_from<From>();
    } else {
      add_number(conversion);
      add_scaling_from<float>();
    }
  });
}

void ConvertItems::scale(std::byte* to, const std::byte* from, std::int64_t count,
                         const ScalingPlaces& places) const {
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t at = places.before + done;
    const std::int64_t group = places.group > 0 ? at / places.group : 0;
    const std::int64_t within = places.group > 0 ? at % places.group : at;
    const std::int64_t items =
        places.group > 0 ? std::min(count - done, places.group - within) : count - done;
    const std::int64_t period = scaling_->period;
    const std::int64_t place = (places.first % period + group % period * places.group_step +
                                within % period * places.step) %
                               period;
    scale_group(to + done * to_bytes_, from + done * scale_from_bytes_, items, place, places.step);
    done += items;
  }
}

void ConvertItems::scale_group(std::byte* to, const std::byte* from, std::int64_t count,
                               std::int64_t place, std::int64_t step) const {
  if (step == 0)
    return scale_alike_(to, from, count, scaling_->factors[place], scaling_->terms[place]);
  if (step == 1)  // a block is no longer than the tables' spare places
    return scale_each_(to, from, count, scaling_->factors + place, scaling_->terms + place);
  for (std::int64_t i = 0; i < count; ++i) {
    scale_alike_(to + i * to_bytes_, from + i * scale_from_bytes_, 1, scaling_->factors[place],
                 scaling_->terms[place]);
    place = (place + step) % scaling_->period;
  }
}

void ConvertItems::operator()(std::byte* to, const std::byte* from, std::int64_t count,
                              const ScalingPlaces& places) const {
  static_assert(block_items <= scaling_spare);
  if (step_count_ == 1 && steps_[0].loop) return steps_[0].loop(to, from, count);
  alignas(cache_line_bytes) std::byte between[2][block_items * 8];
  for (std::int64_t begin = 0; begin < count; begin += block_items) {
    const std::int64_t items = std::min(block_items, count - begin);
    const std::byte* source = from + begin * from_bytes_;
    for (std::size_t i = 0; i < step_count_; ++i) {
      std::byte* made = i + 1 == step_count_ ? to + begin * to_bytes_ : between[i % 2];
      const Step& step = steps_[i];
      if (step.loop)
        step.loop(made, source, items);
      else if (step.float8_loop)
        step.float8_loop(made, source, items, step.encoding);
      else
        scale(made, source, items, places.from(begin));
      source = made;
    }
  }
}

}  // namespace multibuffer
