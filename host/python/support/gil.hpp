#pragma once

#include <pybind11/pybind11.h>

// The GIL, and the threads that Python ends.
//
// A thread that asks for the GIL when the main thread has begun to finalize the interpreter never
// gets it. Up to CPython 3.13 it is ended by pthread_exit, whose way it is to unwind the stack: it
// runs destructors, which would let go of Python objects without the GIL, and aborts the process at
// the first function that must not throw or `catch (...)` that does not rethrow. From 3.14 on such
// a thread stays where it is, until the process ends.
//
// Here such a thread stays with every version, wherever it was: in a destructor that takes the GIL
// back, or in code of somebody else's that we have called. gil.cpp sees to it, for all code of the
// module.

namespace multibuffer::python {

/// Lets go of the GIL for as long as it lives. The thread must have it.
class GilReleased {
 public:
  GilReleased() : thread_(PyEval_SaveThread()) {}
  ~GilReleased() { PyEval_RestoreThread(thread_); }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

  /// Takes it back for `work`. By the state of the thread, which tells CPython that the thread is
  /// to end, however long ago the interpreter has gone; PyGILState_Ensure would make a new one
  /// then.
  template <class Work>
  void with_gil(const Work& work) {
    PyEval_RestoreThread(thread_);
    work();
    thread_ = PyEval_SaveThread();
  }

 private:
  PyThreadState* thread_;
};

/// Has the GIL for as long as it lives, on whatever thread, of an interpreter that is there.
class GilTaken {
 public:
  GilTaken() : state_(PyGILState_Ensure()) {}
  ~GilTaken() { PyGILState_Release(state_); }
  GilTaken(const GilTaken&) = delete;
  GilTaken& operator=(const GilTaken&) = delete;

 private:
  PyGILState_STATE state_;
};

/// For destructors: takes the GIL, and sets aside an exception under way, since letting go may run
/// Python code.
class LettingGo {
 public:
  LettingGo() { PyErr_Fetch(&type_, &value_, &traceback_); }
  ~LettingGo() {
    if (PyErr_Occurred()) PyErr_WriteUnraisable(nullptr);
    PyErr_Restore(type_, value_, traceback_);
  }
  LettingGo(const LettingGo&) = delete;
  LettingGo& operator=(const LettingGo&) = delete;

 private:
  GilTaken gil_;
  PyObject *type_ = nullptr, *value_ = nullptr, *traceback_ = nullptr;
};

}  // namespace multibuffer::python
