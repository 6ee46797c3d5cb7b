# Finds the compiler of a build with CUDA: the one named, NVIDIA's packages in the Python environment
# that builds (cuda-toolkit[nvcc,cudart,cccl,cublas] of the package index), or the toolkit of the system.
#
# Sets cuda_runtime_folder to where these packages install CUDA's libraries, relative to the folder of
# the extension, and to nothing for another toolkit.

if(NOT Python_EXECUTABLE)
  find_package(Python REQUIRED COMPONENTS Interpreter)
endif()

# Set `folder` to the toolkit in the Python environment, or to nothing.
function(find_cuda_packages folder)
  execute_process(
    COMMAND
      "${Python_EXECUTABLE}" -c
      "import importlib.util as util; spec = util.find_spec('nvidia'); \
       print(*(spec.submodule_search_locations if spec else ()), sep=';')"
    OUTPUT_VARIABLE packages
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(TRANSFORM packages APPEND "/cu*/bin/nvcc")
  file(GLOB compilers ${packages})
  set(${folder} "" PARENT_SCOPE)
  if(compilers)
    list(SORT compilers COMPARE NATURAL ORDER DESCENDING)
    list(GET compilers 0 compiler)
    cmake_path(GET compiler PARENT_PATH compiler)
    cmake_path(GET compiler PARENT_PATH compiler)
    set(${folder} "${compiler}" PARENT_SCOPE)
  endif()
endfunction()

# Add the names that nvcc and CMake look for, and that the packages lack.
function(mend_cuda_packages folder)
  if(NOT EXISTS "${folder}/lib64")
    file(CREATE_LINK lib "${folder}/lib64" SYMBOLIC)
  endif()
  foreach(library IN ITEMS cublas cublasLt cudart)
    file(GLOB versions RELATIVE "${folder}/lib" "${folder}/lib/lib${library}.so.*")
    if(NOT versions)
      message(FATAL_ERROR "NVIDIA's packages in '${folder}' lack lib${library}: "
                          "pip install 'cuda-toolkit[nvcc,cudart,cccl,cublas]==13.0.*'")
    endif()
    list(GET versions 0 version)
    file(CREATE_LINK ${version} "${folder}/lib/lib${library}.so" SYMBOLIC)
  endforeach()
endfunction()

set(cuda_runtime_folder "")
if(NOT CMAKE_CUDA_COMPILER AND "$ENV{CUDACXX}" STREQUAL "")
  find_cuda_packages(cuda_packages)
  if(cuda_packages)
    message(STATUS "CUDA of the Python environment: ${cuda_packages}")
    mend_cuda_packages("${cuda_packages}")
    set(CMAKE_CUDA_COMPILER "${cuda_packages}/bin/nvcc" CACHE FILEPATH "")
    set(CUDAToolkit_ROOT "${cuda_packages}" CACHE PATH "")
    # The driver's library, which ggml's other allocator calls, has no package to link with. It is not
    # needed then on machines without a GPU.
    set(GGML_CUDA_NO_VMM ON CACHE BOOL "")
  endif()
endif()
if(CMAKE_CUDA_COMPILER MATCHES "/nvidia/(cu[0-9]+)/bin/nvcc$")
  set(cuda_runtime_folder "../nvidia/${CMAKE_MATCH_1}/lib")
endif()

find_package(CUDAToolkit QUIET)
if(NOT CUDAToolkit_FOUND OR NOT TARGET CUDA::cublas)
  message(FATAL_ERROR "A build with CUDA needs NVIDIA's compiler nvcc and the library cuBLAS: install the "
                      "CUDA toolkit, or build with NVIDIA's Python packages (docs/how-to/gpu.md#cuda), and "
                      "install gpustack-draw again.")
endif()
