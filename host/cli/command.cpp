#include "host/cli/command.hpp"

#include <multibuffer/error.hpp>

#include "host/cli/cut_file.hpp"
#include "host/cli/devices_command.hpp"
#include "host/cli/draw_command.hpp"
#include "host/cli/explain_command.hpp"
#include "host/cli/gather_command.hpp"
#include "host/cli/inspect_command.hpp"
#include "host/cli/interrupt.hpp"
#include "host/cli/standard_streams.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <new>
#include <string>
#include <string_view>

namespace multibuffer::cli {
namespace {

/// For errors of any kind: 1 means that the results differ.
constexpr int failed = 2;

constexpr const char* about =
    R"(Arrays of pointers as N-dimensional arrays on a GPU: resolved, uploaded, gathered,
and checked against a reference that follows the original pointers.

Inputs are .npy files, which are mapped, PNGs, whose rows are decoded behind an array
of pointers, and arrays in HDF5, safetensors and stored .npz files (FILE::ARRAY).
Several equal ones become one array, through one more table of pointers.)";

constexpr const char* examples = R"(Examples:
  multibuffer gather picture.png --index '::-1, 10:200' --out flipped.png --verify
  multibuffer gather shard_*.npy --take 3,1,-1 --out batch.npy --verify --stats
  multibuffer inspect shard_*.npy
  multibuffer explain picture.png --at 3,1,2
  multibuffer draw picture.png --at 3,1,2 --out picture.svg

`multibuffer gather --help` says more.
Exit status: 0 done, 1 the result differs from the reference, 2 bad usage or input.)";

constexpr const char* gather_examples = R"(Examples:
  A picture upside down, and every second column of it:
    multibuffer gather picture.png --index '::-1, ::2' --out small.png
  Its green channel, dense:
    multibuffer gather picture.png --index '..., 1' --out green.png
  Rows 7, 0 and the last of a file, without reading the others:
    multibuffer gather table.npy --take 7,0,-1 --out rows.npy
  The same row of many files, which are stacked along a new axis 0:
    multibuffer gather shard_*.npy --index ':, 100' --out row100.npy
  Half of the size, each element rounded once:
    multibuffer gather table.npy --dtype float16 --out halves.npy
  A random batch out of files joined end to end, checked and timed:
    multibuffer gather --concat shard_*.npy --take batch.npy --out batch_data.npy --verify --stats

--index is NumPy's basic indexing: integers, start:stop:step, '...' and None.
--take is applied after --index, and --axis counts the axes that --index leaves.
Only the parts that they ask for are read. Without --out only a summary is written.
With --out /dev/stdout the array is written there, as .npy, and the summary to
standard error.

Inputs must not change while they are read. If one does, that is an error, and nothing
is written. (A program that maps a file itself and hands the mapping to the library gets
SIGBUS if the file is cut: the library has no handler.))";

constexpr const char* explain_examples = R"(Examples:
  Where element [3, 1, 2] of a picture is, in memory and on a device:
    multibuffer explain picture.png --at 3,1,2
  The same element by a view of the picture:
    multibuffer explain picture.png --index '::-1' --at -4,1,2
  For programs:
    multibuffer explain picture.png --at 3,1,2 --json

The steps are those of PEP 3118: for each axis, the index times the stride is added;
behind an indirect axis, the pointer there is followed, and the suboffset added.)";

constexpr const char* draw_examples = R"(Examples:
  A picture's table of row pointers, and the way to one element:
    multibuffer draw picture.png --at 3,1,2 --out way.svg
  What a slice leaves out, in grey:
    multibuffer draw picture.png --index '::2, 10:20' --at 1,0,2 --out slice.svg

Long axes are abridged. The picture is light or dark as its viewer is.)";

struct Options {
  GatherOptions gather;
  ExplainOptions explain;
  DrawOptions draw;
  InspectOptions inspect;
};

/// Adds an option whose value is one of a few words.
template <class Value, class Target>
CLI::Option* add_choice(CLI::App& command, const char* name, Target& target,
                        const std::map<std::string, Value>& choices, const char* description) {
  const auto set = [&target, choices](const std::string& word) { target = choices.at(word); };
  return command.add_option_function<std::string>(name, set, description)
      ->check(CLI::IsMember(choices).description(""));
}

/// Adds --placement. `description` explains placements or says where they are explained.
template <class Target>
void add_placement(CLI::App& command, Target& target, const char* description) {
  // The words of Python, and those that this command has always had.
  const std::map<std::string, PlacementKind> kinds = {
      {"auto", PlacementKind::automatic},    {"automatic", PlacementKind::automatic},
      {"packed", PlacementKind::packed},     {"preserved", PlacementKind::preserved},
      {"in_place", PlacementKind::in_place}, {"in-place", PlacementKind::in_place}};
  add_choice(command, "--placement", target, kinds, description)->type_name("KIND");
}

/// Adds the options that name an array.
template <class AnyOptions>
void add_inputs(CLI::App& command, AnyOptions& options) {
  command
      .add_option("INPUT", options.inputs,
                  ".npy, PNG, HDF5, safetensors or stored .npz files; several are\n"
                  "stacked. FILE::ARRAY names an array in a file, and patterns in\n"
                  "quotes several: 'shards/*.npy', 'm-*.safetensors::layers.*.w1'.\n"
                  "[*], [?] and [[] in a pattern are these characters themselves")
      ->required();
  command.add_flag_callback(
      "--concat", [&options] { options.join = Join::concatenate; },
      "Join the inputs along their axis 0, whatever their lengths,\n"
      "instead of stacking them");
  command.add_option("--index", options.index, "Read this part: '::-1, 10:200:3, ..., 2'")
      ->type_name("EXPR");
}

CLI::App* add_gather(CLI::App& app, GatherOptions& options) {
  CLI::App* const command =
      app.add_subcommand("gather", "Read an array, or a part of it, into one dense result");
  add_inputs(*command, options);
  command
      ->add_option("--take", options.take,
                   "Take these entries of --axis, in this order: 3,1,-1,0:100:7,\n"
                   "or a .npy file of integers")
      ->type_name("LIST|FILE");
  command->add_option("--axis", options.axis, "The axis that --take takes from; 0 if not given")
      ->type_name("N")
      ->needs("--take");
  command
      ->add_option("--dtype", options.dtype,
                   "Convert the elements while they are gathered: float16, uint8,\n"
                   "complex64, '>f4' and their like")
      ->type_name("TYPE");
  command
      ->add_flag("--saturate", options.saturate,
                 "Integers that --dtype cannot hold become the nearest that it\n"
                 "can hold; without this, they wrap")
      ->needs("--dtype");
  const std::map<std::string, Order> orders = {{"C", Order::C}, {"F", Order::F}};
  add_choice(*command, "--order", options.order, orders,
             "The order of the result's elements; C if not given")
      ->type_name("C|F");
  command->add_option("--out", options.out, "Write the result here, as .npy or .png")
      ->type_name("FILE");
  command
      ->add_option("--device", options.device,
                   "auto (the first CUDA device, else the host; if not given),\n"
                   "cuda, cuda:N or host")
      ->type_name("DEVICE");
  add_placement(*command, options.placement,
                "Which bytes travel to the device: packed (distinct leaves,\n"
                "dense), preserved (their hulls, as they lie), auto (the\n"
                "smaller of the two), in_place (none; the host's default)");
  command->add_flag("--checked", options.checked,
                    "Prove that all memory can be read before it is read; it\n"
                    "costs some 0.1 ms, and 8 ns a pointer");
  command->add_flag("--verify", options.verify, "Compare with the reference before writing");
  command->add_flag("--explain-plan", options.explain_plan,
                    "Say which kernel or way gathers, why, and how many bytes\nit moves");
  command
      ->add_flag("--measure", options.measure, "Time a plain copy of as many bytes, and the gather")
      ->needs("--explain-plan");
  command->add_flag("--json", options.json, "Print nothing but what --explain-plan says, as JSON")
      ->needs("--explain-plan");
  command->add_flag("--stats", options.stats, "Print the time of each phase, and GB/s");
  command->footer(gather_examples);
  return command;
}

CLI::App* add_inspect(CLI::App& app, InspectOptions& options) {
  CLI::App* const command = app.add_subcommand("inspect",
                                               "Show axes, levels, tables, what is simplified,\n"
                                               "and how much would travel");
  add_inputs(*command, options);
  add_placement(*command, options.placement,
                "auto (if not given), packed, preserved or in_place:\n"
                "see multibuffer gather --help");
  return command;
}

CLI::App* add_explain(CLI::App& app, ExplainOptions& options) {
  CLI::App* const command =
      app.add_subcommand("explain",
                         "Say step by step where one element is, by the pointers\n"
                         "and by the offset arrays");
  add_inputs(*command, options);
  command->add_option("--at", options.at, "The element: one number for each axis, 3,1,2")
      ->type_name("LIST")
      ->required();
  command->add_flag("--json", options.json, "Print the steps as JSON");
  add_placement(*command, options.placement,
                "auto (if not given), packed, preserved or in_place:\n"
                "see multibuffer gather --help");
  command->footer(explain_examples);
  return command;
}

CLI::App* add_draw(CLI::App& app, DrawOptions& options) {
  CLI::App* const command =
      app.add_subcommand("draw", "Draw an array: its pointers, its leaves, its offset arrays");
  add_inputs(*command, options);
  command->add_option("--at", options.at, "Mark the way to this element: 3,1,2")->type_name("LIST");
  command->add_option("--out", options.out, "Write the picture here, as .svg")
      ->type_name("FILE")
      ->required();
  command->add_flag("--without-offsets", options.without_offsets,
                    "Draw the memory of the input alone");
  add_placement(*command, options.placement,
                "auto (if not given), packed, preserved or in_place:\n"
                "see multibuffer gather --help");
  command->footer(draw_examples);
  return command;
}

// Prints one line of error without allocating. It is cut, because names of fields and formats in
// messages can be megabytes long.
int report(std::string_view problem) {
  constexpr std::size_t most = 4000;
  std::cerr << "multibuffer: " << problem.substr(0, most)
            << (problem.size() > most ? "...\n" : "\n");
  return failed;
}

/// Runs `command` and turns an error that it throws into a line and an exit status.
template <class Command>
int guard(Command command) {
  Interrupt interrupt;
  try {
    const int status = command(interrupt.token());
    flush_standard_output();
    return status;
  } catch (const Error& error) {
    std::cout.flush();
    if (interrupt.signal() != 0) return 128 + interrupt.signal();
    return report(error.what());
  }
}

int parse_and_run(int argc, const char* const* argv) {
  Options options;
  CLI::App app(about, "multibuffer");
  app.set_version_flag("--version", "multibuffer " MULTIBUFFER_VERSION);
  app.require_subcommand(1);
  app.footer(examples);
  CLI::App* const gather_command = add_gather(app, options.gather);
  CLI::App* const inspect_command = add_inspect(app, options.inspect);
  CLI::App* const explain_command = add_explain(app, options.explain);
  CLI::App* const draw_command = add_draw(app, options.draw);
  app.add_subcommand("devices", "List the devices to gather on, and the formats that are read");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      return report(std::string(error.what()) + "\nRun with --help for how it is used.");
    }
    app.exit(error);  // --help, --version
    flush_standard_output();
    return 0;
  }
  if (*gather_command) {
    return guard([&](const std::stop_token& stop) { return run_gather(options.gather, stop); });
  }
  if (*inspect_command) {
    return guard([&](const std::stop_token& stop) { return run_inspect(options.inspect, stop); });
  }
  if (*explain_command) {
    return guard([&](const std::stop_token& stop) { return run_explain(options.explain, stop); });
  }
  if (*draw_command) {
    return guard([&](const std::stop_token& stop) { return run_draw(options.draw, stop); });
  }
  return guard([](const std::stop_token&) { return run_devices(); });
}

}  // namespace

int run(int argc, const char* const* argv) {
  occupy_standard_descriptors();
  report_cut_files();
  try {
    return parse_and_run(argc, argv);
  } catch (const std::bad_alloc&) {
    return report("out of memory");
  } catch (const std::exception& error) {
    return report(error.what());
  }
}

}  // namespace multibuffer::cli
