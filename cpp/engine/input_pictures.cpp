#include "engine/input_pictures.h"

#include <stdexcept>

#include "engine/picture.h"

namespace gpustack_draw {
namespace {

std::string size_of(std::size_t width, std::size_t height) {
  return std::to_string(width) + 'x' + std::to_string(height);
}

void check_samples(const InputPicture& picture, const std::string& name, std::size_t channels) {
  const std::string size = size_of(picture.width, picture.height);
  if (picture.width == 0 || picture.height == 0) {
    throw std::invalid_argument(name + " has no pixels: its size is " + size);
  }
  const std::size_t expected = picture.width * picture.height * channels;
  if (picture.samples.size() != expected) {
    throw std::invalid_argument(name + " of " + size + " pixels takes " + std::to_string(expected) +
                                " bytes, not " + std::to_string(picture.samples.size()));
  }
}

void check_sized(const std::optional<InputPicture>& picture, const std::string& name,
                 std::size_t channels, int width, int height) {
  if (!picture) {
    return;
  }
  check_samples(*picture, name, channels);
  const auto expected_width = static_cast<std::size_t>(width);
  const auto expected_height = static_cast<std::size_t>(height);
  if (picture->width != expected_width || picture->height != expected_height) {
    throw std::invalid_argument(name + " is " + size_of(picture->width, picture->height) +
                                ", but the drawing is " + size_of(expected_width, expected_height));
  }
}

void check_reference(const InputPicture& picture, std::size_t number) {
  constexpr std::size_t multiple = InputPictures::reference_multiple;
  const std::string name = "reference " + std::to_string(number);
  check_rgb(picture, name);
  if (picture.width % multiple != 0 || picture.height % multiple != 0) {
    throw std::invalid_argument(name + " is " + size_of(picture.width, picture.height) +
                                ", but its sides must be multiples of " + std::to_string(multiple));
  }
}

}  // namespace

void check_rgb(const InputPicture& picture, const std::string& name) {
  check_samples(picture, name, Picture::channels);
}

void check_pictures(const InputPictures& pictures, int width, int height) {
  check_sized(pictures.image, "image", Picture::channels, width, height);
  check_sized(pictures.mask, "mask", 1, width, height);
  check_sized(pictures.control, "control", Picture::channels, width, height);
  if (pictures.mask && !pictures.image) {
    throw std::invalid_argument("mask needs an image");
  }
  for (std::size_t i = 0; i < pictures.references.size(); ++i) {
    check_reference(pictures.references[i], i + 1);
  }
}

}  // namespace gpustack_draw
