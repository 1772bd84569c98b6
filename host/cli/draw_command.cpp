#include "host/cli/draw_command.hpp"

#include <multibuffer/draw.hpp>
#include <multibuffer/error.hpp>

#include "host/cli/array_input.hpp"
#include "host/cli/explain_command.hpp"
#include "host/cli/index_expression.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/standard_streams.hpp"
#include "host/files/whole_file.hpp"
#include "host/support/text.hpp"

#include <iostream>
#include <span>
#include <utility>

namespace multibuffer::cli {
namespace {

void check_name(const std::string& out) {
  if (files::descriptor_of_name(out) || out.ends_with(".svg") || out.starts_with("/dev/")) return;
  throw Failure(Errc::invalid_argument, text("--out ", out, ": a picture's name ends in .svg"));
}

}  // namespace

int run_draw(const DrawOptions& options, std::stop_token stop) {
  check_name(options.out);
  Progress progress(std::move(stop));
  const ArrayInput input(options.inputs, options.join, progress);
  multibuffer::DrawOptions drawing;
  if (options.index) drawing.operations = parse_index(*options.index, input.view().shape());
  if (options.at) drawing.at = parse_element(*options.at);
  drawing.with_offsets = !options.without_offsets;
  drawing.placement = options.placement;
  files::WholeFile file(options.out);
  const std::string picture = progress.run("draw", [&](const Watch& watch) {
    drawing.watch = watch;
    return draw(input.view(), drawing);
  });
  file.write(std::as_bytes(std::span(picture)));
  file.commit();
  summary_stream(options.out) << "wrote " << options.out << '\n';
  return 0;
}

}  // namespace multibuffer::cli
