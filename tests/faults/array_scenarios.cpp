#include "tests/faults/array_scenarios.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace multibuffer::testing {

NumberRows::NumberRows(std::int32_t count, std::int32_t length) {
  for (std::int32_t row = 0; row < count; ++row) {
    Numbers& numbers = rows.emplace_back();
    for (std::int32_t i = 0; i < length; ++i) numbers.push_back(1000 * row + i);
  }
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) pointers.push_back(row->data());
  pointers.push_back(rows.back().data());
}

ArrayView NumberRows::view() const { return ArrayView::from_rows(pointers, length()); }

Numbers NumberRows::numbers() const {
  Numbers all;
  for (const std::int32_t* row : pointers) all.insert(all.end(), row, row + length());
  return all;
}

namespace {

constexpr std::int32_t row_count = 12, row_length = 40;
constexpr std::int64_t pointer_count = row_count + 1;

/// What most jobs begin with.
struct Uploaded {
  NumberRows source{row_count, row_length};
  Numbers numbers = source.numbers();
  DeviceArray array;

  explicit Uploaded(const std::string& device)
      : array(upload(source.view(), Device::open(device))) {}
  std::int32_t at(std::int64_t row, std::int64_t i) const {
    return numbers[static_cast<std::size_t>(row * row_length + i)];
  }
};

using Steps = std::function<Bytes(const Uploaded&)>;

/// A job on an array that has been uploaded before.
Scenario on_array(std::string name, const std::string& device, Steps run,
                  std::function<Bytes(const Uploaded&)> expected) {
  return {std::move(name),
          [=] {
            const auto there = std::make_shared<Uploaded>(device);
            return Job{[=] { return run(*there); }, expected(*there)};
          },
          60};
}

DeviceBuffer on_device(const std::vector<std::int64_t>& values, const Device& device) {
  const std::int64_t shape[] = {std::ssize(values)};
  return DeviceBuffer::from_host(device, values.data(), shape, native_format<std::int64_t>());
}

const std::vector<std::int64_t> some_rows{5, 0, 12, 5, 3};

Bytes taken(const Uploaded& there) {
  Numbers numbers;
  for (const std::int64_t row : some_rows)
    for (std::int64_t i = 0; i < row_length; ++i) numbers.push_back(there.at(row, i));
  return bytes_of_values(numbers);
}

Selection rows_selected(Indices indices) {
  Selection selection;
  selection.groups.push_back({{0}, {std::move(indices)}, {}});
  return selection;
}

/// What a consumer does, who still has the tensor if it is not taken.
DeviceBuffer taken_over(dlpack::ManagedTensorVersioned* tensor) {
  try {
    return dlpack::take(tensor);
  } catch (...) {
    tensor->deleter(tensor);
    throw;
  }
}

Bytes all_of(const Uploaded& there) { return bytes_of_values(there.numbers); }

/// A call that must be refused: gives its message.
template <class Call>
Bytes refusal(Errc code, const Call& call) {
  try {
    call();
  } catch (const Failure& error) {
    if (error.code() != code) throw;
    const std::string what = error.what();
    const auto bytes = std::as_bytes(std::span(what));
    return {bytes.begin(), bytes.end()};
  }
  throw std::runtime_error("it was not refused");
}

void add_uploads(std::vector<Scenario>& all, const std::string& device) {
  const auto add = [&](std::string name, UploadOptions options) {
    all.push_back(
        {std::move(name),
         [=] {
           const auto source = std::make_shared<NumberRows>(row_count, row_length);
           return Job{
               [=] {
                 return copy(upload(source->view(), Device::open(device), options)).to_host();
               },
               bytes_of_values(source->numbers())};
         },
         60});
  };
  add("upload", {});
  add("upload_checked", {.checked = true});
  add("upload_keeping_sources", {.keep_sources = true});
  all.push_back({"upload_large_rows",
                 [=] {
                   const auto source = std::make_shared<NumberRows>(3, 180'000);
                   return Job{
                       [=] { return copy(upload(source->view(), Device::open(device))).to_host(); },
                       bytes_of_values(source->numbers())};
                 },
                 12});
  all.push_back({"two_levels",
                 [=] {
                   struct Tables {
                     NumberRows rows{row_count, row_length};
                     std::array<const std::int32_t* const*, 3> tables{
                         rows.pointers.data() + 4, rows.pointers.data(), rows.pointers.data() + 4};
                   };
                   const auto source = std::make_shared<Tables>();
                   Numbers expected;
                   for (const auto* table : source->tables)
                     for (int i = 0; i < 4; ++i)
                       expected.insert(expected.end(), table[i], table[i] + row_length);
                   return Job{[=] {
                                const auto view = ArrayView::from_pointers(source->tables.data(), 3,
                                                                           4, row_length);
                                return copy(upload(view, Device::open(device))).to_host();
                              },
                              bytes_of_values(expected)};
                 },
                 60});
  all.push_back(
      {"five_levels",
       [=] {
         struct Tables {
           NumberRows rows{row_count, row_length};
           const std::int32_t* const* a[2] = {rows.pointers.data() + 5, rows.pointers.data() + 1};
           const std::int32_t* const* const* b[3] = {a, a, a};
           const std::int32_t* const* const* const* c[2] = {b, b + 1};
           const std::int32_t* const* const* const* const* d[2] = {c, c};
         };
         const auto source = std::make_shared<Tables>();
         Numbers expected;
         for (int i = 0; i < 2 * 2 * 2 * 2; ++i) {
           const auto* rows = source->a[i % 2];
           for (int row = 0; row < 5; ++row)
             for (std::int32_t k = row_length; k-- > 0;) expected.push_back(rows[row][k]);
         }
         return Job{
             [=] {
               const auto view = ArrayView::from_pointers(
                   static_cast<const std::int32_t* const* const* const* const* const*>(source->d),
                   2, 2, 2, 2, 5, row_length);
               return copy(upload(view, Device::open(device)).reverse(5)).to_host();
             },
             bytes_of_values(expected)};
       },
       60});
  all.push_back({"update",
                 [=] {
                   struct Both {
                     NumberRows first{row_count, row_length}, second{row_count, row_length};
                     std::optional<DeviceArray> array;
                   };
                   const auto both = std::make_shared<Both>();
                   for (Numbers& row : both->second.rows)
                     for (std::int32_t& number : row) number = -number;
                   both->array = upload(both->first.view(), Device::open(device));
                   return Job{[=] {
                                update(*both->array, both->first.view());
                                Bytes bytes = copy(*both->array).to_host();
                                update(*both->array, both->second.view());
                                const Bytes others = copy(*both->array).to_host();
                                bytes.insert(bytes.end(), others.begin(), others.end());
                                return bytes;
                              },
                              [&] {
                                Bytes bytes = bytes_of_values(both->first.numbers());
                                const Bytes others = bytes_of_values(both->second.numbers());
                                bytes.insert(bytes.end(), others.begin(), others.end());
                                return bytes;
                              }()};
                 },
                 60});
  all.push_back({"update_pointers",
                 [=] {
                   const auto source = std::make_shared<NumberRows>(row_count, row_length);
                   const auto array = std::make_shared<DeviceArray>(
                       upload(source->view(), Device::open(device), {.keep_sources = true}));
                   const auto more = std::make_shared<NumberRows>(3, row_length);
                   const auto pointers = std::make_shared<std::vector<const std::int32_t*>>(
                       std::vector{source->pointers[3], more->pointers[0], source->pointers[1]});
                   Numbers expected;
                   for (const std::int32_t* row : *pointers)
                     expected.insert(expected.end(), row, row + row_length);
                   return Job{[=, keep = more] {
                                return copy(update_pointers(*array, ArrayView::from_rows(
                                                                        *pointers, row_length)))
                                    .to_host();
                              },
                              bytes_of_values(expected)};
                 },
                 60});
}

void add_gathers(std::vector<Scenario>& all, const std::string& device) {
  const auto add = [&](std::string name, Steps run,
                       std::function<Bytes(const Uploaded&)> expected) {
    all.push_back(on_array(std::move(name), device, std::move(run), std::move(expected)));
  };
  add(
      "slices",
      [](const Uploaded& there) {
        return copy(there.array.slice(1, {{}, {}, 3}).reverse(0)).to_host();
      },
      [](const Uploaded& there) {
        Numbers numbers;
        for (std::int64_t row = pointer_count; row-- > 0;)
          for (std::int64_t i = 0; i < row_length; i += 3) numbers.push_back(there.at(row, i));
        return bytes_of_values(numbers);
      });
  add(
      "transposed",
      [](const Uploaded& there) {
        const std::array<int, 2> axes{1, 0};
        return copy(there.array.permute(axes)).to_host();
      },
      [](const Uploaded& there) {
        Numbers numbers;
        for (std::int64_t i = 0; i < row_length; ++i)
          for (std::int64_t row = 0; row < pointer_count; ++row)
            numbers.push_back(there.at(row, i));
        return bytes_of_values(numbers);
      });
  add(
      "take",
      [](const Uploaded& there) { return take(there.array, 0, Indices(some_rows)).to_host(); },
      taken);
  add(
      "take_device_indices",
      [](const Uploaded& there) {
        const DeviceBuffer indices = on_device(some_rows, there.array.device());
        return take(there.array, 0, Indices(indices)).to_host();
      },
      taken);
  const auto bad_index = [](const Uploaded& there) {
    const DeviceBuffer indices = on_device({1, 13}, there.array.device());
    return refusal(Errc::index_out_of_range,
                   [&] { take(there.array, 0, Indices(indices)).synchronize(); });
  };
  add("take_bad_device_index", bad_index, bad_index);
  add(
      "index_groups",
      [](const Uploaded& there) {
        const std::vector<std::int64_t> rows{3, 1}, columns{7, 0, 39};
        Selection selection;
        selection.groups.push_back({{0}, {Indices(rows)}, {}});
        selection.groups.push_back({{1}, {Indices(columns)}, {}});
        return gather(there.array, selection).to_host();
      },
      [](const Uploaded& there) {
        Numbers numbers;
        for (const std::int64_t row : {3, 1})
          for (const std::int64_t i : {7, 0, 39}) numbers.push_back(there.at(row, i));
        return bytes_of_values(numbers);
      });
  add(
      "conversion",
      [](const Uploaded& there) {
        return take(there.array, 0, Indices(some_rows), {.format = native_format<double>()})
            .to_host();
      },
      [](const Uploaded& there) {
        std::vector<double> numbers;
        for (const std::int64_t row : some_rows)
          for (std::int64_t i = 0; i < row_length; ++i) numbers.push_back(there.at(row, i));
        return bytes_of_values(numbers);
      });
  add(
      "scaling",
      [](const Uploaded& there) {
        GatherOptions options;
        options.format = native_format<float>();
        options.scaling = Scaling{.axis = 0, .factors = std::vector<float>(13, 0.5F), .terms = {3}};
        return copy(there.array, options).to_host();
      },
      [](const Uploaded& there) {
        std::vector<float> numbers;
        for (const std::int32_t number : there.numbers)
          numbers.push_back(static_cast<float>(number) * 0.5F + 3);
        return bytes_of_values(numbers);
      });
  add(
      "output_in_host_memory",
      [](const Uploaded& there) {
        Bytes bytes(there.numbers.size() * 4);
        GatherOptions options;
        options.out = Output{bytes.data(), std::ssize(bytes)};
        copy(there.array, options);
        return bytes;
      },
      all_of);
  add(
      "output_of_an_earlier_result",
      [](const Uploaded& there) {
        const DeviceBuffer result = copy(there.array.reverse(0));
        GatherOptions options;
        options.out = output_of(result);
        return copy(there.array, options).to_host();
      },
      all_of);
  add(
      "in_pieces",
      [](const Uploaded& there) {
        return gather_in_pieces(there.source.view(), there.array.device(),
                                rows_selected(Indices(some_rows)), {.memory_limit = 1500})
            .to_host();
      },
      taken);
  add(
      "plan",
      [](const Uploaded& there) {
        const Plan plan(there.array, rows_selected(Indices(some_rows)));
        plan.run();
        return plan.run().to_host();
      },
      taken);
  add(
      "plan_device_indices",
      [](const Uploaded& there) {
        const DeviceBuffer indices = on_device(some_rows, there.array.device());
        const Plan plan(there.array, rows_selected(Indices(indices)));
        plan.run();
        plan.result().synchronize();
        return plan.run().to_host();
      },
      taken);
  add(
      "plan_explained",
      [](const Uploaded& there) {
        const Plan plan(there.array, rows_selected(Indices(some_rows)));
        static_cast<void>(plan.explain(true));
        return plan.run().to_host();
      },
      taken);
  add(
      "through",
      [](const Uploaded& there) {
        const DeviceBuffer table = on_device(some_rows, there.array.device());
        check_table(there.array, 0, table);
        return copy(there.array.through(0, table)).to_host();
      },
      taken);
  add(
      "dlpack",
      [](const Uploaded& there) {
        const DeviceBuffer result = copy(there.array);
        result.order_before(StreamRef::legacy());
        return taken_over(dlpack::to_versioned(result)).to_host();
      },
      all_of);
  add(
      "dlpack_allocated",
      [](const Uploaded& there) {
        const DeviceBuffer result = copy(there.array);
        dlpack::ManagedTensor* const model = dlpack::to_legacy(result);
        const std::unique_ptr<dlpack::ManagedTensor, void (*)(dlpack::ManagedTensor*)> keep(
            model, [](dlpack::ManagedTensor* tensor) { tensor->deleter(tensor); });
        const DeviceBuffer room = taken_over(dlpack::allocate(model->tensor));
        return room.shape() == result.shape() ? result.to_host() : Bytes();
      },
      all_of);
  add(
      "compared",
      [](const Uploaded& there) {
        const DeviceBuffer same = copy(there.array), again = copy(there.array);
        const Comparison comparison = verify(same, again);
        const Comparison other = verify(same, copy(there.array.reverse(0).reverse(1)));
        const std::string words = describe(comparison) + describe(other);
        const auto bytes = std::as_bytes(std::span(words));
        return Bytes(bytes.begin(), bytes.end());
      },
      [](const Uploaded& there) {
        std::int64_t mismatches = 0;
        for (std::size_t i = 0; i < there.numbers.size(); ++i)
          if (there.numbers[i] != there.numbers[there.numbers.size() - 1 - i]) ++mismatches;
        const std::string words =
            "all 520 elements are equal" + std::to_string(mismatches) +
            " of 520 elements differ; the first at (0, 0): 11000, expected 11039";
        const auto bytes = std::as_bytes(std::span(words));
        return Bytes(bytes.begin(), bytes.end());
      });
  add(
      "access",
      [](const Uploaded& there) {
        const DeviceBuffer result = copy(there.array);
        {
          Access access({}, {there.array}, {result});
          access.end();
        }
        const Access again({}, {there.array}, {});
        return result.to_host();
      },
      all_of);
}

/// Rows of 1, 2, 3 ... numbers.
struct RaggedRows {
  NumberRows rows{row_count, row_length};
  std::vector<std::int64_t> lengths;
  std::optional<RaggedArray> array;

  explicit RaggedRows(const std::string& device) {
    for (std::int64_t i = 0; i < pointer_count; ++i) lengths.push_back(i % 7 + 1);
    array = upload(view(), Device::open(device));
  }
  RaggedView view() const { return RaggedView::from_rows(rows.pointers.data(), lengths); }
  Numbers packed(const std::vector<std::int64_t>& which) const {
    Numbers numbers;
    for (const std::int64_t row : which) {
      const std::int32_t* const from = rows.pointers[static_cast<std::size_t>(row)];
      numbers.insert(numbers.end(), from, from + lengths[static_cast<std::size_t>(row)]);
    }
    return numbers;
  }
  std::vector<double> padded(const std::vector<std::int64_t>& which) const {
    std::vector<double> numbers;
    for (const std::int64_t row : which)
      for (std::int64_t i = 0; i < 8; ++i)
        numbers.push_back(i < lengths[static_cast<std::size_t>(row)]
                              ? rows.pointers[static_cast<std::size_t>(row)][i]
                              : -1.5);
    return numbers;
  }
};

const std::vector<std::int64_t> every_row{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

void add_ragged(std::vector<Scenario>& all, const std::string& device) {
  const auto add = [&](std::string name, std::function<Bytes(const RaggedRows&)> run,
                       std::function<Bytes(const RaggedRows&)> expected) {
    all.push_back({std::move(name),
                   [=] {
                     const auto there = std::make_shared<RaggedRows>(device);
                     return Job{[=] { return run(*there); }, expected(*there)};
                   },
                   60});
  };
  const auto some_packed = [](const RaggedRows& there) {
    return bytes_of_values(there.packed(some_rows));
  };
  add(
      "ragged_upload",
      [=](const RaggedRows& there) {
        return pack(upload(there.view(), Device::open(device))).values.to_host();
      },
      [](const RaggedRows& there) { return bytes_of_values(there.packed(every_row)); });
  add(
      "ragged_pack",
      [](const RaggedRows& there) {
        return pack(*there.array, {Indices(some_rows)}).values.to_host();
      },
      some_packed);
  add(
      "ragged_pack_device_indices",
      [](const RaggedRows& there) {
        const DeviceBuffer indices = on_device(some_rows, there.array->device());
        PackOptions options;
        options.items = 23;  // all that they have
        return pack(*there.array, {Indices(indices)}, options).values.to_host();
      },
      some_packed);
  static const double fill = -1.5;
  const auto pads = [] {
    PadOptions options;
    options.length = 8;
    options.fill = &fill;
    options.format = native_format<double>();
    return options;
  };
  add(
      "ragged_pad",
      [=](const RaggedRows& there) {
        return pad(*there.array, {Indices(some_rows)}, pads()).to_host();
      },
      [](const RaggedRows& there) { return bytes_of_values(there.padded(some_rows)); });
  add(
      "ragged_pad_device_indices",
      [=](const RaggedRows& there) {
        const DeviceBuffer indices = on_device(some_rows, there.array->device());
        return pad(*there.array, {Indices(indices)}, pads()).to_host();
      },
      [](const RaggedRows& there) { return bytes_of_values(there.padded(some_rows)); });
  add(
      "ragged_take",
      [](const RaggedRows& there) {
        return pack(take(*there.array, {Indices(some_rows)})).values.to_host();
      },
      some_packed);
  add(
      "ragged_plans",
      [=](const RaggedRows& there) {
        const PackPlan packs(*there.array, {Indices(some_rows)});
        packs.run();
        const PadPlan plan(*there.array, {Indices(some_rows)}, pads());
        Bytes bytes = plan.run().to_host();
        const Bytes packed = packs.run().values.to_host();
        bytes.insert(bytes.end(), packed.begin(), packed.end());
        return bytes;
      },
      [](const RaggedRows& there) {
        Bytes bytes = bytes_of_values(there.padded(some_rows));
        const Bytes packed = bytes_of_values(there.packed(some_rows));
        bytes.insert(bytes.end(), packed.begin(), packed.end());
        return bytes;
      });
  add(
      "ragged_row", [](const RaggedRows& there) { return copy(there.array->row(6)).to_host(); },
      [](const RaggedRows& there) { return bytes_of_values(there.packed({6})); });
}

}  // namespace

std::vector<Scenario> array_scenarios(const std::string& device) {
  std::vector<Scenario> all;
  add_uploads(all, device);
  add_gathers(all, device);
  add_ragged(all, device);
  return all;
}

}  // namespace multibuffer::testing
