# The library fast_cpu: this project's ggml backend for x86-64 and Arm64, built with gcc or clang and OpenMP.
# Elsewhere it is a stub that registers no device, and ggml's own CPU code is used.

find_package(OpenMP COMPONENTS CXX)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|aarch64|arm64)$" OR MSVC OR NOT OpenMP_CXX_FOUND OR
   GPUSTACK_DRAW_STAND_IN)
  add_library(fast_cpu STATIC cpp/cpu/backend_stub.cpp)
  target_include_directories(fast_cpu PUBLIC cpp)
  target_link_libraries(fast_cpu PRIVATE engine_library gpustack_draw_warnings)
  return()
endif()

include(cmake/CpuTargets.cmake)

add_library(fast_cpu STATIC cpp/cpu/backend.cpp cpp/cpu/buffer.cpp cpp/cpu/graph.cpp
            cpp/cpu/kernels/kernels.cpp)
file(GLOB fast_cpu_operations CONFIGURE_DEPENDS cpp/cpu/operations/*.cpp)
target_sources(fast_cpu PRIVATE ${fast_cpu_operations})
target_include_directories(fast_cpu PUBLIC cpp)
# The backend interface is declared in ggml's private headers.
target_include_directories(fast_cpu SYSTEM PRIVATE "${ENGINE_SOURCE_DIR}/ggml/src")
target_link_libraries(fast_cpu PUBLIC engine_library PRIVATE OpenMP::OpenMP_CXX gpustack_draw_warnings)

# Add the kernels in SOURCE of each of the remaining arguments, CPU targets.
function(add_kernels source)
  foreach(cpu_target IN LISTS ARGN)
    set(library fast_cpu_${source}_${cpu_target})
    add_cpu_target(${library} ${source}.cpp ${cpu_target} -O3 ${${cpu_target}_flags})
    target_link_libraries(${library} PRIVATE gpustack_draw_warnings)
    target_link_libraries(fast_cpu PRIVATE ${library})
  endforeach()
endfunction()

add_kernels(target ${cpu_targets})
add_kernels(int8_target ${int8_targets})
