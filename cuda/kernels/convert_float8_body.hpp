#pragma once

#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/convert_float8.hpp"

namespace multibuffer::cuda {

template <int /*Bytes*/, int Levels, class Plan, class Access>
[[gnu::always_inline]] constexpr void ConvertFloat8::gather(const Plan& plan, Access& access,
                                                            const Place& place) {
  gather_converted<Levels, true>(plan, access, place);
}

}  // namespace multibuffer::cuda
