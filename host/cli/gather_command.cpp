#include "host/cli/gather_command.hpp"

#include <multibuffer/dataset.hpp>
#include <multibuffer/multibuffer.hpp>

#include "host/cli/dataset_input.hpp"
#include "host/cli/dtype.hpp"
#include "host/cli/index_expression.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/standard_streams.hpp"
#include "host/cli/take.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <span>
#include <utility>

// The job, stage by stage:
//
//     files ──► Inputs ──► Selection ──► resolve ──► place ──► upload ──► gather ──► Result
//                 │          │   └──► gather in pieces, where that is better ──────────┤
//                 └──────────┴───► reference ──► verify ◄───────────────────────────────┤
//                                                                          OutputFile ◄─┘
//
// Arrays of other formats than .npy and PNG are a Dataset, which reads what is selected by itself:
//
//     files ──► Dataset ──► gather ──► Result
//                  └───► reference ──► verify

namespace multibuffer::cli {
namespace {

/// The part to read: operations on the whole array, for the reference, and the view that they make,
/// for the pipeline.
struct Selection {
  std::vector<ViewOperation> operations;
  ArrayView view;
  std::optional<Take> take;

  std::vector<std::int64_t> result_shape() const {
    return take ? shape_after(*take, view.shape()) : view.shape();
  }
};

/// The result's elements in host memory.
struct Result {
  DeviceBuffer buffer;
  std::vector<std::byte> fetched;  ///< empty if the buffer itself is in host memory
  std::string plan;                ///< in words, where that was asked for

  std::span<const std::byte> bytes() const {
    if (!fetched.empty()) return fetched;
    return {buffer.data(), static_cast<std::size_t>(buffer.nbytes())};
  }
};

/// The part of an array that --index selects, and the operations that select it.
template <class Array>
Array indexed(Array array, const GatherOptions& options, std::vector<ViewOperation>& operations) {
  if (options.index) operations = parse_index(*options.index, array.shape());
  for (const ViewOperation& operation : operations) array = array.apply(operation);
  return array;
}

std::optional<Take> take_of(const GatherOptions& options, std::span<const std::int64_t> shape) {
  if (!options.take) return {};
  return read_take(*options.take, options.axis, shape);
}

Selection select(const GatherOptions& options, const ArrayView& whole) {
  Selection selection{{}, whole, {}};
  selection.view = indexed(whole, options, selection.operations);
  selection.take = take_of(options, selection.view.shape());
  return selection;
}

DeviceArray upload_in_stages(const ArrayView& view, const Device& device, PlacementKind kind,
                             bool checked, Progress& progress) {
  const Resolution resolution = progress.run("resolve", [&](const Watch& watch) {
    return resolve(view, {.watch = watch, .checked = checked});
  });
  progress.moved(resolution.pointers_read * static_cast<std::int64_t>(sizeof(void*)));
  const Placement placement =
      progress.run("place", [&](const Watch&) { return place(resolution, kind); });
  DeviceArray array = progress.run("upload", [&](const Watch& watch) {
    UploadOptions options;
    options.placement = kind;
    options.watch = watch;
    return upload(placement, device, options);
  });
  if (placement.kind != PlacementKind::in_place) progress.moved(array.storage_bytes());
  return array;
}

multibuffer::Selection selection_of(const std::optional<Take>& take) {
  multibuffer::Selection selection;
  if (take) selection.groups.push_back({{take->axis}, {Indices(take->indices, take->shape)}, {}});
  return selection;
}

multibuffer::GatherOptions options_for(const ResultType& type) {
  multibuffer::GatherOptions options;
  options.order = type.order;
  options.format = type.format;
  options.overflow = type.overflow;
  return options;
}

/// Holds what the command line asks for besides the result.
struct Asked {
  bool checked = false;
  bool explain_plan = false;
  bool measure = false;
  bool json = false;
  TextStyle style = TextStyle::plain;
};

Asked asked_by(const GatherOptions& options) {
  return {.checked = options.checked,
          .explain_plan = options.explain_plan,
          .measure = options.measure,
          .json = options.json,
          .style = text_style(summary_stream(options.out))};
}

/// The plan of the gather, made once more to be explained, in words or as JSON.
std::string plan_words(const DeviceArray& array, const std::optional<Take>& take,
                       const ResultType& type, const Asked& asked) {
  const Plan plan(array, selection_of(take), options_for(type));
  const PlanExplanation explanation = plan.explain(asked.measure);
  return asked.json ? to_json(explanation) + '\n' : describe(explanation, asked.style);
}

Result read(const DeviceArray& array, const std::optional<Take>& take, const ResultType& type,
            const Asked& asked, Progress& progress) {
  multibuffer::GatherOptions options = options_for(type);
  std::vector<std::byte> fetched;
  const bool on_host = array.device().kind() == DeviceKind::host;
  if (!on_host && type.order == Order::F) {
    // A fetch makes C order; a gather into our own memory keeps F order.
    fetched.resize(static_cast<std::size_t>(type.nbytes()));
    options.out = Output{fetched.data(), type.nbytes(), MemorySpace::host, {}};
  }
  DeviceBuffer buffer = progress.run("gather", [&](const Watch& watch) {
    options.watch = watch;
    DeviceBuffer result = gather(array, selection_of(take), options);
    result.synchronize();
    return result;
  });
  progress.moved(buffer.nbytes());
  if (!on_host && type.order == Order::C) {
    fetched = progress.run("fetch", [&](const Watch&) { return buffer.to_host(); });
    progress.moved(buffer.nbytes());
  }
  std::string words;
  if (asked.explain_plan)
    words =
        progress.run("explain", [&](const Watch&) { return plan_words(array, take, type, asked); });
  return {std::move(buffer), std::move(fetched), std::move(words)};
}

/// Returns true if the array is better gathered in pieces: it does not fit, or `take` reads little
/// of the range that its indices span.
bool in_pieces(const ArrayView& view, const std::optional<Take>& take, const ResultType& type,
               const Device& device) {
  if (device.kind() == DeviceKind::host) return false;
  if (view.nbytes() + type.nbytes() > device.info().free_bytes.value() / 10 * 9) return true;
  constexpr std::int64_t sparse = 4;
  return take && view.shape()[static_cast<std::size_t>(take->axis)] / sparse >=
                     static_cast<std::int64_t>(take->indices.size());
}

Result read_in_pieces(const ArrayView& view, const std::optional<Take>& take,
                      const ResultType& type, const Device& device, Progress& progress) {
  PiecesOptions options{.gather = options_for(type)};
  DeviceBuffer buffer = progress.run("stream", [&](const Watch& watch) {
    options.gather.watch = watch;
    return gather_in_pieces(view, device, selection_of(take), options);
  });
  progress.moved(buffer.nbytes());
  return {std::move(buffer),
          {},
          "  in pieces, each of which has a plan of its own; with\n"
          "  --placement packed the array travels whole, by one plan\n"};
}

/// Uploads and gathers, whole or in pieces, whichever needs less.
Result upload_and_read(const ArrayView& view, const std::optional<Take>& take,
                       const ResultType& type, const Device& device, PlacementKind kind,
                       const Asked& asked, Progress& progress) {
  if (kind == PlacementKind::automatic && in_pieces(view, take, type, device)) {
    if (asked.checked)
      progress.run("check", [&](const Watch& watch) {
        return resolve(view, {.aliases = Aliases::ignored, .watch = watch, .checked = true});
      });
    return read_in_pieces(view, take, type, device, progress);
  }
  return read(upload_in_stages(view, device, kind, asked.checked, progress), take, type, asked,
              progress);
}

/// Runs the stages from the view to the result.
Result run_pipeline(const Selection& selection, const ResultType& type, const Device& device,
                    PlacementKind kind, const Asked& asked, Progress& progress) {
  if (!selection.take || kind == PlacementKind::in_place) {
    return upload_and_read(selection.view, selection.take, type, device, kind, asked, progress);
  }
  const Narrowed narrowed = narrow(selection.view, *selection.take);
  return upload_and_read(narrowed.view, narrowed.take, type, device, kind, asked, progress);
}

/// Compares with the elements of the array, which are not converted.
Comparison compare(const Result& result, const ResultType& type, const reference::Result& elements,
                   const Format& format) {
  const reference::Result expected =
      reference::converted(elements, format, type.format, {.overflow = type.overflow});
  if (expected.shape != type.shape) {
    throw Failure(Errc::invalid_view, text("the reference's shape is ", tuple_text(expected.shape),
                                           ", the result's ", tuple_text(type.shape)));
  }
  if (type.order == Order::F) return verify(result.buffer, expected.bytes);
  return verify(result.bytes(), expected.bytes, type.shape, type.format);
}

reference::Result expected_of(const Selection& selection, const BufferExport& source) {
  std::vector<reference::Group> groups;
  if (selection.take) {
    const Take& take = *selection.take;
    groups.push_back({{take.axis}, {{take.indices, take.shape}}, {}});
  }
  return reference::gather(source, selection.operations, groups);
}

/// Formats the first elements in C order, whatever their order in memory.
std::string first_elements(const Result& result, const ResultType& type) {
  if (type.has_no_bytes) return "of no bytes";
  constexpr std::int64_t most = 6;
  const std::int64_t size = result.buffer.size();
  std::string line;
  for (std::int64_t number = 0; number < std::min(size, most); ++number) {
    std::int64_t rest = number;
    std::int64_t offset = 0;
    for (std::size_t i = type.shape.size(); i-- > 0; rest /= type.shape[i]) {
      offset += rest % type.shape[i] * result.buffer.strides()[i];
    }
    line += number > 0 ? ", " : "";
    line += files::shortened(show_element(type.format, result.bytes().data() + offset));
  }
  if (size == 0) return "none";
  return size > most ? line + ", ..." : line;
}

ResultType result_type(const GatherOptions& options, std::vector<std::int64_t> shape,
                       const Format& format, const std::string& descr) {
  ResultType type{
      .shape = std::move(shape), .format = format, .descr = descr, .order = options.order};
  if (options.dtype) {
    const files::NpyType elements = parse_dtype(*options.dtype);
    type.format = Format(elements.format, elements.itemsize);
    type.descr = elements.descr;
  }
  if (options.saturate) type.overflow = Overflow::saturate;
  return type;
}

std::string device_line(const Device& device, const std::string& asked) {
  const DeviceInfo info = device.info();
  std::string name = text(info.name, ", ", info.description);
  if (asked != "auto") return name;
  if (info.kind == DeviceKind::cuda) return name + " (chosen by auto)";
  return text(name, " (chosen by auto: ", list_devices().why_no_cuda, ")");
}

/// What --verify says, and then the summary and the output file. Returns the exit status.
int finish(const GatherOptions& options, const ResultType& type, const Result& result,
           const std::optional<Comparison>& comparison, const std::string& description,
           const Device& device, std::optional<OutputFile>& out, Progress& progress) {
  std::ostream nowhere(nullptr);
  std::ostream& summary = options.json ? nowhere : summary_stream(options.out);
  if (options.json) summary_stream(options.out) << result.plan;
  summary << "result   " << tuple_text(type.shape) << " of " << files::shortened(type.descr) << ", "
          << bytes_text(type.has_no_bytes ? 0 : type.nbytes()) << ", from " << description << '\n'
          << "device   " << device_line(device, options.device) << '\n'
          << "values   " << first_elements(result, type) << '\n';
  if (options.explain_plan) summary << "plan\n" << result.plan;
  if (comparison) summary << "verify   " << files::shortened(describe(*comparison), 1000) << '\n';
  const bool equal = !comparison || comparison->equal();
  if (out && equal) {
    flush_standard_output();  // so that its failure comes before there is a file
    progress.run("write", [&](const Watch& watch) { out->write(result.bytes(), watch); });
    progress.moved(out->written());
    summary << "wrote    " << out->path() << '\n';
  }
  if (options.stats) summary << '\n' << stats_table(progress.phases());
  return equal ? 0 : 1;
}

int gather_dataset(const GatherOptions& options, Progress& progress) {
  const Dataset whole = progress.run(
      "open", [&](const Watch&) { return open_dataset(options.inputs, options.join); });
  if (options.placement)
    throw Failure(
        Errc::invalid_argument,
        "--placement is of arrays that travel whole; of a dataset, what is selected does");
  if (options.checked)
    throw Failure(
        Errc::invalid_argument,
        "--checked is of arrays whose pointers are followed; of a dataset, what the files "
        "say is checked against their length in any case");
  if (options.explain_plan)
    throw Failure(
        Errc::invalid_argument,
        "--explain-plan is of arrays that are gathered by one plan; a dataset has one for "
        "each piece that is read");
  std::vector<ViewOperation> operations;
  const Dataset part = indexed(whole, options, operations);
  const std::optional<Take> take = take_of(options, part.shape());
  const ResultType type =
      result_type(options, take ? shape_after(*take, part.shape()) : part.shape(), whole.format(),
                  whole.descr());
  std::optional<OutputFile> out;
  if (options.out) out.emplace(*options.out, type);

  const Device device = Device::open(options.device);
  ReadOptions reading;
  static_cast<multibuffer::GatherOptions&>(reading) = options_for(type);
  reading.device = device;
  DeviceBuffer buffer = progress.run("gather", [&](const Watch& watch) {
    reading.watch = watch;
    DeviceBuffer gathered = gather(part, selection_of(take), reading);
    gathered.synchronize();
    return gathered;
  });
  progress.moved(buffer.nbytes());
  if (device.kind() != DeviceKind::host) {
    const std::vector<std::byte> fetched =
        progress.run("fetch", [&](const Watch&) { return buffer.to_host(); });
    buffer = DeviceBuffer::from_host(Device::host(), fetched.data(), type.shape, type.format);
    progress.moved(buffer.nbytes());
  }
  const Result result{std::move(buffer), {}, {}};
  std::optional<Comparison> comparison;
  if (options.verify) {
    comparison = progress.run("verify", [&](const Watch&) {
      return compare(result, type, expected_of(part, take), whole.format());
    });
    progress.moved(type.nbytes());
  }
  return finish(options, type, result, comparison, describe_dataset(whole, options.inputs), device,
                out, progress);
}

}  // namespace

int run_gather(const GatherOptions& options, std::stop_token stop) {
  Progress progress(std::move(stop));
  if (is_dataset(options.inputs)) return gather_dataset(options, progress);
  const Inputs inputs = progress.run(
      "read", [&](const Watch& watch) { return Inputs(options.inputs, options.join, watch); });
  progress.moved(inputs.decoded_bytes());
  const Selection selection = select(options, inputs.view());
  ResultType type =
      result_type(options, selection.result_shape(), inputs.view().format(), inputs.descr());
  type.has_no_bytes = inputs.has_no_bytes();
  std::optional<OutputFile> out;
  if (options.out) out.emplace(*options.out, type);

  const Device device = Device::open(options.device);
  // The host reads arrays where they are.
  const PlacementKind kind = options.placement.value_or(
      device.kind() == DeviceKind::host ? PlacementKind::in_place : PlacementKind::automatic);
  if (!options.index && !options.take) inputs.read_ahead();
  const Result result = run_pipeline(selection, type, device, kind, asked_by(options), progress);

  std::optional<Comparison> comparison;
  if (options.verify) {
    comparison = progress.run("verify", [&](const Watch&) {
      return compare(result, type, expected_of(selection, inputs.raw_export()),
                     selection.view.format());
    });
    progress.moved(type.nbytes());
  }
  inputs.check_unchanged();
  return finish(options, type, result, comparison, inputs.description(), device, out, progress);
}

}  // namespace multibuffer::cli
