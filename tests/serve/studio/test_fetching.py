"""Models of Hugging Face that clients name: downloaded with progress, loaded, and drawn with."""

from pathlib import Path

import pytest
from loopback_hub import LoopbackHub
from served import options_of
from stub_models import running_studio

from gpustack_draw import Progress
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.errors import DrawError, ModelNotFoundError
from gpustack_draw.serve.studio import Accepted, Drawn

pytestmark = pytest.mark.engine


def test_a_client_names_models_of_the_hub(
    server: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use(monkeypatch, tmp_path)
    server.add("acme/tiny-GGUF", {"tiny-Q4_0.gguf": DEMO_FILE.read_bytes()})
    name = "hf.co/acme/tiny-GGUF:Q4_0"
    with running_studio(options_of("demo", "--allow-fetch", "--keep-loaded", "1")) as studio:
        events = studio.draw("a red circle", name)
        phases = [event.phase for event in events if isinstance(event, Progress)]
        assert isinstance(events[0], Accepted)
        assert phases[0] == "fetch"
        assert isinstance(events[-1], Drawn)
        assert studio.studio.statistics().loaded_models == (name,)
        again = studio.draw("a red circle", name)
        assert not any(isinstance(each, Progress) and each.phase == "fetch" for each in again)
        with pytest.raises(ModelNotFoundError) as caught:
            studio.draw("x", "hf.co/acme/other-GGUF")
        assert "acme/other-GGUF" in caught.value.message
        with pytest.raises(DrawError) as refused:
            studio.draw("x", name, loras="hf.co/acme/no-lora")
        assert "acme/no-lora" in refused.value.message
