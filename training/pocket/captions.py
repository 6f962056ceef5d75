"""Says what a picture shows, each time a little differently.

    python captions.py --work FOLDER [--samples 4]     writes captions.txt: each training record's captions, a line each
"""

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, Union

import numpy as np

from wordnet import WordNet

Row = Dict[str, Any]

DRAWN = ["a picture of {}", "a drawing of {}", "clip art of {}", "a cartoon of {}", "an illustration of {}"]
EMOJI = ["an emoji of {}", "{} emoji", "a picture of {}", "a drawing of {}"]
ICON = ["an icon of {}", "{} icon", "an icon of {}", "a picture of {}"]
TEMPLATES = {
    "openclipart": DRAWN,
    "art4apps": ["a picture of {}", "a cartoon of {}", "a drawing of {}", "an illustration of {}"],
    "stamps": ["a picture of {}", "a photo of {}", "a stamp of {}"],
    "emoji": EMOJI,
    "twemoji": EMOJI,
    "openmoji": EMOJI,
    "emojione": EMOJI,
    "symbola": EMOJI + ["a symbol of {}", "{} symbol", "a black and white drawing of {}"],
    "gcompris": ["a picture of {}", "a drawing of {}", "an image of {}"],
    "furniture": ["a picture of {}", "a rendering of {}", "an image of {}"],
    "scratch": DRAWN,
    "wesnoth": ["a picture of {}", "a drawing of {}", "a game picture of {}"],
    "bootstrap": ICON + ["a black and white icon of {}"],
    "phosphor": ICON + ["a black and white icon of {}"],
    "cifar10": [
        "a photo of {}", "a photo of {}", "a photo of {}.", "a picture of {}", "a blurry photo of {}",
        "a small photo of {}", "an image of {}", "a photograph of {}", "{} in a photo",
    ],
}  # fmt: skip
# How often the title stands alone, without a template.
BARE = {"stamps": 0.6, "cifar10": 0.1, "icons": 0.4}
# How often a title gets its article; captions of stamps have theirs.
ARTICLE = {"openclipart": 0.5, "art4apps": 0.7, "stamps": 0.0, "cifar10": 1.0, "icons": 0.3, "furniture": 0.7}

PHOTOGRAPHS = {
    "airplane": ["airplane", "plane", "aeroplane", "jet", "aircraft"],
    "automobile": ["car", "automobile", "car", "motor car"],
    "bird": ["bird"],
    "cat": ["cat", "cat", "kitty"],
    "deer": ["deer"],
    "dog": ["dog", "dog", "doggy"],
    "frog": ["frog", "frog", "toad"],
    "horse": ["horse"],
    "ship": ["ship", "ship", "boat", "vessel"],
    "truck": ["truck", "truck", "lorry"],
}
KINDS = {
    "airplane": ["vehicle", "flying machine"], "automobile": ["vehicle", "motor vehicle"], "bird": ["animal"],
    "cat": ["animal", "pet", "feline"], "deer": ["animal", "wild animal"], "dog": ["animal", "pet"],
    "frog": ["animal", "amphibian"], "horse": ["animal", "farm animal"], "ship": ["vehicle", "watercraft"],
    "truck": ["vehicle", "motor vehicle"],
}  # fmt: skip
# Below these shares of [0, 1) a caption of clip art takes the title's place by something else.
DESCRIPTION, KEYWORDS, CATEGORY = 0.08, 0.35, 0.5


def article(words: str) -> str:
    return ("an " if words[:1] in tuple("aeiou") else "a ") + words


class Captions:
    """Samples captions of records. Everything random comes from the generator that the caller gives."""

    def __init__(self, work: Union[str, Path], kinds: float = 0.1) -> None:
        self.wordnet = WordNet(Path(work))
        # How often a title is replaced by, or joined with, a kind or a synonym from WordNet.
        self.kind_share = kinds

    def sample(self, row: Row, random: np.random.Generator) -> str:
        source = row["source"]
        style = "icons" if source.startswith("icons/") else source
        subject = self.subject(row, style, random)
        if random.random() < BARE.get(style, 0.5):
            return subject
        if random.random() < ARTICLE.get(style, 0.4) and not subject.startswith(("a ", "an ", "the ")):
            subject = article(subject)
        return pick(TEMPLATES.get(style, ICON), random).format(subject)

    def subject(self, row: Row, style: str, random: np.random.Generator) -> str:
        """What is said to be on the picture."""
        title, keywords, categories = row["title"], row["keywords"], row["categories"]
        chance = random.random()
        if style == "cifar10":
            return pick(PHOTOGRAPHS[title], random) if chance > 0.06 else pick(KINDS[title], random)
        if row["doubtful"] and chance > 0.15:
            return some(keywords, len(keywords), random) if keywords and chance < 0.6 else pick(categories, random)
        if style not in ("stamps", "wesnoth") and random.random() < self.kind_share:
            return self.otherwise(title, random)
        if style in ("stamps", "wesnoth"):
            return self.stamp(row, chance, random)
        if row["description"] and chance < DESCRIPTION:
            return row["description"]
        if keywords and chance < KEYWORDS:
            return some(keywords, 4 if style == "openclipart" else 3, random)
        limit = {"openclipart": CATEGORY, "icons": 0.12}.get(style, 0.2)
        return f"{title}, {pick(categories, random)}" if categories and chance < limit else title

    def stamp(self, row: Row, chance: float, random: np.random.Generator) -> str:
        """Stamps have a sentence as title; the file's name, or what kind of thing it names, says it shortly."""
        if row["keywords"] and chance < 0.15:
            name = row["keywords"][0]
            return self.otherwise(name, random) if row["source"] == "stamps" and random.random() < 0.3 else name
        if row["categories"] and chance < 0.3:
            return f"{row['title']}, {pick(row['categories'], random)}"
        return row["title"]

    def otherwise(self, title: str, random: np.random.Generator) -> str:
        """A synonym, a kind, or the title with its kind; the title itself where WordNet has none."""
        kinds, synonyms = self.wordnet.kinds(title), self.wordnet.synonyms(title)
        chance = random.random()
        if synonyms and chance < 0.35:
            return pick(synonyms, random)
        if not kinds:
            return title
        kind = pick(kinds, random)
        return kind if chance < 0.65 else f"{title}, {kind}"


def pick(choices: Sequence[str], random: np.random.Generator) -> str:
    return choices[int(random.integers(len(choices)))]


def some(words: Sequence[str], most: int, random: np.random.Generator) -> str:
    """One to `most` of the words, in any order."""
    count = int(random.integers(1, min(len(words), most) + 1))
    return ", ".join(words[i] for i in random.permutation(len(words))[:count])


def read_records(work: Union[str, Path]) -> List[Row]:
    with open(Path(work) / "records.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=4, help="captions of each record")
    arguments = parser.parse_args()
    captions, random = Captions(arguments.work), np.random.default_rng(0)
    with open(arguments.work / "captions.txt", "w", encoding="utf-8") as file:
        for row in read_records(arguments.work):
            # CIFAR-10's 50,000 photographs have ten titles: a tenth of them says all.
            if row["split"] == "train" and (row["group"] != "photos" or random.random() < 0.1):
                for _ in range(arguments.samples):
                    file.write(" ".join(captions.sample(row, random).split()) + "\n")


if __name__ == "__main__":
    main()
