#include "host/python/support/gil.hpp"

#if defined(__linux__)

#include <unistd.h>
#include <unwind.h>

// Unwinding a stack asks the personality routine of each function on it what there is to do. The
// linker gives all C++ code of the module this one in the place of the C++ library's own
// (--wrap=__gxx_personality_v0), which it is but for one case.

extern "C" {

_Unwind_Reason_Code personality_of_cxx(
    int version, _Unwind_Action actions, _Unwind_Exception_Class exception_class,
    _Unwind_Exception* exception, _Unwind_Context* context) __asm__("__real___gxx_personality_v0");

_Unwind_Reason_Code personality(int version, _Unwind_Action actions,
                                _Unwind_Exception_Class exception_class,
                                _Unwind_Exception* exception,
                                _Unwind_Context* context) __asm__("__wrap___gxx_personality_v0");

/// Unwinding by force is no exception but the end of a thread, which waits here for the end of the
/// process: before any of our destructors has run, and without the GIL, which it waited for.
_Unwind_Reason_Code personality(int version, _Unwind_Action actions,
                                _Unwind_Exception_Class exception_class,
                                _Unwind_Exception* exception, _Unwind_Context* context) {
  if ((actions & _UA_FORCE_UNWIND) != 0)
    while (true) pause();  // which signals end
  return personality_of_cxx(version, actions, exception_class, exception, context);
}

}  // extern "C"

#endif
