# The project's own ggml backend for CPUs, as one target, fast_cpu, on x86-64 with gcc or clang and
# OpenMP. Elsewhere the target says that there is no such backend, and ggml's own code computes.

find_package(OpenMP COMPONENTS CXX)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$" OR MSVC OR NOT OpenMP_CXX_FOUND OR
   GPUSTACK_DRAW_STAND_IN)
  add_library(fast_cpu STATIC cpp/cpu/absent.cpp)
  target_include_directories(fast_cpu PUBLIC cpp)
  target_link_libraries(fast_cpu PRIVATE engine_library gpustack_draw_warnings)
  return()
endif()

include(cmake/CpuLevels.cmake)

add_library(fast_cpu STATIC cpp/cpu/backend.cpp cpp/cpu/buffer.cpp cpp/cpu/graph.cpp
            cpp/cpu/kernels/kernels.cpp cpp/cpu/team.cpp)
file(GLOB fast_cpu_operations CONFIGURE_DEPENDS cpp/cpu/operations/*.cpp)
target_sources(fast_cpu PRIVATE ${fast_cpu_operations})
target_include_directories(fast_cpu PUBLIC cpp)
# ggml's inner headers say what a backend is.
target_include_directories(fast_cpu SYSTEM PRIVATE "${ENGINE_SOURCE_DIR}/ggml/src")
target_link_libraries(fast_cpu PUBLIC engine_library PRIVATE OpenMP::OpenMP_CXX gpustack_draw_warnings)

foreach(level IN LISTS cpu_levels)
  add_cpu_level(fast_cpu_${level} ${level} -O3 ${${level}_flags})
  target_link_libraries(fast_cpu_${level} PRIVATE gpustack_draw_warnings)
  target_link_libraries(fast_cpu PRIVATE fast_cpu_${level})
endforeach()
