#include <multibuffer/array_view.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "tests/fuzz/targets.hpp"
#include "tests/testing/random_array.hpp"

#include <cstring>
#include <optional>
#include <variant>
#include <vector>

namespace multibuffer::fuzz {
namespace {

/// Any view operation, right or wrong, of an array of `ndim` axes.
ViewOperation any_operation(testing::Random& random, int ndim) {
  const auto axis = [&] {
    return random.chance(90) ? random.between(-ndim, std::max(0, ndim - 1))
                             : random.between(-70, 70);
  };
  const auto number = [&] {
    return random.chance(85) ? random.between(std::int64_t{-12}, std::int64_t{12})
                             : static_cast<std::int64_t>(random.next());
  };
  const auto bound = [&] {
    return random.chance(40) ? std::optional<std::int64_t>() : std::optional(number());
  };
  switch (random.between(0, 4)) {
    case 0:
      return SliceAxis{axis(), {bound(), bound(), number()}};
    case 1:
      return IndexAxis{axis(), number()};
    case 2: {
      Permute permute;
      for (int i = 0; i < ndim; ++i) permute.axes.push_back(i);
      random.shuffle(permute.axes);
      if (random.chance(20)) permute.axes.push_back(axis());
      if (random.chance(20) && ndim > 0) permute.axes[0] = axis();
      return permute;
    }
    case 3:
      return InsertAxis{axis()};
    default: {
      Reshape reshape;
      for (int axes = random.between(0, 4); axes > 0; --axes) reshape.shape.push_back(number());
      return reshape;
    }
  }
}

/// Where the only element of a view without axes lies.
const std::byte* follow(const ArrayView& element) {
  const auto origins = element.layout().origins();
  const std::byte* position = element.base() + origins[0];
  for (std::size_t level = 1; level < origins.size(); ++level) {
    const std::byte* pointer = nullptr;
    std::memcpy(&pointer, position, sizeof pointer);
    position = pointer + origins[level];
  }
  return position;
}

}  // namespace

void view_operations(Bytes bytes) {
  testing::Random random(bytes);
  const testing::RandomArray source(random);
  ArrayView view = ArrayView::from_export(source.source());
  std::vector<ViewOperation> operations;
  for (int count = random.between(0, 8); count > 0; --count) {
    const ViewOperation operation = any_operation(random, view.ndim());
    std::optional<Errc> refused;
    try {
      view = view.apply(operation);
      operations.push_back(operation);
    } catch (const Error& error) {
      refused = error.code();
    }
    if (!refused || std::holds_alternative<Reshape>(operation)) continue;
    // What the library refuses the reference must refuse as well.
    std::vector<ViewOperation> with = operations;
    with.push_back(operation);
    try {
      reference::addresses(source.source(), with);
      require(false, "only the reference does ", testing::describe(with), " of ",
              source.describe());
    } catch (const Error& error) {
      require(error.code() == *refused, "another error: ", error.what());
    }
  }
  const reference::Addresses expected = reference::addresses(source.source(), operations);
  require(view.shape() == expected.shape, "the shape is ", tuple_text(view.shape()), ", not ",
          tuple_text(expected.shape), " after ", testing::describe(operations));
  std::vector<std::int64_t> index(expected.shape.size(), 0);
  for (const std::byte* element : expected.elements) {
    ArrayView one = view;
    for (const std::int64_t i : index) one = one.index(0, i);
    // The description takes longer than all else.
    if (follow(one) != element)
      require(false, "an element lies elsewhere after ", testing::describe(operations), " of ",
              source.describe());
    for (std::size_t axis = index.size(); axis-- > 0;) {
      if (++index[axis] < expected.shape[axis]) break;
      index[axis] = 0;
    }
  }
}

}  // namespace multibuffer::fuzz
