"""Commands of other programs, and a hint for each.

They apply only where nothing else can be meant: a server may have a model of such a name.
"""

# Commands that draw; this program needs none.
DRAW_COMMANDS = (
    "create dream exec gen generate gpustack gpustack-draw image imagine invoke make ollama paint"
    " predict render run sample sd sd-cli start t2i text-to-image text2image txt2img"
)

_HINTS = {
    "type gpustack-draw models": "catalog library list list-models ls model tags",
    "to change a picture, name it with --image: gpustack-draw MODEL PROMPT --image PICTURE": "edit"
    " i2i image-to-image img2img inpaint outpaint variations",
    "type gpustack-draw upscale MODEL PICTURE": "enlarge esrgan",
    "type gpustack-draw devices": "backends cpu device gpu gpus hardware list-devices system",
    "type gpustack-draw show PICTURE": "exif identify info inspect metadata parameters view",
    "type gpustack-draw pull hf.co/OWNER/REPO": "add clone download fetch get install",
    "type gpustack-draw rm hf.co/OWNER/REPO": "clean del delete gc prune remove uninstall",
    "gpustack-draw --help lists them": "commands options samplers schedulers usage",
    "type gpustack-draw serve MODEL": "api gui server ui web webui worker",
    "type gpustack-draw completion SHELL": "autocomplete completions",
    "no process keeps running after a picture is drawn": "kill ps restart status stop unload",
    "look for text-to-image models in GGUF format on Hugging Face, then type hf.co/OWNER/REPO as"
    " MODEL": "find search",
    "set HF_TOKEN for Hugging Face; a GPUStack server's key is GPUSTACK_API_KEY": "auth login"
    " logout signin signout whoami",
    "update it with pipx, uv or pip, whichever installed it": "self-update update upgrade",
    "write defaults into a file: see --config in gpustack-draw --help": "config configure set"
    " settings setup",
}

# Commands for features that do not exist yet: the feature, and the commands.
_UNAVAILABLE = {
    "drawing in two passes": "hires",
    "video": "animate i2v t2v txt2vid video",
}


def hint_for_command(word: str) -> str:
    """Return a hint for another program's command; empty for an unknown word."""
    lower = word.lower()
    for subject, words in _UNAVAILABLE.items():
        if lower in words.split():
            return f"{subject} is not available yet"
    return next((hint for hint, words in _HINTS.items() if lower in words.split()), "")
