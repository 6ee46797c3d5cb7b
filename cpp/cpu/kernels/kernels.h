#pragma once

// The kernels' outside: plain memory and sizes, no ggml, no vector types. The code behind it is
// compiled once for each level of instructions (see level.h) and found through the table `Kernels`.

#include <cstddef>
#include <cstdint>

namespace gpustack_draw::cpu {

/// How a row of numbers lies in memory.
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
  blocks,  ///< Otherwise quantised: read by Rows::dequantise, which takes a run of whole blocks.
};

using Dequantise = void (*)(const void* blocks, float* numbers, std::int64_t count);

/// Rows of numbers that lie `stride` bytes apart; the numbers of a row lie side by side.
struct Rows {
  const void* data;
  std::int64_t stride;
  Format format = Format::f32;
  Dequantise dequantise = nullptr;
  std::int64_t block_numbers = 1;  ///< Quantised rows: numbers in a block ...
  std::int64_t block_bytes = 0;    ///< ... and bytes.
};

/// How long the rows of a product are, and how much of them is packed at once.
struct Depth {
  std::int64_t whole;
  std::int64_t chunk;
};

/// One side of a product.
struct Side {
  Rows rows;
  std::int64_t count;
  Depth depth;
  const float* panels = nullptr;  ///< What Kernels::pack_left or pack_right made of all, or null.
};

/// output[row][column] = sum over depth of left[row][depth] * right[column][depth].
struct MatrixProduct {
  Side left;
  Side right;
  float* output;
  std::int64_t output_stride;  ///< Numbers from one row of the output to the next.
};

/// A product of many rows with few: weights[row] . inputs[input].
struct NarrowProduct {
  Rows weights;
  const float* inputs;  ///< What Kernels::pack_input makes of each, one after the other.
  std::int64_t input_count;
  std::int64_t depth;
  float* output;
  std::int64_t row_step;    ///< Numbers of the output from one row's to the next's,
  std::int64_t input_step;  ///< and from one input's to the next's.
};

/// A picture of many channels convolved: output[c][y][x]. Width, height and the rest in pixels.
struct Convolution {
  const float*
      input;  ///< [channel][y][x], rows side by side, channels `input_channel_stride` apart.
  std::int64_t input_channel_stride;
  std::int64_t input_width;
  std::int64_t input_height;
  bool input_is_enlarged;  ///< Its pixels stand for 2x2 each: Kernels::convolution_in_tiles only.
  Side weights;            ///< A row an output channel, [input channel][y][x] within it.
  std::int64_t kernel_width;
  std::int64_t kernel_height;
  std::int64_t input_channels;
  float* output;  ///< [channel][y][x] without gaps.
  std::int64_t output_width;
  std::int64_t output_height;
  std::int64_t stride_x;
  std::int64_t stride_y;
  std::int64_t padding_x;
  std::int64_t padding_y;
  std::int64_t dilation_x;
  std::int64_t dilation_y;
  Side patches;  ///< Of a pixel of the output each, which are no rows: Kernels::pack_patches.
};

/// Some tiles of a picture that is convolved by way of them: side x side pixels of the output each,
/// counted row by row.
struct Tiles {
  std::int64_t side;  ///< 2 or 4
  std::int64_t begin;
  std::int64_t count;
  float* input;  ///< What Kernels::transform_tiles makes of the picture.
};

/// Some rows of a picture that is convolved tap by tap.
struct Strip {
  std::int64_t row_begin;
  std::int64_t row_end;
  const float* taps;  ///< What TapKernels::pack_taps makes of the weights,
  float* planes;      ///< and pack_plane of the picture.
};

/// softmax(scale * queries * keys^T + mask) * values of one head, without the scores in memory.
struct Attention {
  Rows queries;                ///< [query][depth], f32
  Rows keys;                   ///< [key][depth]
  Rows values;                 ///< [key][value_depth]
  const void* mask;            ///< f16 [query][key], or null.
  std::int64_t mask_stride;    ///< Bytes from one query to the next.
  float* output;               ///< [query][value_depth]
  std::int64_t output_stride;  ///< Numbers from one query to the next.
  std::int64_t query_count;
  std::int64_t key_count;
  std::int64_t depth;
  std::int64_t value_depth;
  float scale;
};

/// A part of an output: rows and columns from begin up to, not including, end.
struct Block {
  std::int64_t row_begin;
  std::int64_t row_end;
  std::int64_t column_begin;
  std::int64_t column_end;
};

/// Memory a thread works in: grows as asked and is kept for the next call. Aligned for vectors.
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

/// What a thread works in.
struct Workspace {
  Scratch panels;  ///< Packed pieces of what is multiplied.
  Scratch sums;    ///< What comes out, until it is done.
};

enum class Unary { silu, gelu, gelu_quick, relu, sigmoid, tanh };

/// How large a block may be, how small it is worth making it, and what there is to do besides.
struct BlockLimits {
  std::int64_t most_rows;
  std::int64_t most_columns;
  std::int64_t fewest_rows;
  std::int64_t fewest_columns;
  std::int64_t packing = 8;  ///< Of a number of a side, in products: 6 to 11 on the CPUs tried.
};

/// Convolutions of 3x3 without stride or dilation, padded by 1, tap by tap: pack the weights, a
/// tile of rows at a time; of each strip pack the planes; then do blocks of it. Rows are output
/// channels, columns pixels, one more for each row of the picture.
struct TapKernels {
  std::int64_t (*tap_numbers)(const Convolution&);  ///< Strip::taps' count.
  void (*pack_taps)(const Convolution&, std::int64_t row, float* taps);
  std::int64_t (*plane_numbers)(const Convolution&, const Strip&);  ///< Strip::planes' count.
  std::int64_t (*plane_count)(const Convolution&);
  void (*pack_plane)(const Convolution&, const Strip&, std::int64_t plane);
  void (*convolution)(const Convolution&, const Strip&, const Block&, Workspace&);
};

/// What one level of instructions offers. Each call works alone, on one thread.
struct Kernels {
  const char* name;       ///< "avx2", "avx512", "avx512_bf16", "amx_bf16"
  std::int64_t row_tile;  ///< Blocks of products begin at multiples of these.
  std::int64_t column_tile;
  BlockLimits product_limits;
  double product_cost;  ///< Of one number in a product, next to one in f32.

  /// What is best for a product of some depth: chunks are whole blocks of quantised rows, whose
  /// numbers are given.
  Depth (*depth_for)(std::int64_t whole, std::int64_t block_numbers);
  /// Whether what several blocks read is worth packing once for all of them.
  bool shares_sides;
  /// Packs a part of Side::panels: a tile of rows, from a multiple of row_tile or column_tile on,
  /// and of their depth a chunk, from a multiple of Depth::chunk on.
  void (*pack_left)(const Side&, std::int64_t row, std::int64_t depth, float* panels, Workspace&);
  void (*pack_right)(const Side&, std::int64_t row, std::int64_t depth, float* panels, Workspace&);
  std::int64_t (*left_numbers)(const Side&);  ///< Side::panels' count.
  std::int64_t (*right_numbers)(const Side&);
  void (*matrix_product)(const MatrixProduct&, const Block&, Workspace&);
  void (*pack_input)(const float* numbers, std::int64_t depth, float* units);
  std::int64_t (*input_units)(std::int64_t depth);  ///< Its count.
  /// For some rows of the weights, and all inputs: the shorter way up to `most_narrow` of them.
  void (*narrow_product)(const NarrowProduct&, std::int64_t row_begin, std::int64_t row_end,
                         Workspace&);
  std::int64_t (*most_narrow)(std::int64_t depth);
  /// Rows are output channels, columns are pixels.
  void (*convolution)(const Convolution&, const Block&, Workspace&);
  /// Packs a part of a convolution's patches, as pack_right does of another side.
  void (*pack_patches)(const Convolution&, std::int64_t pixel, std::int64_t depth, float* patches);
  /// The same for kernels of 3x3 and neither stride nor dilation, by way of tiles, which are the
  /// columns; blocks keep to tile_limits. Null where that is never the shorter way.
  void (*convolution_in_tiles)(const Convolution&, const Tiles&, const Block&, Workspace&);
  /// What it needs before: for each column_tile of tiles, and all channels, the input.
  void (*transform_tiles)(const Convolution&, const Tiles&, std::int64_t panel,
                          std::int64_t channel_begin, std::int64_t channel_end);
  std::int64_t (*tiled_numbers)(const Convolution&, const Tiles&);  ///< Tiles::input's count.
  BlockLimits tile_limits;
  const TapKernels* by_taps;  ///< Null where another way is the shorter one.
  void (*attention)(const Attention&, std::int64_t query_begin, std::int64_t query_end, Workspace&);

  /// output = (input - mean) / sqrt(variance + epsilon), over `count` numbers.
  void (*normalise)(const float* input, float* output, std::int64_t count, float epsilon);
  /// output = input / sqrt(mean of squares + epsilon), over `count` numbers.
  void (*normalise_rms)(const float* input, float* output, std::int64_t count, float epsilon);
  void (*unary)(Unary, const float* input, float* output, std::int64_t count);
  void (*add)(const float* a, const float* b, float* output, std::int64_t count);
  void (*add_number)(const float* a, float b, float* output, std::int64_t count);
  void (*multiply)(const float* a, const float* b, float* output, std::int64_t count);
  void (*multiply_number)(const float* a, float b, float* output, std::int64_t count);
  void (*to_f16)(const float* input, void* output, std::int64_t count);
  /// output[column][row] = input[row][column] of rows `input_stride` numbers apart.
  void (*transpose)(const float* input, std::int64_t input_stride, float* output,
                    std::int64_t output_stride, std::int64_t rows, std::int64_t columns);
};

/// The best level this CPU can run, or the named one; null where there is none.
const Kernels* best_kernels();
const Kernels* kernels_named(const char* name);

}  // namespace gpustack_draw::cpu
