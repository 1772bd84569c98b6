#pragma once

#include "host/files/hdf5_functions.hpp"
#include "host/files/input_file.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

// How libhdf5 is called: by one thread at a time, without its own printing, and on files that it
// reads through this library's `InputFile`.

namespace multibuffer::files::hdf5 {

/// Keeps libhdf5 for one thread, and quiet. Every call into libhdf5 is made while one of these
/// lives: Debian's libhdf5 is not built for several threads, and by default prints each error.
///
/// Another user of the same libhdf5 in the process (Debian's h5py) is not kept out by this;
/// multibuffer.open() holds h5py's own lock for that.
class Hold {
 public:
  /// Loads libhdf5 if nobody has yet. Throws `file_invalid`, naming the file that it is for, where
  /// there is none.
  explicit Hold(const std::string& path);
  /// For calls about a file that is open, so that libhdf5 has been loaded.
  Hold();
  ~Hold();
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  void silence();

  std::lock_guard<std::mutex> lock_;
  H5E_auto2_t printer_ = nullptr;
  void* printer_data_ = nullptr;
};

/// Returns what libhdf5 says is wrong: the innermost line of its error stack.
std::string reason();
/// Returns the version of libhdf5, "1.10.8": newer ones write what older ones do not read.
std::string version();

/// An identifier of libhdf5, negative where a call has failed, which is released with this.
class Id {
 public:
  explicit Id(hid_t id = -1) noexcept : id_(id) {}
  ~Id() {
    if (id_ >= 0) H5Idec_ref(id_);
  }
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Id& operator=(Id&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  explicit operator bool() const noexcept { return id_ >= 0; }
  operator hid_t() const noexcept { return id_; }

 private:
  hid_t id_;
};

/// A file that libhdf5 reads.
///
/// It is opened by a driver of our own, which reads with `InputFile`. So libhdf5 takes no lock on
/// the file, which file systems of clusters often lack, and shares nothing with others in the
/// process that have opened the file by the same libhdf5. Reads of elements can be noted instead of
/// done, since that says where the elements lie.
class Input {
 public:
  /// Throws `file_unreadable`, and `file_invalid` with libhdf5's reason.
  explicit Input(const std::string& path);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  hid_t id() const noexcept { return id_; }
  std::int64_t bytes() const noexcept { return file_.bytes(); }
  /// Throws what a read has thrown since the last call, which libhdf5 knows only as a failure.
  void rethrow();

  /// The last read of elements that was noted, and how many there were.
  struct Noted {
    int reads = 0;
    haddr_t address = 0;
    std::size_t bytes = 0;
  };
  /// Begins or ends to note where elements are read from, instead of reading them. Returns what has
  /// been noted so far, and forgets it.
  Noted note_reads(bool on) noexcept {
    noting_ = on;
    return std::exchange(noted_, {});
  }

  /// Called by the driver.
  herr_t read(H5FD_mem_t kind, haddr_t address, std::size_t bytes, void* to) noexcept;

 private:
  InputFile file_;
  Id driver_;
  Id id_;
  std::exception_ptr failure_;
  bool noting_ = false;
  Noted noted_;
};

}  // namespace multibuffer::files::hdf5
