# Decides whether cuda/ is part of the build. Where it is, MULTIBUFFER_HAS_CUDA is true and CUDA is
# an enabled language.

set(MULTIBUFFER_CUDA AUTO CACHE STRING
  "Build the CUDA backend: AUTO (where the CUDA Toolkit is), ON (or stop), OFF")
set_property(CACHE MULTIBUFFER_CUDA PROPERTY STRINGS AUTO ON OFF)
option(MULTIBUFFER_CUDA_ALL_ARCHS "Compile for every architecture that nvcc knows" OFF)

# cudaGetDriverEntryPointByVersion; C++20 in device code has been there since 12.0
set(multibuffer_cuda_minimum 12.5)

# Sets `why_not` to the empty string if nvcc is there, new enough and works, else to the reason.
# CMAKE_CUDA_COMPILER is then what enable_language(CUDA) will take.
function(multibuffer_check_cuda why_not)
  if(DEFINED ENV{CUDACXX}) # also the way to hide an nvcc, that of an earlier build as well: CUDACXX=none
    find_program(nvcc $ENV{CUDACXX} NO_CACHE)
    if(NOT nvcc)
      unset(CMAKE_CUDA_COMPILER CACHE)
      set(${why_not} "built with CUDACXX=$ENV{CUDACXX}" PARENT_SCOPE)
      return()
    endif()
  endif()
  if(NOT CMAKE_CUDA_COMPILER)
    # A failure is not remembered: the toolkit may have been installed since.
    unset(CMAKE_CUDA_COMPILER CACHE)
    if(NOT DEFINED ENV{CUDACXX})
      file(GLOB versions /usr/local/cuda-*)
      list(SORT versions COMPARE NATURAL ORDER DESCENDING)
      find_program(nvcc nvcc NO_CACHE
        HINTS ENV CUDA_HOME ENV CUDA_PATH
        PATHS /usr/local/cuda ${versions} /opt/cuda
        PATH_SUFFIXES bin)
    endif()
    if(NOT nvcc)
      set(${why_not} "nvcc was not found" PARENT_SCOPE)
      return()
    endif()

    execute_process(COMMAND ${nvcc} --version OUTPUT_VARIABLE version ERROR_QUIET)
    string(REGEX MATCH "release ([0-9.]+)" version "${version}")
    if(version STREQUAL "")
      set(${why_not} "${nvcc} does not say its release" PARENT_SCOPE)
      return()
    endif()
    if(CMAKE_MATCH_1 VERSION_LESS multibuffer_cuda_minimum)
      set(${why_not} "${nvcc} is release ${CMAKE_MATCH_1}, and ${multibuffer_cuda_minimum} is needed"
        PARENT_SCOPE)
      return()
    endif()

    set(ENV{CUDACXX} ${nvcc})
    include(CheckLanguage)
    check_language(CUDA)
    if(NOT CMAKE_CUDA_COMPILER)
      set(${why_not} "${nvcc} cannot compile a program" PARENT_SCOPE)
      return()
    endif()
    # It can for its own machine, whether or not there are libraries for the one that is built for.
    if(CMAKE_CROSSCOMPILING)
      find_package(CUDAToolkit QUIET)
      if(NOT TARGET CUDA::cudart_static)
        unset(CMAKE_CUDA_COMPILER CACHE)
        set(${why_not} "${nvcc} comes without libraries for ${CMAKE_SYSTEM_PROCESSOR}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endif()
  set(${why_not} "" PARENT_SCOPE)
endfunction()

set(MULTIBUFFER_HAS_CUDA OFF)
set(multibuffer_why_no_cuda "built with MULTIBUFFER_CUDA=OFF")
if(MULTIBUFFER_CUDA)
  multibuffer_check_cuda(multibuffer_why_no_cuda)
  if(multibuffer_why_no_cuda STREQUAL "")
    set(MULTIBUFFER_HAS_CUDA ON)
  elseif(MULTIBUFFER_CUDA STREQUAL "AUTO")
    message(STATUS "Without the CUDA backend (${multibuffer_why_no_cuda})")
  else()
    message(FATAL_ERROR "MULTIBUFFER_CUDA is ON, but ${multibuffer_why_no_cuda}")
  endif()
endif()

if(MULTIBUFFER_HAS_CUDA)
  if(MULTIBUFFER_CUDA_ALL_ARCHS)
    set(CMAKE_CUDA_ARCHITECTURES all)
  elseif(NOT CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
    # Code for 75 and 80 also runs on the later chips of those generations, but not on those of Jetson
    # boards (Orin, 87), which are given the PTX of 80; PTX of 90 runs on all later ones, once the
    # driver has compiled it at the first use. So Blackwell (100 and 120) has code of its own where
    # nvcc knows it.
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80 90)
    execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-arch
      OUTPUT_VARIABLE known_architectures ERROR_QUIET)
    foreach(architecture 100 120)
      if(known_architectures MATCHES "compute_${architecture}\n")
        list(APPEND CMAKE_CUDA_ARCHITECTURES ${architecture}-real)
      endif()
    endforeach()
  endif()
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  message(STATUS "CUDA Toolkit ${CUDAToolkit_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
endif()
