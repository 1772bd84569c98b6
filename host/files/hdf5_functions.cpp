#include "host/files/hdf5_functions.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <dlfcn.h>

#include <memory>

namespace multibuffer::files::hdf5 {

#define MULTIBUFFER_HDF5_DEFINE(name) decltype(&::name) name = nullptr;
MULTIBUFFER_HDF5_FUNCTIONS(MULTIBUFFER_HDF5_DEFINE)
#undef MULTIBUFFER_HDF5_DEFINE

#define MULTIBUFFER_HDF5_DEFINE(name) Variable name;
MULTIBUFFER_HDF5_VARIABLES(MULTIBUFFER_HDF5_DEFINE)
#undef MULTIBUFFER_HDF5_DEFINE

namespace {

struct Close {
  void operator()(void* library) const noexcept { ::dlclose(library); }
};

}  // namespace

void load(const char* library, const std::string& path) {
  if (H5open) return;
  const auto found = [&](void* what) {
    if (what) return what;
    const char* const why = ::dlerror();
    throw Failure(Errc::file_invalid,
                  text(path, ": HDF5 is read by ", library, ", which cannot be loaded (",
                       why ? why : "the loader does not say why",
                       "); Debian's package libhdf5-dev brings it"));
  };
  std::unique_ptr<void, Close> loaded(found(::dlopen(library, RTLD_NOW | RTLD_LOCAL)));
  const auto function = [&](const char* name) { return found(::dlsym(loaded.get(), name)); };
  // A program that is linked with libhdf5 has copies of its variables, which libhdf5 itself uses
  // then.
  const auto variable = [&](const char* name) {
    void* const copy = ::dlsym(RTLD_DEFAULT, name);
    return static_cast<const hid_t*>(copy ? copy : function(name));
  };
  // Names that HDF5 maps to others by macros are mapped here, too. H5open is the last of them.
#define MULTIBUFFER_HDF5_KEEP(name) name.lies_at(variable(#name));
  MULTIBUFFER_HDF5_VARIABLES(MULTIBUFFER_HDF5_KEEP)
#undef MULTIBUFFER_HDF5_KEEP
#define MULTIBUFFER_HDF5_KEEP(name) name = reinterpret_cast<decltype(name)>(function(#name));
  MULTIBUFFER_HDF5_FUNCTIONS(MULTIBUFFER_HDF5_KEEP)
#undef MULTIBUFFER_HDF5_KEEP
  static_cast<void>(loaded.release());
}

}  // namespace multibuffer::files::hdf5
