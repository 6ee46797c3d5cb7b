#pragma once

// Interface of the kernels: plain memory and sizes, no ggml types and no vector types. The code
// behind it is compiled once for each target (see target.cpp) and reached through `Kernels`.

#include <cstddef>
#include <cstdint>

namespace gpustack_draw::cpu {

/// Storage format of a row of numbers.
enum class Format {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  other,  ///< Another quantized format; Rows::dequantize decodes a run of whole blocks.
};

using Dequantize = void (*)(const void* blocks, float* numbers, std::int64_t count);

/// An element of a packed panel: one f32 or two bf16, depending on the target. Only the kernels
/// read and write it.
struct Packed {
  float bits;
};

/// Rows of numbers `stride` bytes apart; the numbers within a row are contiguous.
struct Rows {
  const void* data;
  std::int64_t stride;
  Format format = Format::f32;
  Dequantize dequantize = nullptr;
  std::int64_t block_size = 1;   ///< Numbers in a quantized block.
  std::int64_t block_bytes = 0;  ///< Bytes of a quantized block.
};

/// The depth of a GEMM, and how much of it is packed at a time.
struct KBlocking {
  std::int64_t k;
  std::int64_t kc;
};

/// One operand of a GEMM, stored as rows along k.
struct Operand {
  Rows rows;
  std::int64_t count;
  KBlocking blocking;
  const Packed* panels = nullptr;  ///< All packed by Kernels::pack_a or pack_b, or null.
};

/// output[row][column] = sum over k of a[row][k] * b[column][k].
struct Gemm {
  Operand a;
  Operand b;
  float* output;
  std::int64_t output_stride;  ///< Numbers from one output row to the next.
};

/// A GEMM by Strassen's algorithm, some rows of the upper half and of the lower half at a time. A
/// is f32, B f32, f16 or bf16, and neither is packed; k is a multiple of 32 and the columns of 2
/// nr.
struct StrassenGemm {
  Gemm gemm;
  std::int64_t half_rows;  ///< Rows of the upper half, a multiple of mr.
  std::int64_t row_begin;  ///< Multiples of mr up to half_rows.
  std::int64_t row_end;
  Packed* a_sums;  ///< Packed by StrassenKernels::pack_a.
};

/// A GEMM with few columns: dot products of each row of weights with each input.
struct SkinnyGemm {
  Rows weights;
  const Packed* inputs;  ///< Inputs packed by Kernels::pack_skinny_input, one after the other.
  std::int64_t input_count;
  std::int64_t k;
  float* output;
  std::int64_t row_step;    ///< Output numbers from one row to the next.
  std::int64_t input_step;  ///< Output numbers from one input to the next.
};

/// A GEMM of quantized weights and inputs rounded to 8 bits, with a scale for 32 numbers along k of
/// both: output[input][row] = sum over k of inputs[input][k] * weights[row][k].
struct Int8Gemm {
  Rows weights;
  const Packed* inputs;  ///< Packed by Int8Kernels::pack_input, in register tiles.
  std::int64_t k;
  float* output;
  std::int64_t output_stride;  ///< Numbers from the output of an input to the next.
};

/// A 2D convolution. Width, height, padding and so on are in pixels.
struct Convolution {
  const float* input;  ///< [picture][channel][y][x], with contiguous planes.
  std::int64_t input_channel_stride;
  std::int64_t input_picture_stride;
  std::int64_t pictures;  ///< Kernels::winograd_convolution only; others read the first one.
  std::int64_t input_width;
  std::int64_t input_height;
  bool upsamples_input;  ///< Read the input upsampled 2x; Kernels::winograd_convolution only.
  Operand weights;       ///< A row per output channel: [input channel][y][x].
  std::int64_t kernel_width;
  std::int64_t kernel_height;
  std::int64_t input_channels;
  float* output;  ///< [picture][channel][y][x], contiguous.
  std::int64_t output_width;
  std::int64_t output_height;
  std::int64_t stride_x;
  std::int64_t stride_y;
  std::int64_t padding_x;
  std::int64_t padding_y;
  std::int64_t dilation_x;
  std::int64_t dilation_y;
  Operand patches;  ///< One patch per output pixel (im2col), packed by Kernels::pack_patches.
};

/// A range of Winograd tiles of all pictures in row-major order, each tile_size x tile_size output
/// pixels.
struct WinogradTiles {
  std::int64_t tile_size;  ///< 2 or 4
  std::int64_t begin;
  std::int64_t count;
  Packed* input;  ///< Input transformed by Kernels::winograd_transform_input.
};

/// A range of output rows of a shifted-GEMM convolution.
struct Strip {
  std::int64_t row_begin;
  std::int64_t row_end;
  const Packed* taps;  ///< Weights packed by ShiftedGemmKernels::pack_taps.
  Packed* planes;      ///< Input packed by ShiftedGemmKernels::pack_plane.
};

/// softmax(scale * queries * keys^T + mask) * values of one head; scores are never stored whole.
struct Attention {
  Rows queries;                ///< [query][head_size], f32
  Rows keys;                   ///< [key][head_size]
  Rows values;                 ///< [key][value_size]
  const void* mask;            ///< f16 [query][key], or null.
  std::int64_t mask_stride;    ///< Bytes from one query to the next.
  float* output;               ///< [query][value_size]
  std::int64_t output_stride;  ///< Numbers from one query to the next.
  std::int64_t query_count;
  std::int64_t key_count;
  std::int64_t head_size;
  std::int64_t value_size;
  float scale;
};

/// A block of an output: rows [row_begin, row_end) and columns [column_begin, column_end).
struct Block {
  std::int64_t row_begin;
  std::int64_t row_end;
  std::int64_t column_begin;
  std::int64_t column_end;
};

/// Scratch memory that grows on demand and is kept between calls; aligned for vectors.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch(Scratch&&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch& operator=(Scratch&&) = delete;

  /// @throws std::bad_alloc
  std::byte* take(std::size_t bytes);

 private:
  std::byte* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Scratch memory of one thread.
struct Workspace {
  Scratch panels;   ///< Packed panels.
  Scratch columns;  ///< Packed panels of B that several blocks read.
  Scratch sums;     ///< Accumulators.
};

enum class Unary { silu, gelu, gelu_quick, relu, sigmoid, tanh };

/// Bounds for the size of a block, and the cost of packing.
struct BlockLimits {
  std::int64_t max_rows;
  std::int64_t max_columns;
  std::int64_t min_rows;
  std::int64_t min_columns;
  std::int64_t packing_cost = 8;  ///< Packing one number, in multiply-adds: 6 to 11 measured.
};

/// Convolution as nine shifted GEMMs, for 3x3 kernels with padding 1 and without stride or
/// dilation. Pack the weights, mr rows at a time; for each strip pack the planes, then compute its
/// blocks. Rows are output channels; columns are pixels, plus one for each row of the picture.
struct ShiftedGemmKernels {
  std::int64_t (*packed_taps_size)(const Convolution&);  ///< Elements in Strip::taps.
  void (*pack_taps)(const Convolution&, std::int64_t row, Packed* taps);
  std::int64_t (*packed_planes_size)(const Convolution&, const Strip&);  ///< In Strip::planes.
  std::int64_t (*plane_count)(const Convolution&);
  void (*pack_plane)(const Convolution&, const Strip&, std::int64_t plane);
  void (*convolution)(const Convolution&, const Strip&, const Block&, Workspace&);
};

/// GEMM with seven eighths of the multiplications. Pack A, then compute the blocks, which are those
/// of the upper left quadrant and stand for all four.
struct StrassenKernels {
  std::int64_t min_rows;  ///< Below these sizes it was not faster.
  std::int64_t min_columns;
  std::int64_t min_k;
  BlockLimits limits;
  std::int64_t (*a_size)(const StrassenGemm&);  ///< Elements in StrassenGemm::a_sums.
  /// Pack mr rows from `row` on, and kc numbers of each half of k from `k` on.
  void (*pack_a)(const StrassenGemm&, std::int64_t row, std::int64_t k);
  void (*gemm)(const StrassenGemm&, const Block&, Workspace&);
};

/// Products of 8-bit integers. Blocks have inputs as rows, and rows of weights as columns.
struct Int8Kernels {
  const char* name;  ///< "avx2", "avx_vnni", "avx512_vnni"
  std::int64_t mr;   ///< Inputs of a register tile; blocks begin at multiples of it.
  std::int64_t nr;   ///< Rows of weights of a register tile; likewise.
  BlockLimits limits;
  bool (*supports)(Format);
  /// Return the elements of a packed input for weights of a format.
  std::int64_t (*input_size)(Format, std::int64_t k);
  /// Round an input to integers from -127 to 127 times a scale for each 32 numbers. The scale is
  /// NaN if one of them is infinite or NaN, and so are all products of the input.
  void (*pack_input)(Format, const float* numbers, std::int64_t k, std::int64_t input,
                     Packed* inputs);
  /// Compute a block. Inputs up to the next multiple of mr are read; results are not written.
  void (*gemm)(const Int8Gemm&, const Block&, Workspace&);
};

/// The kernels of one target. Each call runs on one thread.
struct Kernels {
  const char* name;  ///< "avx2", "avx512", "avx512_bf16", "amx_bf16", "neon", "neon_bf16"
  std::int64_t mr;   ///< Rows of a register tile; blocks of a GEMM begin at multiples of it.
  std::int64_t nr;   ///< Columns of a register tile; likewise.
  BlockLimits gemm_limits;
  double gemm_cost;  ///< Cost of a multiply-add in a GEMM relative to f32.

  /// Return the blocking for a depth. kc is a multiple of the block size of quantized rows.
  KBlocking (*k_blocking_for)(std::int64_t k, std::int64_t block_size);
  /// True if operands that several blocks read should be packed once for all of them.
  bool packs_whole_operands;
  /// Pack one panel of Operand::panels: mr (a) or nr (b) rows from `row`, a multiple of that, and
  /// kc numbers of each from `k`, a multiple of kc.
  void (*pack_a)(const Operand&, std::int64_t row, std::int64_t k, Packed* panels, Workspace&);
  void (*pack_b)(const Operand&, std::int64_t row, std::int64_t k, Packed* panels, Workspace&);
  std::int64_t (*packed_a_size)(const Operand&);  ///< Elements in Operand::panels.
  std::int64_t (*packed_b_size)(const Operand&);
  void (*gemm)(const Gemm&, const Block&, Workspace&);
  const StrassenKernels* strassen = nullptr;  ///< Null where it was not measured.
  void (*pack_skinny_input)(const float* numbers, std::int64_t k, Packed* packed);
  std::int64_t (*skinny_input_size)(std::int64_t k);
  /// Compute rows [row_begin, row_end) for all inputs.
  void (*skinny_gemm)(const SkinnyGemm&, std::int64_t row_begin, std::int64_t row_end, Workspace&);
  /// Return the number of columns up to which skinny_gemm is faster than gemm.
  std::int64_t (*max_skinny_columns)(std::int64_t k);
  /// Compute a block; rows are output channels, columns are pixels.
  void (*convolution)(const Convolution&, const Block&, Workspace&);
  /// Pack one panel of Convolution::patches, as pack_b does for rows in memory.
  void (*pack_patches)(const Convolution&, std::int64_t pixel, std::int64_t k, Packed* patches);
  /// Winograd convolution, for 3x3 kernels without stride or dilation. Columns are tiles; blocks
  /// obey winograd_limits. Null on targets where it never pays.
  void (*winograd_convolution)(const Convolution&, const WinogradTiles&, const Block&, Workspace&);
  /// Transform the input of nr tiles, panel by panel, before winograd_convolution.
  void (*winograd_transform_input)(const Convolution&, const WinogradTiles&, std::int64_t panel,
                                   std::int64_t channel_begin, std::int64_t channel_end);
  /// Return the elements in WinogradTiles::input.
  std::int64_t (*winograd_input_size)(const Convolution&, const WinogradTiles&);
  BlockLimits winograd_limits;
  std::int64_t max_skinny_tiles;  ///< Winograd tiles that take the time of as many, not of panels.
  const ShiftedGemmKernels* shifted_gemm;  ///< Null on targets that use Winograd instead.
  const Int8Kernels* int8 = nullptr;  ///< Null where quantized weights are converted to numbers.
  void (*attention)(const Attention&, std::int64_t query_begin, std::int64_t query_end, Workspace&);

  /// output = (input - mean) / sqrt(variance + epsilon), over `count` numbers.
  void (*normalize)(const float* input, float* output, std::int64_t count, float epsilon);
  /// output = input / sqrt(mean of squares + epsilon), over `count` numbers.
  void (*normalize_rms)(const float* input, float* output, std::int64_t count, float epsilon);
  void (*unary)(Unary, const float* input, float* output, std::int64_t count);
  void (*add)(const float* a, const float* b, float* output, std::int64_t count);
  void (*add_scalar)(const float* a, float b, float* output, std::int64_t count);
  void (*multiply)(const float* a, const float* b, float* output, std::int64_t count);
  void (*multiply_scalar)(const float* a, float b, float* output, std::int64_t count);
  /// output = input, or slope * input where that is larger; the slope is from 0 to 1.
  void (*leaky_relu)(const float* input, float slope, float* output, std::int64_t count);
  void (*to_f16)(const float* input, void* output, std::int64_t count);
  /// output[column][row] = input[row][column]; strides in numbers.
  void (*transpose)(const float* input, std::int64_t input_stride, float* output,
                    std::int64_t output_stride, std::int64_t rows, std::int64_t columns);
};

/// Return the kernels of the best target this CPU supports, or null.
const Kernels* best_kernels();

/// Return these kernels if they multiply in f32, or else the best ones that do. Every CPU that can
/// multiply in bf16 can run them.
const Kernels& f32_kernels(const Kernels& kernels);

/// Return the kernels of the named target, or null if this CPU does not support it.
const Kernels* kernels_named(const char* name);

/// Return the int8 kernels that are faster than these kernels on this CPU, or null. If `always`,
/// the best ones that it supports, even where they are slower.
const Int8Kernels* int8_kernels_for(const Kernels& kernels, bool always);

}  // namespace gpustack_draw::cpu
