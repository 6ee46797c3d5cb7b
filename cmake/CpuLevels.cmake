# The levels of instructions that the CPU backend's kernels are compiled for, and the flags of each.
# Which one is used is decided when the program runs (cpp/cpu/kernels/kernels.cpp, which must know
# the same extensions).

set(cpu_levels avx2 avx512 avx512_bf16 amx_bf16)
set(avx2_flags -mavx2 -mfma -mf16c)
set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512vl -mavx512dq)
set(avx512_bf16_flags ${avx512_flags} -mavx512bf16)
set(amx_bf16_flags ${avx512_bf16_flags} -mamx-tile -mamx-bf16)

# The kernels of one level as a target, compiled with the flags that follow.
function(add_cpu_level target level)
  set(cpp "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../cpp")
  add_library(${target} OBJECT "${cpp}/cpu/kernels/level.cpp")
  string(TOUPPER "GPUSTACK_DRAW_${level}" level_name)
  target_compile_definitions(${target} PRIVATE GPUSTACK_DRAW_LEVEL=${level_name})
  # gcc 12 warns of its own headers: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105593
  target_compile_options(${target} PRIVATE ${ARGN} -Wno-uninitialized -Wno-maybe-uninitialized)
  target_include_directories(${target} PRIVATE "${cpp}")
endfunction()
