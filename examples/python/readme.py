"""The first example of the official README (openai/CLIP), with `import swiftclip`. What was said there in PyTorch stands
beside each line.

    python readme.py [PICTURE] [MODEL]
"""

import sys
from pathlib import Path

import numpy as np

import swiftclip

picture = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "pictures" / "penguin.png"
labels = ["a penguin", "a dog", "a cat"]

model = swiftclip.load(sys.argv[2] if len(sys.argv) > 2 else None)  # model, preprocess = clip.load("ViT-B/32")

image = model.preprocess(picture)[np.newaxis]  # preprocess(Image.open(picture)).unsqueeze(0)
text = model.tokenize(labels)  # clip.tokenize(labels)

image_features = model.encode_image(image)  # model.encode_image(image)
text_features = model.encode_text(text)  # model.encode_text(text)

# logits_per_image, logits_per_text = model(image, text)
logits_per_image = model.logit_scale * swiftclip.similarity(image_features, text_features)
# logits_per_image.softmax(dim=-1).cpu().numpy()
odds = np.exp(logits_per_image - logits_per_image.max(axis=-1, keepdims=True))
probs = odds / odds.sum(axis=-1, keepdims=True)

print("Label probs:", probs)
