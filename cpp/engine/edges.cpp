#include "engine/edges.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "stable-diffusion.h"

namespace gpustack_draw {
namespace {

// The numbers of sd-cli. The high threshold is relative to the strongest edge, the low threshold to
// the high one.
constexpr float high_threshold = 0.08F;
constexpr float low_threshold = 0.08F;
constexpr float weak = 0.8F;
constexpr float strong = 1.0F;

}  // namespace

Picture find_edges(const InputPicture& picture) {
  check_rgb(picture, "picture");
  const auto& samples = picture.samples;
  Picture::Pixels pixels(static_cast<std::uint8_t*>(std::malloc(samples.size())));
  if (pixels == nullptr) {
    throw std::bad_alloc();
  }
  const bool is_one_level =
      std::all_of(samples.begin(), samples.end(), [&](auto each) { return each == samples[0]; });
  if (is_one_level) {
    // The library would take every pixel of a black picture for an edge.
    std::fill_n(pixels.get(), samples.size(), std::uint8_t{0});
  } else {
    std::copy(samples.begin(), samples.end(), pixels.get());
    const sd_image_t image{static_cast<std::uint32_t>(picture.width),
                           static_cast<std::uint32_t>(picture.height),
                           static_cast<std::uint32_t>(Picture::channels), pixels.get()};
    preprocess_canny(image, high_threshold, low_threshold, weak, strong, /*inverse=*/false);
  }
  return Picture(picture.width, picture.height, std::move(pixels));
}

}  // namespace gpustack_draw
