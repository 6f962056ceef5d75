"""The paper's experiments over any model that swiftclip opens. Since 1.1.

    import swiftclip
    from swiftclip import evaluate

    encoder = evaluate.Encoder(swiftclip.load(), cache="features")    # encodes every picture once
    photographs = evaluate.open_data("cifar-10-python.tar.gz", "test")
    result = evaluate.zero_shot(encoder, photographs, ["a photo of a {}."])
    print(result)                                                     # a table
    result.save("results")                                            # .txt, .json, .png, .svg

Each experiment is a function that takes a `swiftclip.Model` or an `Encoder` around it and returns a `Result`. They need
scikit-learn (probes), matplotlib (plots) and Pillow (corruptions): pip install 'swiftclip[evaluate]'. On the command
line: python -m swiftclip evaluate --help.
"""

from __future__ import annotations

from .captions import Captioned, open_captions
from .cifar import open_cifar
from .corruptions import CORRUPTIONS, corrupted, corrupted_data
from .data import DataSet
from .encoder import Encoded, Encoder
from .few_shot import FewShot, Shots, few_shot, shots_to_equal
from .learned_context import LearnedContext
from .learned_prompts import METHODS, Learned, LearnedPrompts, learned_prompts
from .linear_probe import LinearProbe, Step, linear_probe, parametric_search
from .metrics import Accuracy, accuracy
from .prompting import Prompted, Prompting, prompting
from .prompts import ENSEMBLE, read_classes, read_templates
from .result import Result
from .retrieval import Recall, Retrieval, recall, retrieval
from .robustness import Robustness, Shift, robustness
from .seed import SeedExample, seed_example
from .sources import open_data, open_split
from .tuning import Scores, Tuning, score
from .zero_shot import ZeroShot, zero_shot
from .zero_shot_vs_probe import Compared, Task, ZeroShotVsProbe, zero_shot_vs_probe

__all__ = [
    "Accuracy",
    "CORRUPTIONS",
    "Captioned",
    "Compared",
    "DataSet",
    "ENSEMBLE",
    "Encoded",
    "Encoder",
    "FewShot",
    "Learned",
    "LearnedContext",
    "LearnedPrompts",
    "METHODS",
    "LinearProbe",
    "Prompted",
    "Prompting",
    "Recall",
    "Result",
    "Retrieval",
    "Robustness",
    "Scores",
    "SeedExample",
    "Shift",
    "Shots",
    "Step",
    "Task",
    "Tuning",
    "ZeroShot",
    "ZeroShotVsProbe",
    "accuracy",
    "corrupted",
    "corrupted_data",
    "few_shot",
    "learned_prompts",
    "linear_probe",
    "open_captions",
    "open_cifar",
    "open_data",
    "open_split",
    "parametric_search",
    "prompting",
    "read_classes",
    "read_templates",
    "recall",
    "retrieval",
    "robustness",
    "score",
    "seed_example",
    "shots_to_equal",
    "zero_shot",
    "zero_shot_vs_probe",
]
