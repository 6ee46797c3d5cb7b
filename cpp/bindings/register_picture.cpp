#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "bindings/module.h"
#include "bindings/read_picture.h"
#include "engine/edges.h"
#include "engine/picture.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

py::buffer_info buffer_of(const Picture& picture) {
  const auto width = static_cast<py::ssize_t>(picture.width());
  const auto height = static_cast<py::ssize_t>(picture.height());
  const auto channels = static_cast<py::ssize_t>(Picture::channels);
  const std::vector<py::ssize_t> shape{height, width, channels};
  const std::vector<py::ssize_t> strides{width * channels, channels, 1};
  return py::buffer_info(picture.pixels(), shape, strides);
}

// Copies, because another thread may change the buffer meanwhile.
Picture edges_of(const py::buffer& buffer) {
  const InputPicture picture = read_rgb(buffer, "picture");
  const py::gil_scoped_release release;
  return find_edges(picture);
}

constexpr auto edges_doc = R"doc(Find the edges of a picture for a control model.

Args:
    picture: (height, width, 3) uint8, RGB.

Returns:
    White lines on black, of the same size.

Raises:
    ValueError: The picture has another shape or type, or no pixels.
)doc";

}  // namespace

void register_picture(py::module_& module) {
  py::classh<Picture>(module, "Picture", py::buffer_protocol(),
                      "A drawn picture: a buffer of (height, width, 3) uint8; red, green, blue.")
      .def_buffer(&buffer_of)
      .def_property_readonly(
          "lora_tensors",
          [](const Picture& picture) -> std::optional<std::tuple<int, int>> {
            if (!picture.lora_tensors) {
              return std::nullopt;
            }
            return std::tuple(picture.lora_tensors->applied, picture.lora_tensors->total);
          },
          "Applied tensors and all tensors of the LoRAs that it was drawn with; None without them.")
      .def_property_readonly(
          "step_cache",
          [](const Picture& picture) -> std::optional<std::tuple<int, int>> {
            if (!picture.step_cache) {
              return std::nullopt;
            }
            return std::tuple(picture.step_cache->skipped, picture.step_cache->steps);
          },
          "Evaluations of the model that a step cache skipped, and sampling steps; None without "
          "one.")
      .def_property_readonly("width", &Picture::width, "Width in pixels.")
      .def_property_readonly("height", &Picture::height, "Height in pixels.")
      .def_property_readonly(
          "pixels", [](const py::object& picture) { return py::memoryview(picture); },
          "(height, width, 3) uint8; a view that keeps the picture alive.");
  module.def("find_edges", &edges_of, py::arg("picture"), edges_doc);
}

}  // namespace gpustack_draw
