#include "bindings/read_picture.h"

#include <cstring>
#include <vector>

#include "engine/picture.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

std::string shape_of(const py::buffer_info& info) {
  std::string text;
  for (const py::ssize_t side : info.shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(side);
  }
  return '(' + text + (info.ndim == 1 ? ",)" : ")");
}

InputPicture copy(const py::buffer_info& info) {
  InputPicture picture{static_cast<std::size_t>(info.shape[1]),
                       static_cast<std::size_t>(info.shape[0]),
                       std::vector<std::uint8_t>(static_cast<std::size_t>(info.size))};
  if (info.size > 0) {
    std::memcpy(picture.samples.data(), info.ptr, picture.samples.size());
  }
  return picture;
}

void check_layout(const py::buffer_info& info, const std::string& name) {
  if (!info.item_type_is_equivalent_to<std::uint8_t>()) {
    throw py::value_error(name + " has items of format '" + info.format + "', not uint8");
  }
  if (PyBuffer_IsContiguous(info.view(), 'C') == 0) {
    throw py::value_error(name + " is not C-contiguous");
  }
}

}  // namespace

InputPicture read_rgb(const py::buffer& buffer, const std::string& name) {
  const py::buffer_info info = buffer.request();
  if (info.ndim != 3 || info.shape[2] != static_cast<py::ssize_t>(Picture::channels)) {
    throw py::value_error(name + " has shape " + shape_of(info) + ", not (height, width, 3)");
  }
  check_layout(info, name);
  return copy(info);
}

InputPicture read_mask(const py::buffer& buffer, const std::string& name) {
  const py::buffer_info info = buffer.request();
  if (info.ndim != 2) {
    throw py::value_error(name + " has shape " + shape_of(info) + ", not (height, width)");
  }
  check_layout(info, name);
  return copy(info);
}

}  // namespace gpustack_draw
