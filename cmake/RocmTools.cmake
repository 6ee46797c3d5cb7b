# Checks that a build with ROCm finds its compiler, before anything is downloaded: CMake's message would
# name no remedy. ROCm's packages are left to ggml, because its search for them sets the architectures.

if(NOT WIN32 AND NOT CMAKE_CXX_COMPILER MATCHES "hipcc$")  # those compile HIP as C++
  include(CheckLanguage)
  check_language(HIP)
  if(NOT CMAKE_HIP_COMPILER)
    message(FATAL_ERROR "A build with ROCm needs AMD's compiler and libraries: install ROCm 6.1 or newer with "
                        "hipBLAS and rocBLAS, add its folder bin to PATH, and install gpustack-draw again.")
  endif()
endif()
