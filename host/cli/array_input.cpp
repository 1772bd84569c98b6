#include "host/cli/array_input.hpp"

#include <multibuffer/error.hpp>

#include "host/cli/dataset_input.hpp"
#include "host/support/text.hpp"

namespace multibuffer::cli {

ArrayInput::ArrayInput(std::span<const std::string> paths, Join join, Progress& progress) {
  if (!is_dataset(paths)) {
    inputs_.emplace(
        progress.run("read", [&](const Watch& watch) { return Inputs(paths, join, watch); }));
    view_ = inputs_->view();
    name_ = inputs_->description();
    return;
  }
  const Dataset dataset =
      progress.run("open", [&](const Watch&) { return open_dataset(paths, join); });
  name_ = describe_dataset(dataset, paths);
  mapped_ = dataset.mapped();
  if (!mapped_)
    throw Failure(Errc::invalid_argument,
                  text(name_,
                       ": its pieces are none that a table of pointers to rows can say, so "
                       "there is no way through pointers; name a part of it by --index of "
                       "multibuffer gather --out, and that file here"));
  view_ = mapped_->view;
}

}  // namespace multibuffer::cli
