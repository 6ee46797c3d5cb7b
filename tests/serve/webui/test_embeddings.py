"""The list of embeddings, which prompts of the model that is served can name."""

from types import SimpleNamespace

from gpustack_draw.serve.webui import listings


def test_the_embeddings_of_a_model_are_listed_with_the_sizes_of_their_vectors() -> None:
    found = (SimpleNamespace(name="ink", width=768, vectors=4),)
    model = SimpleNamespace(resolved=SimpleNamespace(embeddings=found))
    assert listings.embeddings(model) == {
        "loaded": {
            "ink": {
                "step": None,
                "sd_checkpoint": None,
                "sd_checkpoint_name": None,
                "shape": 768,
                "vectors": 4,
            }
        },
        "skipped": {},
    }
