#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bindings/callbacks.h"
#include "bindings/module.h"
#include "bindings/read_picture.h"
#include "engine/upscaler.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

using OnProgress = std::optional<CallbackBridge::OnProgress>;
using OnLog = std::optional<CallbackBridge::OnLog>;

std::unique_ptr<Upscaler> load_upscaler(std::string model, std::string device, int threads,
                                        std::size_t tile_size, OnProgress on_progress,
                                        OnLog on_log) {
  CallbackBridge callbacks(std::move(on_progress), std::move(on_log));
  const UpscalerOptions options{std::move(model), std::move(device), threads, tile_size};
  return callbacks.call([&] {
    return std::make_unique<Upscaler>(options, callbacks.log_function(),
                                      callbacks.progress_function());
  });
}

// Copies, because another thread may change the buffer meanwhile.
Picture upscale_picture(Upscaler& upscaler, const py::buffer& picture, OnProgress on_progress,
                        OnLog on_log) {
  CallbackBridge callbacks(std::move(on_progress), std::move(on_log));
  const InputPicture input = read_rgb(picture, "the picture");
  return callbacks.call([&] {
    return upscaler.upscale(input, callbacks.log_function(), callbacks.progress_function(),
                            callbacks.continue_function());
  });
}

constexpr auto load_upscaler_doc = R"doc(Load an upscaling model.

Args:
    model: Path of the file, str or bytes. Check it first: the library trusts its tensors.
    device: "auto" or the name of a device.
    threads: CPU threads; 0 for one per physical core.
    tile_size: Largest side of a tile, in pixels of the input.
    on_progress: Called as ``on_progress(phase, step, total, seconds, None)``. An exception that it
        raises stops the loading and is raised by this call.
    on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.

Raises:
    DamagedModelError: A tensor contains NaN or infinity; the message is its name.
    EngineError: The model did not load; the message quotes the library's log.
    ValueError: No device has that name, or the tile size is 0.
)doc";

constexpr auto upscale_doc = R"doc(Upscale a picture without holding the GIL.

Args:
    picture: (height, width, 3) uint8, RGB.
    on_progress: Called as ``on_progress(phase, step, total, seconds, None)``, with a step per tile.
        An exception that it raises stops the upscaling and is raised by this call.
    on_log: Called as ``on_log(level, line)`` with the library's log, from any thread.

Raises:
    OverflowError: NaN or infinity was computed.
    EngineError: The library returned no picture; the message quotes its log.
    ValueError: The picture has no pixels.
)doc";

}  // namespace

void register_upscaler(py::module_& module) {
  py::classh<Upscaler>(module, "Upscaler", py::release_gil_before_calling_cpp_dtor(),
                       "A loaded upscaling model.")
      .def(py::init(&load_upscaler), py::kw_only(), py::arg("model"), py::arg("device") = "auto",
           py::arg("threads").noconvert() = 0, py::arg("tile_size").noconvert() = 256,
           py::arg("on_progress") = std::nullopt, py::arg("on_log") = std::nullopt,
           load_upscaler_doc)
      .def("upscale", &upscale_picture, py::arg("picture"), py::kw_only(),
           py::arg("on_progress") = std::nullopt, py::arg("on_log") = std::nullopt, upscale_doc)
      .def_property_readonly("scale", &Upscaler::scale,
                             "Factor by which the model enlarges both sides: 1, 2 or 4.")
      .def_property_readonly("is_usable", &Upscaler::is_usable, "True if upscale() can be called.")
      .def_property_readonly("device", &Upscaler::device,
                             "Name of the device that the model was loaded on.");
}

}  // namespace gpustack_draw
