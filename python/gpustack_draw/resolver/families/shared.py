"""Values that several families share."""

ANIMATES_A_PICTURE = "it makes videos of an input picture, which this version cannot pass to it"

QWEN_VOCABULARY = 151_669  # the engine's Qwen tokenizer has tokens up to 151668
