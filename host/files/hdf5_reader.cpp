#include <multibuffer/error.hpp>

#include "host/files/hdf5_chunks.hpp"
#include "host/files/hdf5_library.hpp"
#include "host/files/hdf5_type.hpp"
#include "host/files/stored_file.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer::files {
namespace hdf5 {  // where the names H5... are the functions that have been loaded
namespace {

using Extents = std::vector<std::int64_t>;

// ---- The names of a file's datasets

struct FoundNames {
  std::vector<std::string> names;
  std::exception_ptr failure;
};

/// H5Ovisit's callback, through which no exception may pass.
template <class Info>
herr_t add_name(hid_t /*file*/, const char* name, const Info* info, void* to) {
  auto& found = *static_cast<FoundNames*>(to);
  try {
    if (info->type == H5O_TYPE_DATASET) found.names.emplace_back(name);
    return 0;
  } catch (...) {
    found.failure = std::current_exception();
    return -1;
  }
}

herr_t visit(hid_t file, FoundNames& found) {
  void* const to = &found;
#if H5_VERSION_GE(1, 12, 0)
  return H5Ovisit3(file, H5_INDEX_NAME, H5_ITER_INC, add_name<H5O_info2_t>, to, H5O_INFO_BASIC);
#else
  return H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, add_name<H5O_info_t>, to, H5O_INFO_BASIC);
#endif
}

// ---- One dataset

/// Notes that a link into another file was met, and follows none.
herr_t refuse_link(const char* /*from*/, const char* /*group*/, const char* /*to_file*/,
                   const char* /*to*/, unsigned* /*flags*/, hid_t /*access*/, void* met) {
  *static_cast<bool*>(met) = true;
  return -1;
}

std::string filter_name(hid_t creation, unsigned number) {
  unsigned flags = 0;
  unsigned config = 0;
  std::size_t values = 0;
  std::array<char, 64> name{};
  const H5Z_filter_t id = H5Pget_filter2(creation, number, &flags, &values, nullptr,
                                         name.size() - 1, name.data(), &config);
  if (id == H5Z_FILTER_DEFLATE) return "gzip";
  if (id < 0) return "an unknown filter";
  return name[0] ? std::string(name.data()) : text("filter ", id);
}

std::string filter_names(hid_t creation, int count) {
  std::string names;
  for (int i = 0; i < count; ++i)
    names += text(i > 0 ? ", " : "", filter_name(creation, static_cast<unsigned>(i)));
  return names;
}

/// The dataset of a file that is being described.
class Dataset {
 public:
  /// Throws `file_invalid`, naming the dataset.
  Dataset(Input& input, const std::string& path, const std::string& name)
      : input_(input), path_(path), name_(text(path, "::", name)) {
    bool external = false;
    const Id links(H5Pcreate(H5P_LINK_ACCESS));
    H5Pset_elink_cb(links, refuse_link, &external);
    id_ = Id(H5Oopen(input.id(), text("/", name).c_str(), links));
    input.rethrow();
    if (external) refuse("a link into another file; open that file");
    if (!id_)
      refuse(text("there is no such dataset, or none that libhdf5 ", version(), " can open (",
                  reason(), ")"));
    if (H5Iget_type(id_) != H5I_DATASET) refuse("it is no dataset");
    creation_ = Id(H5Dget_create_plist(id_));
    if (!creation_) fail();
  }

  StoredArray array() {
    StoredArray array;
    const ElementType element = read_element_type();
    array.descr = element.type.descr;
    array.format = element.type.format;
    array.itemsize = element.type.itemsize;
    array.shape = read_shape();
    const std::size_t axes = array.shape.size();
    array.shape.insert(array.shape.end(), element.extents.begin(), element.extents.end());
    const H5D_layout_t layout = H5Pget_layout(creation_);
    check_stored(layout);
    if (std::ranges::find(array.shape, 0) != array.shape.end()) return empty(std::move(array));
    if (layout == H5D_CONTIGUOUS) {
      array = contiguous(std::move(array));
    } else {
      read_chunks(array, axes);
    }
    check_inside(array, input_.bytes(), name_);
    return array;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Failure(Errc::file_invalid, text(name_, ": ", why));
  }
  /// Throws what a call of libhdf5 has failed for.
  [[noreturn]] void fail() const {
    input_.rethrow();
    refuse(text("libhdf5 ", version(), " cannot read it: ", reason()));
  }
  /// Refuses a dataset whose elements do not lie in the file as they are.
  [[noreturn]] void refuse_storage(const std::string& why) const {
    refuse(text(why, ". This makes a file that can be read: h5repack -f NONE -l CONTI '", path_,
                "' NEW.h5"));
  }

  ElementType read_element_type() const {
    const Id type(H5Dget_type(id_));
    if (!type) fail();
    try {
      return read_type(type);
    } catch (const NpyTypeError& error) {
      refuse(error.what());
    }
  }

  Extents read_shape() const {
    const Id space(H5Dget_space(id_));
    if (!space) fail();
    if (H5Sget_simple_extent_type(space) == H5S_NULL) refuse("it has no elements, and no shape");
    const int axes = H5Sget_simple_extent_ndims(space);
    std::array<hsize_t, H5S_MAX_RANK> extents{};
    if (axes < 0 || axes > H5S_MAX_RANK ||
        H5Sget_simple_extent_dims(space, extents.data(), nullptr) < 0)
      fail();
    Extents shape;
    for (int i = 0; i < axes; ++i) shape.push_back(fitting(extents[static_cast<std::size_t>(i)]));
    return shape;
  }

  std::int64_t fitting(hsize_t number) const {
    if (number > static_cast<hsize_t>(std::numeric_limits<std::int64_t>::max()))
      refuse(text("an extent of ", number));
    return static_cast<std::int64_t>(number);
  }

  void check_stored(H5D_layout_t layout) const {
    if (const int filters = H5Pget_nfilters(creation_); filters > 0)
      refuse_storage(
          text("its elements are stored behind filters: ", filter_names(creation_, filters)));
    if (H5Pget_external_count(creation_) > 0) refuse_storage("its elements are in other files");
    switch (layout) {
      case H5D_CONTIGUOUS:
      case H5D_CHUNKED:
        return;
      case H5D_COMPACT:
        refuse_storage("its elements are in the dataset's header (compact)");
      case H5D_VIRTUAL:
        refuse_storage("it is virtual, and its elements are in other datasets");
      default:
        fail();
    }
  }

  static StoredArray empty(StoredArray array) {
    array.piece.assign(array.shape.size(), 1);
    array.strides.assign(array.shape.size(), 0);
    return array;
  }

  StoredArray contiguous(StoredArray array) const {
    const haddr_t address = H5Dget_offset(id_);
    if (address == HADDR_UNDEF) refuse_unwritten();
    return in_one_piece(std::move(array.descr), std::move(array.format), array.itemsize,
                        std::move(array.shape), fitting(address));
  }

  /// Fills in the pieces of a dataset in chunks, whose own axes are the first `axes`.
  void read_chunks(StoredArray& array, std::size_t axes) const {
    std::array<hsize_t, H5S_MAX_RANK> extents{};
    if (H5Pget_chunk(creation_, H5S_MAX_RANK, extents.data()) != static_cast<int>(axes)) fail();
    array.piece = array.shape;  // for the axes of an element
    std::int64_t count = 1;
    for (std::size_t i = 0; i < axes; ++i) {
      array.piece[i] = fitting(extents[i]);
      if (array.piece[i] < 1) refuse("chunks of no elements");
      count = checked_multiply(count, (array.shape[i] - 1) / array.piece[i] + 1,
                               "the number of chunks");
    }
    array.strides.resize(array.shape.size());
    std::int64_t bytes = array.itemsize;
    for (std::size_t i = array.shape.size(); i-- > 0;) {
      array.strides[i] = bytes;
      bytes = checked_multiply(bytes, array.piece[i], "the size of a chunk in bytes");
    }
    // Chunks have bytes of their own, so there is no room for more of them. Nothing is allocated
    // for what a damaged header says alone.
    if (const std::int64_t most = input_.bytes() / bytes; count > most)
      refuse_unwritten(text("at least ", count - most), count);
    Chunks chunks = find_chunks(input_, id_, std::span(array.shape).first(axes),
                                std::span(array.piece).first(axes), bytes);
    check_chunks(chunks, count, bytes);
    array.offsets = std::move(chunks.addresses);
  }

  void check_chunks(const Chunks& chunks, std::int64_t count, std::int64_t bytes) const {
    if (chunks.other_sizes > 0)
      refuse(text(chunks.other_sizes, " of its chunks do not have ", bytes, " bytes"));
    if (chunks.missing == 0) return;
    // A chunk is not found if it was never written, or if a damaged index hides it.
    hsize_t written = 0;
    const Id space(H5Dget_space(id_));
    if (!space || H5Dget_num_chunks(id_, space, &written) < 0) fail();
    const std::int64_t found = count - chunks.missing;
    if (written != static_cast<hsize_t>(found))
      refuse(text("its index says ", written, " chunks, of which ", found, " can be found"));
    if (found == 0) refuse_unwritten();
    refuse_unwritten(text(chunks.missing), count);
  }

  /// For what h5repack leaves as it is.
  [[noreturn]] void refuse_unwritten() const {
    refuse("none of its elements was ever written, so that all are its fill value");
  }

  [[noreturn]] void refuse_unwritten(const std::string& how_many, std::int64_t count) const {
    refuse_storage(text(how_many, " of its ", count,
                        " chunks were never written, so that their elements are its fill value"));
  }

  Input& input_;
  const std::string& path_;
  std::string name_;
  Id id_;
  Id creation_;
};

class StoredHdf5 final : public StoredFile {
 public:
  explicit StoredHdf5(const std::string& path) : path_(path) {
    const Hold hold(path);
    input_.emplace(path);
    const Id creation(H5Fget_create_plist(input_->id()));
    hsize_t before = 0;
    const bool known = creation && H5Pget_userblock(creation, &before) >= 0;
    if (known && before == 0) return;
    input_.reset();
    throw Failure(Errc::file_invalid,
                  text(path, ": it has a user block of ", before,
                       " bytes before its HDF5 part, with which it cannot be read. This makes a "
                       "file without it: h5unjam --delete -i '",
                       path, "' -o NEW.h5"));
  }
  ~StoredHdf5() override {
    const Hold hold;
    input_.reset();
  }
  StoredHdf5(const StoredHdf5&) = delete;
  StoredHdf5& operator=(const StoredHdf5&) = delete;

  std::vector<std::string> names() const override {
    const Hold hold;
    FoundNames found;
    const herr_t status = visit(input_->id(), found);
    if (found.failure) std::rethrow_exception(found.failure);
    input_->rethrow();
    if (status < 0)
      throw Failure(Errc::file_invalid,
                    text(path_, ": libhdf5 ", version(), " cannot list its datasets: ", reason()));
    return std::move(found.names);
  }

  StoredArray array(const std::string& name) const override {
    const Hold hold;
    return Dataset(*input_, path_, name.substr(std::min(name.find_first_not_of('/'), name.size())))
        .array();
  }

 private:
  std::string path_;
  mutable std::optional<Input> input_;
};

}  // namespace
}  // namespace hdf5

const Reader hdf5_reader{
    "HDF5", ".h5", "libhdf5-dev",
    [](std::string_view first) { return first.starts_with("\x89HDF\r\n\x1a\n"); },
    [](const std::string& path) -> std::unique_ptr<StoredFile> {
      return std::make_unique<hdf5::StoredHdf5>(path);
    }};

}  // namespace multibuffer::files
