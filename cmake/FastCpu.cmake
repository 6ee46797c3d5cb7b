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

# The kernels are compiled once for each level of instructions; which one is used is decided when the
# program runs (cpp/cpu/kernels/kernels.cpp, which must know the same extensions).
set(avx2_flags -mavx2 -mfma -mf16c)
set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512vl -mavx512dq)
set(avx512_bf16_flags ${avx512_flags} -mavx512bf16)
set(amx_bf16_flags ${avx512_bf16_flags} -mamx-tile -mamx-bf16)

add_library(fast_cpu STATIC cpp/cpu/backend.cpp cpp/cpu/buffer.cpp cpp/cpu/graph.cpp
            cpp/cpu/kernels/kernels.cpp cpp/cpu/team.cpp)
file(GLOB fast_cpu_operations CONFIGURE_DEPENDS cpp/cpu/operations/*.cpp)
target_sources(fast_cpu PRIVATE ${fast_cpu_operations})
target_include_directories(fast_cpu PUBLIC cpp)
# ggml's inner headers say what a backend is.
target_include_directories(fast_cpu SYSTEM PRIVATE "${ENGINE_SOURCE_DIR}/ggml/src")
target_link_libraries(fast_cpu PUBLIC engine_library PRIVATE OpenMP::OpenMP_CXX gpustack_draw_warnings)

foreach(level IN ITEMS avx2 avx512 avx512_bf16 amx_bf16)
  add_library(fast_cpu_${level} OBJECT cpp/cpu/kernels/level.cpp)
  string(TOUPPER "GPUSTACK_DRAW_${level}" level_name)
  target_compile_definitions(fast_cpu_${level} PRIVATE GPUSTACK_DRAW_LEVEL=${level_name})
  # gcc 12 warns of its own headers: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105593
  target_compile_options(fast_cpu_${level} PRIVATE -O3 ${${level}_flags} -Wno-maybe-uninitialized)
  target_include_directories(fast_cpu_${level} PRIVATE cpp)
  target_link_libraries(fast_cpu_${level} PRIVATE gpustack_draw_warnings)
  target_link_libraries(fast_cpu PRIVATE fast_cpu_${level})
endforeach()
