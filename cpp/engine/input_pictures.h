#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpustack_draw {

/// A picture that the library reads: 8-bit samples, rows from the top, without padding.
struct InputPicture {
  std::size_t width;
  std::size_t height;
  std::vector<std::uint8_t> samples;
};

/// The pictures that a drawing starts from, or looks at.
struct InputPictures {
  std::optional<InputPicture> image;     ///< RGB, of the drawing's size: start of image-to-image.
  std::optional<InputPicture> mask;      ///< One channel, of the drawing's size: 255 is redrawn, 0
                                         ///< is kept. Needs `image`.
  std::vector<InputPicture> references;  ///< RGB; sides are multiples of `reference_multiple`.
  std::optional<InputPicture> control;   ///< RGB, of the drawing's size, for control models.

  /// The most that a family needs; others need 8.
  static constexpr std::size_t reference_multiple = 16;

  bool empty() const noexcept { return !image && !mask && references.empty() && !control; }
};

/// Checks that a picture has pixels, and three samples for each.
///
/// @throws std::invalid_argument It does not; `name` begins the message.
void check_rgb(const InputPicture& picture, const std::string& name);

/// Checks what the library does not: it reads past the end of a small picture, stretches one of
/// another size by nearest neighbor, ends the process for an odd reference, and draws gray for a
/// mask without an image.
///
/// @throws std::invalid_argument A picture does not fit the drawing.
void check_pictures(const InputPictures& pictures, int width, int height);

}  // namespace gpustack_draw
