# Makes Debian packages: `./dev packages`, or a build with MULTIBUFFER_PACKAGES and then `cpack`.
#
# libmultibuffer0.N   the shared library          multibuffer           the command
# libmultibuffer-dev  headers, find_package()     python3-multibuffer   the module for Debian's Python
option(MULTIBUFFER_PACKAGES "Make Debian packages with cpack" OFF)
if(NOT MULTIBUFFER_PACKAGES)
  return()
endif()

# The libraries are in /usr/lib.
set_target_properties(multibuffer_command multibuffer_dataset PROPERTIES INSTALL_RPATH "")

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL library development command python)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
  GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_PACKAGE_VENDOR "The multibuffer authors")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The multibuffer authors")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# Libraries of the system are found by dpkg-shlibdeps. Our own, which no package has yet, is a
# dependency between components, of the very same build.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
get_target_property(library_folder multibuffer BINARY_DIR)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${library_folder})
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS library)
set(CPACK_COMPONENT_COMMAND_DEPENDS library)
set(CPACK_COMPONENT_PYTHON_DEPENDS library)

# The first line of a component's description is its synopsis only if the project has no summary, or
# what CPack takes for none.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_NAME} built using CMake")
set(about "Pointers are resolved once, uploaded in one transfer, gathered on a GPU
or on the host, and checked bit for bit against a reference that follows the
original pointers.")

# An interface of 0.N is not that of 0.M: the package has the name of the shared object that is in it.
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME
  libmultibuffer${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "Arrays of pointers as N-dimensional arrays: library\n${about}")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libmultibuffer-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
  "Arrays of pointers as N-dimensional arrays: C++ headers\n${about}")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "cmake, g++")

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME multibuffer)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_COMMAND_DESCRIPTION "Arrays of pointers as N-dimensional arrays: command\n${about}
The command does so with .npy files and PNGs.")

# libhdf5 is loaded where a file asks for it, which dpkg-shlibdeps does not see.
if(TARGET multibuffer_hdf5)
  file(REAL_PATH ${multibuffer_hdf5_LIBRARY} hdf5)
  execute_process(COMMAND dpkg-query --search ${hdf5} OUTPUT_VARIABLE owner ERROR_QUIET)
  string(REGEX MATCH "^[a-z0-9.+-]+" CPACK_DEBIAN_LIBRARY_PACKAGE_RECOMMENDS "${owner}")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS ${CPACK_DEBIAN_LIBRARY_PACKAGE_RECOMMENDS})
endif()

# The extension is for one version of Python, and only for that.
set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-multibuffer)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_DESCRIPTION
  "Arrays of pointers as N-dimensional arrays: Python module\n${about}")
get_target_property(python_folder multibuffer_python SOURCE_DIR)
get_directory_property(minor DIRECTORY ${python_folder} DEFINITION Python_VERSION_MINOR)
math(EXPR next_minor "${minor} + 1")
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.${minor}), python3 (<< 3.${next_minor})")
list(APPEND CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS python3-numpy)
list(JOIN CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS ", " CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS multibuffer)
# Debian compiles a module when it is installed, and removes what it has made.
set(scripts ${PROJECT_BINARY_DIR}/python_scripts)
file(CONFIGURE OUTPUT ${scripts}/postinst CONTENT "#!/bin/sh
set -e
if [ \"$1\" = configure ]; then py3compile -p python3-multibuffer; fi
")
file(CONFIGURE OUTPUT ${scripts}/prerm CONTENT "#!/bin/sh
set -e
py3clean -p python3-multibuffer
")
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${scripts}/postinst ${scripts}/prerm)

include(CPack)
