# The targets that the CPU backend's kernels are compiled for, and the compiler flags of each. The
# program selects one of them at run time: cpp/cpu/kernels/kernels.cpp must check for the same
# extensions.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(cpu_targets neon neon_bf16)
  set(int8_targets "")
else()
  set(cpu_targets avx2 avx512 avx512_bf16 amx_bf16)
  set(int8_targets avx2 avx_vnni avx512_vnni)
endif()
set(avx2_flags -mavx2 -mfma -mf16c)
set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512vl -mavx512dq)
set(avx_vnni_flags ${avx2_flags} -mavxvnni)
set(avx512_vnni_flags ${avx512_flags} -mavx512vnni)
set(avx512_bf16_flags ${avx512_flags} -mavx512bf16)
set(amx_bf16_flags ${avx512_bf16_flags} -mamx-tile -mamx-bf16)
set(neon_bf16_flags -march=armv8.2-a+bf16)

# Add the object library LIBRARY: the kernels of one CPU target in SOURCE, target.cpp or
# int8_target.cpp, compiled with the remaining arguments as flags.
function(add_cpu_target library source cpu_target)
  set(cpp "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../cpp")
  add_library(${library} OBJECT "${cpp}/cpu/kernels/${source}")
  string(TOUPPER "GPUSTACK_DRAW_${cpu_target}" target_macro)
  target_compile_definitions(${library} PRIVATE GPUSTACK_DRAW_TARGET=${target_macro})
  # gcc 12 warns about its own headers: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105593
  target_compile_options(${library} PRIVATE ${ARGN} -Wno-uninitialized -Wno-maybe-uninitialized)
  if(cpu_target MATCHES "neon" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # gcc would load the elements of A so early that accumulators are spilled to memory.
    target_compile_options(${library} PRIVATE -fno-schedule-insns)
  endif()
  target_include_directories(${library} PRIVATE "${cpp}")
endfunction()
