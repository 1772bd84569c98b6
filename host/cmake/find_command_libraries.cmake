# Finds libpng, which the datasets read pictures with, and what else the command is made of.
#
# MULTIBUFFER_COMMAND is ON, OFF, or AUTO: to build the command where CLI11 and libpng are. Afterwards it
# is ON or OFF, and `multibuffer_why_no_command` says why.
# A wheel goes to machines that may not have libpng, so it takes the archives where they are.
if(MULTIBUFFER_WHEEL)
  set(shared_and_static ${CMAKE_FIND_LIBRARY_SUFFIXES})
  list(PREPEND CMAKE_FIND_LIBRARY_SUFFIXES .a)
endif()
find_package(PNG QUIET)
if(MULTIBUFFER_WHEEL)
  set(CMAKE_FIND_LIBRARY_SUFFIXES ${shared_and_static})
endif()

set(multibuffer_why_no_command "it was left out of the build (MULTIBUFFER_COMMAND is OFF)")
if(NOT MULTIBUFFER_COMMAND)
  return()
endif()

find_package(CLI11 QUIET)
set(absent)
if(NOT CLI11_FOUND)
  list(APPEND absent "CLI11 (on Debian: libcli11-dev)")
endif()
if(NOT PNG_FOUND)
  list(APPEND absent "libpng (on Debian: libpng-dev)")
endif()
list(JOIN absent " and " absent)
if(absent STREQUAL "")
  set(MULTIBUFFER_COMMAND ON)
elseif(MULTIBUFFER_COMMAND STREQUAL "AUTO")
  set(MULTIBUFFER_COMMAND OFF)
  set(multibuffer_why_no_command "the machine that built it lacked ${absent}")
  message(STATUS "The command is left out, since this machine lacks ${absent}")
else()
  message(FATAL_ERROR "The command needs ${absent}. Install that, or leave the command out with "
    "-D MULTIBUFFER_COMMAND=OFF.")
endif()
