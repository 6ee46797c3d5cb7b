"""Names and shapes of all tensors of a model, from the dimensions of its architecture.

Shapes start with the fastest dimension, as in GGUF files. Matrices have the requested type; tensors
that quantizers do not convert are F16 or F32.
"""

from collections.abc import Sequence

from model_files import Shape, Tensors, prefixed

Named = dict[str, tuple[Shape, str]]


def _convolution(name: str, inputs: int, outputs: int, side: int = 3) -> Named:
    weight = ((side, side, inputs, outputs), "F16")
    return {f"{name}.weight": weight, f"{name}.bias": ((outputs,), "F32")}


def dense(name: str, inputs: int, outputs: int, weight_type: str) -> Named:
    return {f"{name}.weight": ((inputs, outputs), weight_type), f"{name}.bias": ((outputs,), "F32")}


def _norm(name: str, width: int) -> Named:
    return {f"{name}.weight": ((width,), "F32"), f"{name}.bias": ((width,), "F32")}


def sd3(depth: int, *, dual: int = 0, positions: int = 192, weight_type: str = "Q4_0") -> Named:
    """Return the tensors of Stable Diffusion 3 or 3.5.

    Args:
        depth: Number of blocks; the width is 64 times as large.
        dual: Number of first blocks with a second attention.
        positions: Side length of the square of learned positions.
        weight_type: Type of the matrices.
    """
    width = 64 * depth
    model: Named = {
        **_convolution("x_embedder.proj", 16, width, 2),
        "pos_embed": ((width, positions**2, 1), "F16"),
        **dense("context_embedder", 4096, width, weight_type),
        **dense("t_embedder.mlp.0", 256, width, weight_type),
        **dense("t_embedder.mlp.2", width, width, weight_type),
        **dense("y_embedder.mlp.0", 768 + 1280, width, weight_type),
        **dense("y_embedder.mlp.2", width, width, weight_type),
        **dense("final_layer.linear", width, 2 * 2 * 16, weight_type),
        **dense("final_layer.adaLN_modulation.1", width, 2 * width, weight_type),
    }
    for block in range(depth):
        prefix = f"joint_blocks.{block}."
        # In the last block, the prompt only has keys and values.
        last = block == depth - 1
        context = _attention("attn", width, weight_type, proj=not last)
        context |= _modulated_mlp(width, 2 if last else 6, weight_type, mlp=not last)
        picture = _attention("attn", width, weight_type)
        if block < dual:
            picture |= _attention("attn2", width, weight_type)
        picture |= _modulated_mlp(width, 9 if block < dual else 6, weight_type)
        model |= prefixed(prefix + "context_block.", context)
        model |= prefixed(prefix + "x_block.", picture)
    return model


def _attention(name: str, width: int, weight_type: str, *, proj: bool = True) -> Named:
    return {
        **dense(f"{name}.qkv", width, 3 * width, weight_type),
        **(dense(f"{name}.proj", width, width, weight_type) if proj else {}),
        f"{name}.ln_q.weight": ((64,), "F32"),
        f"{name}.ln_k.weight": ((64,), "F32"),
    }


def _modulated_mlp(width: int, modulations: int, weight_type: str, *, mlp: bool = True) -> Named:
    tensors = dense("adaLN_modulation.1", width, modulations * width, weight_type)
    if mlp:
        tensors |= dense("mlp.fc1", width, 4 * width, weight_type)
        tensors |= dense("mlp.fc2", 4 * width, width, weight_type)
    return tensors


def flux1(width: int, double: int, single: int, *, weight_type: str = "Q4_0") -> Named:
    """Return the tensors of FLUX.1 dev.

    Args:
        width: A multiple of 128, the width of a head.
        double: Number of blocks in which picture and prompt have separate weights.
        single: Number of blocks in which they share weights.
        weight_type: Type of the matrices.
    """
    model: Named = {
        **dense("img_in", 64, width, weight_type),
        **dense("txt_in", 4096, width, weight_type),
        **dense("final_layer.linear", width, 64, weight_type),
        **dense("final_layer.adaLN_modulation.1", width, 2 * width, weight_type),
    }
    for name, inputs in (("time_in", 256), ("vector_in", 768), ("guidance_in", 256)):
        model |= dense(f"{name}.in_layer", inputs, width, weight_type)
        model |= dense(f"{name}.out_layer", width, width, weight_type)
    for block in range(double):
        for half in ("img", "txt"):
            prefix = f"double_blocks.{block}.{half}_"
            model |= dense(f"{prefix}mod.lin", width, 6 * width, weight_type)
            model |= dense(f"{prefix}attn.qkv", width, 3 * width, weight_type)
            model |= dense(f"{prefix}attn.proj", width, width, weight_type)
            model |= _head_norms(f"{prefix}attn.norm.")
            model |= dense(f"{prefix}mlp.0", width, 4 * width, weight_type)
            model |= dense(f"{prefix}mlp.2", 4 * width, width, weight_type)
    for block in range(single):
        prefix = f"single_blocks.{block}."
        model |= dense(f"{prefix}modulation.lin", width, 3 * width, weight_type)
        model |= dense(f"{prefix}linear1", width, (3 + 4) * width, weight_type)
        model |= dense(f"{prefix}linear2", (1 + 4) * width, width, weight_type)
        model |= _head_norms(f"{prefix}norm.")
    return model


def _head_norms(prefix: str) -> Named:
    return {f"{prefix}{name}_norm.scale": ((128,), "F32") for name in ("query", "key")}


def sd1_unet(width: int = 320, *, context: int = 768, weight_type: str = "F16") -> Named:
    """Return the UNet of Stable Diffusion 1; its levels are 1, 2, 4 and 4 times ``width`` wide.

    Args:
        width: A multiple of 32; 320 in the published model.
        context: Width of a token of the prompt.
        weight_type: Type of the matrices.
    """
    return unet(width, context=context, weight_type=weight_type)


def unet(
    width: int = 320,
    *,
    context: int,
    levels: Sequence[int] = (1, 2, 4, 4),
    depths: Sequence[int] = (1, 1, 1, 0),
    middle: int = 1,
    labels: int = 0,
    linear: bool = False,
    weight_type: str = "F16",
) -> Named:
    """Return any UNet of Stable Diffusion.

    Args:
        width: A multiple of 32; 320 in the published models.
        context: Width of a token of the prompt.
        levels: Width of each level as a multiple of ``width``.
        depths: Number of transformer blocks of each level.
        middle: Number of transformer blocks in the middle; 0 for half a middle, as in Vega.
        labels: Width of the conditioning vector beside the prompt; 0 for none.
        linear: True if transformers start and end with matrices instead of convolutions.
        weight_type: Type of the matrices.
    """
    embedding, widths = 4 * width, [width * level for level in levels]
    model: Named = {
        **dense("time_embed.0", width, embedding, weight_type),
        **dense("time_embed.2", embedding, embedding, weight_type),
        **_convolution("input_blocks.0.0", 4, width),
    }
    if labels:
        model |= dense("label_emb.0.0", labels, embedding, weight_type)
        model |= dense("label_emb.0.2", embedding, embedding, weight_type)
    inputs, skips, number = width, [width], 1  # for skip connections
    for level, outputs in enumerate(widths):
        for _ in range(2):
            prefix = f"input_blocks.{number}."
            model |= _unet_residual(f"{prefix}0", inputs, outputs, embedding, weight_type)
            model |= _unet_transformer(
                f"{prefix}1", outputs, context, depths[level], linear, weight_type
            )
            inputs, number = outputs, number + 1
            skips.append(inputs)
        if level < len(widths) - 1:
            model |= _convolution(f"input_blocks.{number}.0.op", inputs, inputs)
            number += 1
            skips.append(inputs)
    model |= _unet_residual("middle_block.0", inputs, inputs, embedding, weight_type)
    if middle:
        model |= _unet_transformer("middle_block.1", inputs, context, middle, linear, weight_type)
        model |= _unet_residual("middle_block.2", inputs, inputs, embedding, weight_type)
    for number in range(3 * len(widths)):
        level, prefix = len(widths) - 1 - number // 3, f"output_blocks.{number}."
        outputs = widths[level]
        model |= _unet_residual(f"{prefix}0", inputs + skips.pop(), outputs, embedding, weight_type)
        model |= _unet_transformer(
            f"{prefix}1", outputs, context, depths[level], linear, weight_type
        )
        if number % 3 == 2 and level > 0:
            model |= _convolution(f"{prefix}{2 if depths[level] else 1}.conv", outputs, outputs)
        inputs = outputs
    return model | _norm("out.0", width) | _convolution("out.2", width, 4)


def _unet_residual(name: str, inputs: int, outputs: int, embedding: int, weight_type: str) -> Named:
    tensors = {
        **_norm(f"{name}.in_layers.0", inputs),
        **_convolution(f"{name}.in_layers.2", inputs, outputs),
        **dense(f"{name}.emb_layers.1", embedding, outputs, weight_type),
        **_norm(f"{name}.out_layers.0", outputs),
        **_convolution(f"{name}.out_layers.3", outputs, outputs),
    }
    if inputs != outputs:
        tensors |= _convolution(f"{name}.skip_connection", inputs, outputs, 1)
    return tensors


def _unet_transformer(
    name: str, width: int, context: int, depth: int, linear: bool, weight_type: str
) -> Named:
    if not depth:
        return {}
    tensors = _norm(f"{name}.norm", width)
    for part in ("proj_in", "proj_out"):
        if linear:
            tensors |= dense(f"{name}.{part}", width, width, weight_type)
        else:
            tensors |= _convolution(f"{name}.{part}", width, width, 1)
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}."
        for attention, inputs in (("attn1", width), ("attn2", context)):
            tensors[f"{block}{attention}.to_q.weight"] = ((width, width), weight_type)
            for part in ("to_k", "to_v"):
                tensors[f"{block}{attention}.{part}.weight"] = ((inputs, width), weight_type)
            tensors |= dense(f"{block}{attention}.to_out.0", width, width, weight_type)
        tensors |= dense(f"{block}ff.net.0.proj", width, 8 * width, weight_type)
        tensors |= dense(f"{block}ff.net.2", 4 * width, width, weight_type)
        for norm in ("norm1", "norm2", "norm3"):
            tensors |= _norm(f"{block}{norm}", width)
    return tensors


def sdxl_unet(*, weight_type: str = "Q4_0") -> Named:
    """Return the UNet of Stable Diffusion XL."""
    depths = (0, 2, 10)
    return unet(
        context=2048,
        levels=(1, 2, 4),
        depths=depths,
        middle=10,
        labels=2816,
        linear=True,
        weight_type=weight_type,
    )


def vega_unet(*, weight_type: str = "Q4_0") -> Named:
    """Return the UNet of Segmind Vega, the smallest variant of Stable Diffusion XL."""
    depths = (0, 1, 2)
    return unet(
        context=2048,
        levels=(1, 2, 4),
        depths=depths,
        middle=0,
        labels=2816,
        linear=True,
        weight_type=weight_type,
    )


def klein(width: int, double: int, single: int, *, context: int, weight_type: str = "F16") -> Named:
    """Return the tensors of FLUX.2 klein.

    Args:
        width: A multiple of 128, the width of a head.
        double: Number of blocks in which picture and prompt have separate weights.
        single: Number of blocks in which they share weights.
        context: Width of a token of the prompt.
        weight_type: Type of the matrices.
    """
    shapes: dict[str, Shape] = {
        "img_in": (128, width),
        "txt_in": (context, width),
        "time_in.in_layer": (256, width),
        "time_in.out_layer": (width, width),
        "double_stream_modulation_img.lin": (width, 6 * width),
        "double_stream_modulation_txt.lin": (width, 6 * width),
        "single_stream_modulation.lin": (width, 3 * width),
        "final_layer.linear": (width, 128),
        "final_layer.adaLN_modulation.1": (width, 2 * width),
    }
    norms: Named = {}
    for block in range(double):
        for half in ("img", "txt"):
            prefix = f"double_blocks.{block}.{half}_"
            shapes[f"{prefix}attn.qkv"] = (width, 3 * width)
            shapes[f"{prefix}attn.proj"] = (width, width)
            shapes[f"{prefix}mlp.0"] = (width, 6 * width)
            shapes[f"{prefix}mlp.2"] = (3 * width, width)
            norms |= _head_norms(f"{prefix}attn.norm.")
    for block in range(single):
        prefix = f"single_blocks.{block}."
        shapes[f"{prefix}linear1"] = (width, 9 * width)
        shapes[f"{prefix}linear2"] = (4 * width, width)
        norms |= _head_norms(f"{prefix}norm.")
    return {f"{name}.weight": (shape, weight_type) for name, shape in shapes.items()} | norms


def clip(width: int, layers: int, *, projection: int = 0, weight_type: str = "Q4_0") -> Named:
    """Return CLIP's text encoder; ``projection`` is the width of its pooled output."""
    model: Named = {
        "embeddings.token_embedding.weight": ((width, 49_408), weight_type),
        "embeddings.position_embedding.weight": ((width, 77), "F16"),
        **_norm("final_layer_norm", width),
    }
    for layer in range(layers):
        prefix = f"encoder.layers.{layer}."
        for part in "qkv":
            model |= dense(f"{prefix}self_attn.{part}_proj", width, width, weight_type)
        model |= dense(f"{prefix}self_attn.out_proj", width, width, weight_type)
        model |= dense(f"{prefix}mlp.fc1", width, 4 * width, weight_type)
        model |= dense(f"{prefix}mlp.fc2", 4 * width, width, weight_type)
        model |= _norm(f"{prefix}layer_norm1", width)
        model |= _norm(f"{prefix}layer_norm2", width)
    if projection:
        model["text_projection"] = ((width, projection), "F16")
    return prefixed("text_model.", model)


CLIP_L = clip(768, 12)
CLIP_G = clip(1280, 32, projection=1280)


def t5(
    width: int,
    layers: int,
    inner: int,
    *,
    heads: int = 64,
    tokens: int = 32_128,
    biases: int = 1,
    weight_type: str = "Q4_0",
) -> Named:
    """Return T5's encoder.

    Args:
        width: Width of a token.
        layers: Number of layers.
        inner: Width inside the feed-forward blocks.
        heads: Number of attention heads.
        tokens: Size of the vocabulary.
        biases: Number of first layers with a table of relative positions.
        weight_type: Type of the matrices.
    """
    model: Named = {
        "shared.weight": ((width, tokens), weight_type),
        "encoder.final_layer_norm.weight": ((width,), "F32"),
    }
    for layer in range(layers):
        prefix = f"encoder.block.{layer}.layer."
        if layer < biases:
            name = f"{prefix}0.SelfAttention.relative_attention_bias.weight"
            model[name] = ((heads, 32), "F16")
        for part in "qkvo":
            model[f"{prefix}0.SelfAttention.{part}.weight"] = ((width, width), weight_type)
        model[f"{prefix}0.layer_norm.weight"] = ((width,), "F32")
        model[f"{prefix}1.DenseReluDense.wi_0.weight"] = ((width, inner), weight_type)
        model[f"{prefix}1.DenseReluDense.wi_1.weight"] = ((width, inner), weight_type)
        model[f"{prefix}1.DenseReluDense.wo.weight"] = ((inner, width), weight_type)
        model[f"{prefix}1.layer_norm.weight"] = ((width,), "F32")
    return model


T5_XXL = t5(4096, 24, 10_240)
UMT5_XXL = t5(4096, 24, 10_240, tokens=256_384, biases=24)


def vae(base: int = 128, latent: int = 16, *, quant: bool = False) -> Named:
    """Return the autoencoder of SD 3 and FLUX.1; its levels are 1, 2, 4 and 4 times ``base`` wide.

    Args:
        base: Width of the narrowest level.
        latent: Number of latent channels.
        quant: True if a convolution mixes these before decoding, as in SD 1 and FLUX.2.
    """
    widths = [base, 2 * base, 4 * base, 4 * base]
    encoder = _convolution("conv_in", 3, base) | _ends(widths[-1], 2 * latent)
    decoder = _convolution("conv_in", latent, widths[-1]) | _ends(base, 3)
    width = base
    for level, wider in enumerate(widths):
        for block in range(2):
            encoder |= _residual(f"down.{level}.block.{block}", width, wider)
            width = wider
        if level < 3:
            encoder |= _convolution(f"down.{level}.downsample.conv", width, width)
    for level, narrower in reversed(list(enumerate(widths))):
        for block in range(3):
            decoder |= _residual(f"up.{level}.block.{block}", width, narrower)
            width = narrower
        if level > 0:
            decoder |= _convolution(f"up.{level}.upsample.conv", width, width)
    middle = _middle(widths[-1])
    model = prefixed("encoder.", encoder | middle) | prefixed("decoder.", decoder | middle)
    if quant:
        model |= _convolution("quant_conv", 2 * latent, 2 * latent, 1)
        model |= _convolution("post_quant_conv", latent, latent, 1)
    return model


def _middle(width: int) -> Named:
    tensors = _residual("mid.block_1", width, width) | _residual("mid.block_2", width, width)
    for part in ("q", "k", "v", "proj_out"):
        tensors |= _convolution(f"mid.attn_1.{part}", width, width, 1)
    return tensors | _norm("mid.attn_1.norm", width)


def _ends(width: int, outputs: int) -> Named:
    return _norm("norm_out", width) | _convolution("conv_out", width, outputs)


def _residual(name: str, inputs: int, outputs: int) -> Named:
    tensors = _norm(f"{name}.norm1", inputs) | _convolution(f"{name}.conv1", inputs, outputs)
    tensors |= _norm(f"{name}.norm2", outputs) | _convolution(f"{name}.conv2", outputs, outputs)
    if inputs != outputs:
        tensors |= _convolution(f"{name}.nin_shortcut", inputs, outputs, 1)
    return tensors


def all_in_one(diffusion: Tensors, encoders: dict[str, Tensors], base: int = 128) -> Named:
    """Join the tensors of a model; the names of the encoders already have prefixes."""
    model = prefixed("model.diffusion_model.", diffusion)
    for prefix, encoder in encoders.items():
        model |= prefixed(prefix, encoder)
    return model | prefixed("first_stage_model.", vae(base))


def sd1_model(base: int = 32, *, weight_type: str = "Q4_0") -> Named:
    """Return Stable Diffusion 1 in one file, with an autoencoder of width ``base``."""
    return {
        **prefixed("model.diffusion_model.", sd1_unet(weight_type=weight_type)),
        **prefixed("cond_stage_model.transformer.", CLIP_L),
        **prefixed("first_stage_model.", vae(base, latent=4, quant=True)),
    }


def wan(
    width: int, layers: int, inner: int, *, channels: int = 16, weight_type: str = "Q4_0"
) -> Named:
    """Return Wan's text-to-video network.

    Args:
        width: A multiple of 128, the width of a head.
        layers: Number of blocks.
        inner: Width inside the feed-forward blocks.
        channels: Number of latent channels.
        weight_type: Type of the matrices.
    """
    model: Named = {
        "patch_embedding.weight": ((2, 2, 1, channels, width), "F16"),
        "patch_embedding.bias": ((width,), "F32"),
        **dense("text_embedding.0", 4096, width, weight_type),
        **dense("text_embedding.2", width, width, weight_type),
        **dense("time_embedding.0", 256, width, weight_type),
        **dense("time_embedding.2", width, width, weight_type),
        **dense("time_projection.1", width, 6 * width, weight_type),
        **dense("head.head", width, 4 * channels, weight_type),
        "head.modulation": ((width, 2, 1), "F16"),
    }
    for block in range(layers):
        prefix = f"blocks.{block}."
        for attention in ("self_attn", "cross_attn"):
            for part in "qkvo":
                model |= dense(f"{prefix}{attention}.{part}", width, width, weight_type)
            for part in ("norm_q", "norm_k"):
                model[f"{prefix}{attention}.{part}.weight"] = ((width,), "F32")
        model |= _norm(f"{prefix}norm3", width)
        model |= dense(f"{prefix}ffn.0", width, inner, weight_type)
        model |= dense(f"{prefix}ffn.2", inner, width, weight_type)
        model[f"{prefix}modulation"] = ((width, 6, 1), "F16")
    return model


WAN_1_3B = wan(1536, 30, 8960)
WAN_TI2V_5B = wan(3072, 30, 14_336, channels=48)


def wan_vae() -> Named:
    """Return the decoder of Wan 2.1's autoencoder, and of Qwen-Image's."""
    decoder = _wan_middle(16, 384)
    places = iter(range(15))
    for inputs, width, up in ((384, 384, 3), (192, 384, 3), (192, 192, 2), (96, 96, 0)):
        for block in range(3):
            name = f"upsamples.{next(places)}"
            decoder |= _wan_residual(name, width if block else inputs, width)
        if up:
            decoder |= _wan_upsample(f"upsamples.{next(places)}", width, width // 2, up)
    return _wan_whole(decoder | _wan_end(96, 3), 16)


def wan22_vae() -> Named:
    """Return the decoder of the autoencoder of Wan 2.2 TI2V 5B."""
    decoder = _wan_middle(48, 1024)
    steps = ((1024, 1024, 3), (1024, 1024, 3), (1024, 512, 2), (512, 256, 0))
    for step, (inputs, width, up) in enumerate(steps):
        for block in range(3):
            name = f"upsamples.{step}.upsamples.{block}"
            decoder |= _wan_residual(name, width if block else inputs, width)
        if up:
            decoder |= _wan_upsample(f"upsamples.{step}.upsamples.3", width, width, up)
    return _wan_whole(decoder | _wan_end(256, 12), 48)


def _wan_whole(decoder: Named, channels: int) -> Named:
    last = _convolution_3d("conv2", channels, channels, (1, 1, 1))
    return prefixed("decoder.", decoder) | last


def _convolution_3d(name: str, inputs: int, outputs: int, sides: Shape = (3, 3, 3)) -> Named:
    weight = ((*sides, inputs, outputs), "F16")
    return {f"{name}.weight": weight, f"{name}.bias": ((outputs,), "F32")}


def _wan_middle(channels: int, width: int) -> Named:
    return {
        **_convolution_3d("conv1", channels, width),
        **_wan_residual("middle.0", width, width),
        "middle.1.norm.gamma": ((width,), "F32"),
        **_convolution("middle.1.to_qkv", width, 3 * width, 1),
        **_convolution("middle.1.proj", width, width, 1),
        **_wan_residual("middle.2", width, width),
    }


def _wan_residual(name: str, inputs: int, outputs: int) -> Named:
    tensors: Named = {
        f"{name}.residual.0.gamma": ((inputs,), "F32"),
        **_convolution_3d(f"{name}.residual.2", inputs, outputs),
        f"{name}.residual.3.gamma": ((outputs,), "F32"),
        **_convolution_3d(f"{name}.residual.6", outputs, outputs),
    }
    if inputs != outputs:
        tensors |= _convolution_3d(f"{name}.shortcut", inputs, outputs, (1, 1, 1))
    return tensors


def _wan_upsample(name: str, width: int, outputs: int, dimensions: int) -> Named:
    tensors = _convolution(f"{name}.resample.1", width, outputs)
    if dimensions == 3:
        tensors |= _convolution_3d(f"{name}.time_conv", width, 2 * width, (1, 1, 3))
    return tensors


def _wan_end(width: int, outputs: int) -> Named:
    return {
        "head.0.gamma": ((width,), "F32"),
        **_convolution_3d("head.2", width, outputs),
    }
