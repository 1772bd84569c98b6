#pragma once

#include <hdf5.h>

#include <string>

// The functions of libhdf5 that are called. libhdf5 needs thirty other libraries, and all of them
// take longer to load than whatever else a program of this library does first. So libhdf5 is loaded
// when the first file asks for it.
//
// Each name here hides HDF5's own declaration of it in this namespace, whose code calls libhdf5 as
// if it were linked with it. A function that this list lacks is HDF5's declaration, with which the
// command cannot be linked.

namespace multibuffer::files::hdf5 {

// clang-format off
#define MULTIBUFFER_HDF5_FUNCTIONS(each) \
  each(H5Dget_create_plist) \
  each(H5Dget_num_chunks) \
  each(H5Dget_offset) \
  each(H5Dget_space) \
  each(H5Dget_type) \
  each(H5Eget_auto2) \
  each(H5Eset_auto2) \
  each(H5Ewalk2) \
  each(H5FDregister) \
  each(H5Fget_create_plist) \
  each(H5Fopen) \
  each(H5free_memory) \
  each(H5get_libversion) \
  each(H5Idec_ref) \
  each(H5Iget_type) \
  each(H5Oopen) \
  each(H5Pcreate) \
  each(H5Pget_chunk) \
  each(H5Pget_driver_info) \
  each(H5Pget_external_count) \
  each(H5Pget_filter2) \
  each(H5Pget_layout) \
  each(H5Pget_nfilters) \
  each(H5Pget_userblock) \
  each(H5Pset_driver) \
  each(H5Pset_elink_cb) \
  each(H5Sget_simple_extent_dims) \
  each(H5Sget_simple_extent_ndims) \
  each(H5Sget_simple_extent_type) \
  each(H5Tcopy) \
  each(H5Tenum_valueof) \
  each(H5Tequal) \
  each(H5Tget_array_dims2) \
  each(H5Tget_array_ndims) \
  each(H5Tget_class) \
  each(H5Tget_ebias) \
  each(H5Tget_fields) \
  each(H5Tget_member_name) \
  each(H5Tget_member_offset) \
  each(H5Tget_member_type) \
  each(H5Tget_nmembers) \
  each(H5Tget_norm) \
  each(H5Tget_offset) \
  each(H5Tget_order) \
  each(H5Tget_precision) \
  each(H5Tget_sign) \
  each(H5Tget_size) \
  each(H5Tget_super) \
  each(H5Tget_tag) \
  each(H5Tis_variable_str) \
  MULTIBUFFER_HDF5_BY_VERSION(each)
// clang-format on

#if H5_VERSION_GE(1, 14, 3)
#define MULTIBUFFER_HDF5_BY_VERSION(each) each(H5Ovisit3) each(H5Dchunk_iter)
#elif H5_VERSION_GE(1, 12, 0)
#define MULTIBUFFER_HDF5_BY_VERSION(each) each(H5Ovisit3) each(H5Dread_chunk)
#else
#define MULTIBUFFER_HDF5_BY_VERSION(each) each(H5Ovisit2) each(H5Dread_chunk)
#endif

// NOLINTBEGIN(bugprone-macro-parentheses): what is declared has none
/// Null until `load`, which sets H5open last.
#define MULTIBUFFER_HDF5_DECLARE(name) extern decltype(&::name) name;
MULTIBUFFER_HDF5_DECLARE(H5open)
MULTIBUFFER_HDF5_FUNCTIONS(MULTIBUFFER_HDF5_DECLARE)
#undef MULTIBUFFER_HDF5_DECLARE

/// A variable of libhdf5, which holds an identifier and which `H5P_FILE_ACCESS` and others name.
class Variable {
 public:
  operator hid_t() const noexcept { return *at_; }
  void bind(const hid_t* at) noexcept { at_ = at; }

 private:
  const hid_t* at_ = nullptr;
};

#define MULTIBUFFER_HDF5_VARIABLES(each) \
  each(H5P_CLS_FILE_ACCESS_ID_g) each(H5P_CLS_LINK_ACCESS_ID_g) each(H5T_NATIVE_LDOUBLE_g)

#define MULTIBUFFER_HDF5_DECLARE(name) extern Variable name;
MULTIBUFFER_HDF5_VARIABLES(MULTIBUFFER_HDF5_DECLARE)
#undef MULTIBUFFER_HDF5_DECLARE
// NOLINTEND(bugprone-macro-parentheses)

/// Loads libhdf5, by the name that it had when this was built, unless it has been loaded; it stays
/// until the process ends. One thread may call this at a time. Throws `file_invalid`, naming the
/// file that is to be read and the reason, where it cannot be loaded; a later call tries again.
void load(const std::string& file);

}  // namespace multibuffer::files::hdf5
