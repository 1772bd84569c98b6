#include "host/files/hdf5_functions.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <dlfcn.h>

#include <memory>
#include <string>

namespace multibuffer::files::hdf5 {

// NOLINTBEGIN(bugprone-macro-parentheses): what is defined has none
#define MULTIBUFFER_HDF5_DEFINE(name) decltype(&::name) name = nullptr;
MULTIBUFFER_HDF5_DEFINE(H5open)
MULTIBUFFER_HDF5_FUNCTIONS(MULTIBUFFER_HDF5_DEFINE)
#undef MULTIBUFFER_HDF5_DEFINE

#define MULTIBUFFER_HDF5_DEFINE(name) Variable name;
MULTIBUFFER_HDF5_VARIABLES(MULTIBUFFER_HDF5_DEFINE)
#undef MULTIBUFFER_HDF5_DEFINE
// NOLINTEND(bugprone-macro-parentheses)

namespace {

struct Close {
  void operator()(void* library) const noexcept { ::dlclose(library); }
};
using Library = std::unique_ptr<void, Close>;

std::string loader_error() {
  const char* const why = ::dlerror();
  return why ? why : "the loader does not say why";
}

[[noreturn]] void refuse(const std::string& file, const std::string& why) {
  throw Failure(Errc::file_invalid,
                text(file, ": this build reads HDF5 by ", MULTIBUFFER_HDF5_LIBRARY,
                     ", which cannot be loaded (", why,
                     "); install that version of HDF5, or build where the headers of yours are"));
}

Library open_library(const std::string& file) {
  // By its name alone the loader finds one that is loaded already, or in its own folders.
  if (Library library{::dlopen(MULTIBUFFER_HDF5_LIBRARY, RTLD_NOW | RTLD_LOCAL)}) return library;
  const std::string why = loader_error();
  // CMake may have found it elsewhere.
  if (Library library{::dlopen(MULTIBUFFER_HDF5_PATH, RTLD_NOW | RTLD_LOCAL)}) return library;
  refuse(file, why);
}

}  // namespace

void load(const std::string& file) {
  if (H5open) return;
  Library library = open_library(file);
  const auto found = [&](const char* name) {
    void* const symbol = ::dlsym(library.get(), name);
    if (!symbol) refuse(file, loader_error());
    return symbol;
  };
  const auto open = reinterpret_cast<decltype(H5open)>(found("H5open"));
  if (open() < 0) refuse(file, "H5open fails");
  // libhdf5 has set its variables now. Where it uses another's of the same name, as the copies in a
  // program that is linked with it, its own are still as they were: negative.
  const auto variable = [&](const char* name) {
    const auto* const own = static_cast<const hid_t*>(found(name));
    if (*own >= 0) return own;
    const auto* const used = static_cast<const hid_t*>(::dlsym(RTLD_DEFAULT, name));
    if (!used || *used < 0) refuse(file, text(name, " has no value"));
    return used;
  };
  // A name that is a macro of HDF5's is expanded before it becomes text.
#define MULTIBUFFER_HDF5_TEXT(name) #name
#define MULTIBUFFER_HDF5_KEEP(name) name.bind(variable(MULTIBUFFER_HDF5_TEXT(name)));
  MULTIBUFFER_HDF5_VARIABLES(MULTIBUFFER_HDF5_KEEP)
#undef MULTIBUFFER_HDF5_KEEP
#define MULTIBUFFER_HDF5_KEEP(name) \
  name = reinterpret_cast<decltype(name)>(found(MULTIBUFFER_HDF5_TEXT(name)));
  MULTIBUFFER_HDF5_FUNCTIONS(MULTIBUFFER_HDF5_KEEP)
#undef MULTIBUFFER_HDF5_KEEP
#undef MULTIBUFFER_HDF5_TEXT
  H5open = open;
  static_cast<void>(library.release());
}

}  // namespace multibuffer::files::hdf5
