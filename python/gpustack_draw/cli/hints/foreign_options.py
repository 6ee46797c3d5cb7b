"""Options of other programs, and a hint for each; imported only when one is typed.

Sources: sd-cli, sd-server, diffusers scripts, mflux, ollama, llama.cpp and the web UIs.
"""

from collections.abc import Collection, Iterator

# Options with an equivalent: its name, and the names in other programs.
_EQUIVALENTS = {
    "--count": "-b --batch --batch-count --batch-size --iterations --n-iter --n-samples --num"
    " --num-images --num-images-per-prompt --num-outputs --number --repeat",
    "--output": "-O --dest --destination --filename --out --outdir --outfile --outpath"
    " --output-dir --output-directory --output-file --output-path --save --save-path",
    "--sample-steps": "--ddim-steps --inference-steps --num-inference-steps --num-steps"
    " --sampling-steps",
    "--cfg-scale": "--classifier-free-guidance --guidance-scale --txt-cfg",
    "--guidance": "--distilled-guidance",
    "--eta": "--ddim-eta",
    "--flow-shift": "--shift",
    "--sigmas": "--custom-sigmas",
    "--skip-layers": "--slg-layers",
    "--cache": "--cache-mode --step-cache --teacache",
    "--rng": "--sampler-rng",
    "--tile": "--circular --circularx --circulary --seamless --tiling",
    "--sampler": "--method --sample-method --sampler-name --sampling-method",
    "--scheduler": "--noise-schedule --sampling-schedule --schedule --schedule-type",
    "--negative-prompt": "--neg --neg-prompt --negative --uncond --uncond-prompt",
    "--size": "--dim --dimensions --hw --image-size --res --resolution --wh",
    "-W": "-w --W",
    "-H": "--H",
    "-s": "-S",
    "-n": "-N",
    "--image": "--edit --image-path --image-paths --img --img2img --input --input-image",
    "--ref-image": "--cond-image --ref --ref-images --reference --reference-image --style-image",
    "--control-image": "--control-image-path --controlnet-image",
    "--control-net": "--controlnet --control-net-path --controlnet-model",
    "--control-strength": "--controlnet-conditioning-scale --controlnet-scale --controlnet-strength"
    " --controlnet-weight",
    "--strength": "--denoise --denoising-strength --img-strength --img2img-strength",
    "--mask": "--inpaint --mask-image --mask-img --mask-path --masked-image-path",
    "--mask-invert": "--inpainting-mask-invert --invert-mask --invert-mask-image",
    "--mask-blur": "--blur-mask --feather --mask-feather",
    "--masked-only": "--inpaint-full-res --inpaint-masked-only --only-masked --padding-mask-crop",
    "--expand": "--extend --outpaint --uncrop",
    "--fit": "--resize-mode",
    "--hires": "--enable-hr --highres-fix --hires-fix --hires-scale --hr-scale",
    "--hires-steps": "--hires-second-pass-steps --hr-second-pass-steps",
    "--hires-strength": "--hires-denoising-strength",
    "--hires-upscaler": "--hr-upscaler",
    "--config": "--config-file --config-path --settings-file",
    "--threads": "-t --cpu-threads --num-threads --n-threads",
    "--device": "--backend --cuda --cuda-device --device-id --gpu --gpu-id --main-gpu --metal --mps"
    " --rocm --use-gpu --vulkan -mg",
    "--lora": "--lora-path --lora-paths --lora-weights --loras",
    "--lora-dir": "--lora-folder --lora-model-dir",
    "--taesd": "--tae --tiny-vae",
    "--t5xxl": "--t5",
    "--llm": "--qwen2vl",
    "--llm-vision": "--mmproj --qwen2vl-vision",
    "--upscale": "--enlarge --esrgan --upscale-model --upscaler",
    "--low-memory": "--low-ram --low-vram --lowvram --medvram --novram",
    "--vae-tiling": "--enable-vae-tiling --vae-tile --tiled-vae",
    "--offload-to-cpu": "--enable-model-cpu-offload --offload",
    "--diffusion-fa": "-fa --fa --flash-attn --opt-sdp-attention --xformers",
    "--type": "--weight-type",
    "--debug": "-v -vv --log --log-level --loglevel --verbose",
    "--quiet": "-Q --no-progress --no-progress-bar --silent",
    "--show": "--display --open --view",
    "--dry-run": "--check --dryrun --estimate --plan --simulate",
    "--server": "--address --api-base --api-url --base-url --endpoint --gpustack-url",
    "--timeout": "--max-time",
    "--embedding": "--embeddings --textual-inversion",
    "--prompts": "--from-file --prompt-file --prompts-file",
    "--help": "-? --usage",
}

# Options for features that do not exist yet: the feature, and the names in other programs.
_UNAVAILABLE = {
    "video": "--end-image --end-img --fps --frames --num-frames --video-frames",
    "serving pictures over HTTP": "--api --autolaunch --gradio --host --listen --listen-ip"
    " --listen-port --port --share --ui --webui",
    "PhotoMaker": "--photo-maker --pm-id-embed-path --pm-id-images-dir --pm-style-strength",
}

# All others: the hint, and the names in other programs.
_HINTS = {
    "enlarge the picture again: gpustack-draw upscale MODEL PICTURE": "--upscale-repeats",
    "type it as MODEL: gpustack-draw MODEL PROMPT": "--ckpt --checkpoint --diffusion-model --gguf"
    " --model-path --path --pretrained-model-name-or-path --unet",
    "type it as MODEL: gpustack-draw hf.co/OWNER/REPO PROMPT": "-hf -hfr -hff --hf-file"
    " --hf-repo --repo --repo-id --model-id",
    'type demo without dashes: gpustack-draw demo "a red circle"': "--demo",
    "the quantization is part of MODEL: hf.co/OWNER/REPO:Q8_0": "--quant --quantization --quantize",
    "tiles overlap by half": "--vae-tile-overlap",
    "memory is used as far as it is free": "--normalvram",
    "the revision is part of MODEL: hf.co/OWNER/REPO@REVISION": "--branch --commit --hf-revision"
    " --revision",
    "the weight is part of the LoRA: --lora REF:0.8": "--lora-multiplier --lora-scale --lora-scales"
    " --lora-strength --lora-weight",
    "the threshold is part of the cache: --cache easycache:threshold=0.1": "--cache-option"
    " --cache-preset --easycache --scm-mask --scm-policy --spectrum",
    "LoRAs are always applied while drawing, so any quantization can use them": "--lora-apply-mode",
    "the model file and the device set the precision": "--bf16 --dtype --force-fp16"
    " --force-fp32 --fp16 --fp32 --half --no-half --no-half-vae --precision --torch-dtype",
    "type the option of the text encoder: --clip-l, --clip-g, --t5xxl or --llm": "--text-encoder"
    " --text-encoder-2 --te",
    "--cfg-scale is the guidance scale; upscaling is not available yet": "--scale",
    "the options decide the mode: a picture to change is named with --image": "-M --mode",
    "type --strength with 1 minus that value: mflux's --image-strength is the share that"
    " stays": "--image-strength",
    "reference pictures are always scaled to what the model needs": "--auto-resize-ref-image"
    " --disable-auto-resize-ref-image",
    "references are always numbered as the model was trained": "--increase-ref-index",
    "a model runs on one device, chosen with --device": "--control-net-cpu -ngl --gpu-layers"
    " --n-gpu-layers --ngl --gpu-only -sm --split-mode -ts --tensor-split",
    "to draw on the CPU, type the name that 'gpustack-draw devices' lists: --device NAME": "--cpu"
    " --cpu-only --no-cuda --no-gpu --use-cpu",
    "type a size in pixels: --size 768x512": "--ar --aspect --aspect-ratio --orientation"
    " --landscape --portrait --ratio",
    "the file extension sets the format: --output cat.jpg": "--format --image-format"
    " --output-format --jpg --jpeg --png --webp",
    "an existing file that --output names is replaced without asking": "-y --force --overwrite"
    " --yes",
    "the engine has no safety checker": "--disable-safety-checker"
    " --no-safety-checker --nsfw --safety-checker --enable-safety-checker",
    "set HF_TOKEN in the environment": "--hf-token --token --use-auth-token",
    "set GPUSTACK_API_KEY in the environment": "--api-key --key",
    "set HF_HOME in the environment": "--cache-dir --ckpt-dir --model-dir --models-dir"
    " --models-path",
    "set HF_HUB_OFFLINE=1 in the environment": "--local-files-only --no-download --offline",
    "type --on local": "--local --local-only",
    "type gpustack-draw models": "--list --list-models --models",
    "type gpustack-draw devices": "--devices --list-devices --list-gpus",
    "type gpustack-draw show PICTURE": "--exif --info --metadata --parameters",
    "type gpustack-draw completion SHELL": "--completion --install-completion --show-completion",
    "gpustack-draw --help lists the names": "--list-samplers --list-schedulers --samplers"
    " --schedulers",
    "the settings are always saved in the picture": "--disable-image-metadata --embed-metadata"
    " --save-metadata",
    "a random seed is the default": "--random --random-seed --randomize",
    "name each embedding with --embedding FILE": "--embd-dir --embeddings-dir",
    "write settings into a file, and name it with --config": "--preset --profile",
}


def equivalent_option(name: str, known: Collection[str]) -> str:
    """Return the equivalent of another program's option, or an empty string.

    Args:
        name: The option, as typed, without its value.
        known: Names of the options of this command.
    """
    return next((option for option in _keys(_EQUIVALENTS, name) if option in known), "")


def hint_for_option(name: str) -> str:
    """Return a hint for another program's option that has no equivalent.

    Args:
        name: The option, as typed, without its value.

    Returns:
        The hint; empty for an option that no known program has.
    """
    for subject in _keys(_UNAVAILABLE, name):
        return f"{subject} is not available yet"
    return next(_keys(_HINTS, name), "")


def _keys(table: dict[str, str], name: str) -> Iterator[str]:
    plain = name.replace("_", "-")
    for spelling in dict.fromkeys((plain, plain.lower())):
        yield from (key for key, names in table.items() if spelling in names.split())
