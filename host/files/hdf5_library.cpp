#include "host/files/hdf5_library.hpp"

#include <multibuffer/error.hpp>

#include "host/support/process_lock.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <new>
#include <span>

namespace multibuffer::files::hdf5 {
namespace {

herr_t take_innermost(unsigned number, const H5E_error2_t* error, void* to) {
  if (number == 0 && error->desc) *static_cast<const char**>(to) = error->desc;
  return 0;
}

// ---- The driver: what libhdf5 calls to read a file

/// The file that an access list of the driver names.
struct Access {
  Input* input;
};

/// libhdf5 knows a file by its first member alone.
struct DriverFile {
  H5FD_t known;
  Input* input;
  haddr_t end;  ///< of what the file's header says that there is
};

DriverFile& driver_file(H5FD_t* file) { return *reinterpret_cast<DriverFile*>(file); }
const DriverFile& driver_file(const H5FD_t* file) {
  return *reinterpret_cast<const DriverFile*>(file);
}

H5FD_t* open_file(const char* /*name*/, unsigned flags, hid_t access, haddr_t /*largest*/) {
  const auto* const info = static_cast<const Access*>(H5Pget_driver_info(access));
  if (flags != 0 || !info) return nullptr;  // to be written to, or by somebody else's list
  auto* const file = new (std::nothrow) DriverFile{};
  if (!file) return nullptr;
  file->input = info->input;
  return &file->known;
}
herr_t close_file(H5FD_t* file) {
  delete &driver_file(file);
  return 0;
}
int compare(const H5FD_t* a, const H5FD_t* b) { return a == b ? 0 : std::less<>{}(a, b) ? -1 : 1; }
herr_t query(const H5FD_t* /*file*/, unsigned long* flags) {
  *flags = 0;
  return 0;
}
haddr_t get_end(const H5FD_t* file, H5FD_mem_t /*kind*/) { return driver_file(file).end; }
herr_t set_end(H5FD_t* file, H5FD_mem_t /*kind*/, haddr_t end) {
  driver_file(file).end = end;
  return 0;
}
haddr_t get_size(const H5FD_t* file, H5FD_mem_t /*kind*/) {
  return static_cast<haddr_t>(driver_file(file).input->bytes());
}
herr_t read(H5FD_t* file, H5FD_mem_t kind, hid_t /*transfer*/, haddr_t address, std::size_t bytes,
            void* to) {
  return driver_file(file).input->read(kind, address, bytes, to);
}
herr_t write(H5FD_t* /*file*/, H5FD_mem_t /*kind*/, hid_t /*transfer*/, haddr_t /*address*/,
             std::size_t /*bytes*/, const void* /*from*/) {
  return -1;
}

Id register_driver() {
  H5FD_class_t driver{};
#ifdef H5FD_CLASS_VERSION
  driver.version = H5FD_CLASS_VERSION;
  driver.value = static_cast<H5FD_class_value_t>(711);  // one that HDF5 leaves to everybody
#endif
  driver.name = "multibuffer";
  driver.maxaddr = static_cast<haddr_t>(-1) >> 1;
  driver.fc_degree = H5F_CLOSE_STRONG;
  driver.fapl_size = sizeof(Access);
  driver.open = open_file;
  driver.close = close_file;
  driver.cmp = compare;
  driver.query = query;
  driver.get_eoa = get_end;
  driver.set_eoa = set_end;
  driver.get_eof = get_size;
  driver.read = read;
  driver.write = write;
  return Id(H5FDregister(&driver));
}

}  // namespace

Hold::Hold(const std::string& path) : lock_(process_mutex(ProcessLock::hdf5)) {
  load(path);
  silence();
}
Hold::Hold() : lock_(process_mutex(ProcessLock::hdf5)) { silence(); }
Hold::~Hold() { H5Eset_auto2(H5E_DEFAULT, printer_, printer_data_); }

void Hold::silence() {
  H5Eget_auto2(H5E_DEFAULT, &printer_, &printer_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::string reason() {
  const char* innermost = nullptr;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, static_cast<void*>(&innermost));
  return innermost ? std::string(innermost).substr(0, 200) : "libhdf5 does not say why";
}

std::string version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return text(major, ".", minor, ".", release);
}

Input::Input(const std::string& path) : file_(path), driver_(register_driver()) {
  const Id access(H5Pcreate(H5P_FILE_ACCESS));
  const Access info{this};
  if (!driver_ || !access || H5Pset_driver(access, driver_, &info) < 0)
    throw Failure(Errc::file_invalid, text(path, ": libhdf5: ", reason()));
  // H5F_ACC_RDONLY is 0 and a call that ends the process if the library is of another version than
  // its headers were.
  id_ = Id(H5Fopen(path.c_str(), 0, access));
  if (id_) return;
  rethrow();
  throw Failure(Errc::file_invalid,
                text(path, ": libhdf5 ", version(), " cannot open it: ", reason()));
}

Input::~Input() = default;

void Input::rethrow() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

herr_t Input::read(H5FD_mem_t kind, haddr_t address, std::size_t bytes, void* to) noexcept {
  if (noting_ && kind == H5FD_MEM_DRAW) {
    noted_ = {noted_.reads + 1, address, bytes};
    return 0;
  }
  try {
    // Beyond the file's end are zeros, as for libhdf5's own drivers.
    const auto size = static_cast<std::uint64_t>(file_.bytes());
    const std::uint64_t there = address < size ? std::min<std::uint64_t>(bytes, size - address) : 0;
    const std::span all(static_cast<std::byte*>(to), bytes);
    if (there > 0)
      file_.read(static_cast<std::int64_t>(address), all.first(static_cast<std::size_t>(there)));
    std::ranges::fill(all.subspan(static_cast<std::size_t>(there)), std::byte{0});
    return 0;
  } catch (...) {
    failure_ = std::current_exception();
    return -1;
  }
}

}  // namespace multibuffer::files::hdf5
