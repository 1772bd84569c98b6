#pragma once

#include <multibuffer/gather.hpp>

namespace multibuffer::testing {

/// A selection and its options in one object, for tests that vary both. It stands for either
/// argument of a gather: `gather(array, request, request)`.
struct Request : Selection, GatherOptions {};

}  // namespace multibuffer::testing
