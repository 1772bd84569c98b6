# The library, its headers, the command, and what find_package(multibuffer) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Who links a static multibuffer::dataset links what it is linked with: packages, by their targets.
set(multibuffer_dataset_packages)
get_target_property(kind multibuffer_dataset TYPE)
if(kind STREQUAL "STATIC_LIBRARY")
  get_target_property(libraries multibuffer_dataset LINK_LIBRARIES)
  list(FILTER libraries INCLUDE REGEX "^[A-Za-z0-9_]+::")
  list(TRANSFORM libraries REPLACE "::.*" "" OUTPUT_VARIABLE multibuffer_dataset_packages)
  list(REMOVE_DUPLICATES multibuffer_dataset_packages)
endif()

set(multibuffer_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/multibuffer)
get_target_property(multibuffer_type multibuffer TYPE)
configure_package_config_file(host/cmake/multibuffer-config.cmake.in multibuffer-config.cmake
  INSTALL_DESTINATION ${multibuffer_package_dir})
write_basic_package_version_file(multibuffer-config-version.cmake COMPATIBILITY SameMinorVersion)

# The components are packages of packages.cmake; `cmake --install` without one installs them all.
install(TARGETS multibuffer multibuffer_dataset EXPORT multibuffer
  LIBRARY COMPONENT library NAMELINK_COMPONENT development
  ARCHIVE COMPONENT development
  FILE_SET HEADERS COMPONENT development)
# So that each finds a shared library beside it, wherever both are put. Without one, a place for such a
# path would make programs in the build tree look for libraries in the folder that they are called in.
set_target_properties(multibuffer_dataset PROPERTIES INSTALL_RPATH "$ORIGIN")
if(TARGET multibuffer_command)
  if(multibuffer_type STREQUAL "SHARED_LIBRARY")
    set_target_properties(multibuffer_command PROPERTIES
      INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  endif()
  install(TARGETS multibuffer_command COMPONENT command)
endif()
install(EXPORT multibuffer NAMESPACE multibuffer:: FILE multibuffer-targets.cmake
  DESTINATION ${multibuffer_package_dir} COMPONENT development)
install(FILES
  ${PROJECT_BINARY_DIR}/multibuffer-config.cmake
  ${PROJECT_BINARY_DIR}/multibuffer-config-version.cmake
  DESTINATION ${multibuffer_package_dir} COMPONENT development)
