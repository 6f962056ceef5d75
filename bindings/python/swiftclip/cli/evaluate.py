"""`swiftclip evaluate`: the paper's experiments."""

from __future__ import annotations

import argparse
from typing import Any, Callable, List, Optional, Sequence, Tuple

from .. import evaluate
from .._errors import bad_argument
from ..evaluate.optional import needed
from ..evaluate.prompts import ONE, checked_templates, named_by
from ..evaluate.seed import PICTURE, TEMPLATE
from ..evaluate.sources import SPLITS
from ..evaluate.few_shot import SHOTS
from .common import add_model_arguments, cache_folder, complain, open_model
from .progress import Stages

_DATA = (
    "a folder with a folder for each class, or with those in train/, val/ and test/; a CIFAR-10 or CIFAR-100 archive, "
    'Python or binary version; or "digits", which come with scikit-learn. NAME=PATH gives it a name'
)
_CLASSES = "class names: one on a line, JSON, open_clip:imagenet or clip_benchmark:NAME; once for each --data"
_TEMPLATES = "templates: one on a line, JSON, open_clip:imagenet, open_clip:simple or clip_benchmark:NAME"


def add_to(commands: Any) -> None:
    """Adds the command and its experiments to the program's parser."""
    command = commands.add_parser(
        "evaluate",
        help="run the paper's experiments on a model",
        description="Runs an experiment of the paper on a model. Features of pictures are computed once and kept.",
    )
    experiments = command.add_subparsers(dest="experiment", metavar="EXPERIMENT", required=True)

    seed = _added(experiments, "seed", _seed, "the official README's example: the best five classes of one picture")
    seed.add_argument("picture", nargs="?", metavar="PICTURE", help=f"a file; without it, number --number of --data")
    seed.add_argument("--number", type=int, default=PICTURE, metavar="N", help=f"of the data set's pictures. {PICTURE}")
    seed.add_argument("--top", type=int, default=5, metavar="K", help="classes shown. 5")

    _added(experiments, "zero-shot", _zero_shot, "top-1, top-5 and mean per class")
    prompts = _added(experiments, "prompts", _prompts, "class name alone, one template, ensemble (Figure 4)")
    prompts.add_argument("--one", default=ONE[0], metavar="TEXT", help=f'the one template. "{ONE[0]}"')

    probe = _added(experiments, "linear-probe", _linear_probe, "logistic regression on features (Figure 10)")
    probe.add_argument("--c", type=float, metavar="C", help="strength of regularisation; without it, the best one")
    few = _with_shots(experiments, "few-shot", _few_shot, "probes on few pictures per class (Figures 6 and 7)")
    few.add_argument("--c", type=float, metavar="C", help="strength of regularisation; without it, the best one")
    few.add_argument("--no-full", action="store_true", help="no probe on all training pictures")
    learned = _with_shots(
        experiments, "learned-prompts", _learned_prompts, "CoOp and CoCoOp against hand-written prompts"
    )
    learned.add_argument("--context", type=int, metavar="N", help="context vectors; without it, the template's words")
    learned.add_argument("--epochs", type=int, metavar="N", help="passes over the shots; without it, the papers'")
    _added(experiments, "zero-shot-vs-probe", _versus, "both on several data sets (Figure 8)")

    robust = _added(experiments, "robustness", _robustness, "accuracy under distribution shift (Figure 13)")
    robust.add_argument("--shift", action="append", default=[], metavar="NAME=PATH", help="a data set with some of the "
                        "same class names, such as drawings of them; may be given often")  # fmt: skip
    robust.add_argument("--corruptions", nargs="*", choices=tuple(evaluate.CORRUPTIONS), metavar="KIND",
                        default=list(evaluate.CORRUPTIONS), help="all; none: no corruption. "
                        + ", ".join(evaluate.CORRUPTIONS))  # fmt: skip
    robust.add_argument("--no-probe", action="store_true", help="zero-shot only")

    retrieval = _added(experiments, "retrieval", _retrieval, "recall of captions and of pictures (Table 13)", data=False)
    retrieval.add_argument("captions", metavar="FILE", help="a path, a tab and a caption on each line")
    retrieval.add_argument("--one", default="{}", metavar="TEXT", help='around each caption. "{}"')


def _added(experiments: Any, name: str, function: Callable[..., Any], told: str, data: bool = True) -> Any:
    command = experiments.add_parser(name, help=told, description=told[0].upper() + told[1:] + ".")
    if data:
        group = command.add_argument_group("data")
        group.add_argument("--data", action="append", default=[], metavar="SOURCE", help=_DATA)
        group.add_argument("--split", choices=SPLITS, default="test", help="that is tested. test")
        group.add_argument("--limit", type=int, metavar="N", help="test pictures at most, spread evenly")
        group.add_argument("--train-limit", type=int, metavar="N", help="training pictures at most")
        group.add_argument("--classes", action="append", default=[], metavar="FILE", help=_CLASSES)
        group.add_argument("--template", action="append", default=[], metavar="TEXT", help="a prompt with {}; often")
        group.add_argument("--templates", action="append", default=[], metavar="FILE", help=_TEMPLATES)
    command.add_argument("--truncate", action="store_true", help="cut prompts and captions that are too long")
    command.add_argument("--json", action="store_true", help="print JSON in place of the table")
    command.add_argument("-o", "--output", metavar="DIR", help="also write .txt, .json, .png and .svg files there")
    command.add_argument("--cache", metavar="DIR", help="where features are kept; the user's cache folder")
    command.add_argument("--no-cache", action="store_true", help="keep no features")
    add_model_arguments(command)
    command.set_defaults(run=lambda arguments: run(arguments, command, function))
    return command


def _with_shots(experiments: Any, name: str, function: Callable[..., Any], told: str) -> Any:
    command = _added(experiments, name, function, told)
    command.add_argument("--shots", type=int, nargs="+", default=list(SHOTS), metavar="N")
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="draws for each number of shots. 3")
    return command


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser, function: Callable[..., Any]) -> int:
    """Runs one experiment and returns the exit status: 1 where a picture could not be read."""
    _checked(arguments, command)
    if arguments.output:
        needed("matplotlib", "matplotlib", "A plot (--output)")  # better now than when all is computed
    cache = None if arguments.no_cache else (arguments.cache or cache_folder() / "features")
    with open_model(arguments) as model, Stages() as progress:
        encoder = evaluate.Encoder(model, cache=cache, progress=progress, truncate=arguments.truncate)
        result: evaluate.Result = function(arguments, encoder)
    for name, why in encoder.failures.items():
        complain(f"{name}: {why}")
    print(result.json() if arguments.json else result)
    if arguments.output:
        for path in result.save(arguments.output):
            complain(f"wrote {path}")
    return 1 if encoder.failures else 0


def _checked(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> None:
    """Ends with a usage error where arguments make no sense together."""
    if arguments.experiment == "retrieval":
        return
    if arguments.experiment == "seed":
        if bool(arguments.picture) and not (arguments.data or arguments.classes):
            command.error("give --data or --classes: the names of the classes")
        if arguments.top < 1 or arguments.number < 0:
            command.error("--top must be 1 or more, --number 0 or more")
    if not arguments.data and not (arguments.experiment == "seed" and arguments.picture):
        command.error("give --data")
    if len(arguments.data) > 1 and arguments.experiment not in ("prompts", "zero-shot-vs-probe"):
        command.error(f"{arguments.experiment} takes one --data")
    for name in ("classes", "templates"):
        if len(getattr(arguments, name)) not in (0, 1 if name == "templates" else 0, max(len(arguments.data), 1)):
            command.error(f"give --{name} once for each --data")
    for name in ("limit", "train_limit"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            command.error(f"--{name.replace('_', '-')} must be 1 or more")
    if any(template.count("{}") != 1 for template in arguments.template):
        command.error("a template must hold {} exactly once, where the class goes")


# -- What is asked, opened


def _test(arguments: argparse.Namespace, index: int = 0) -> evaluate.DataSet:
    data = _named(evaluate.open_data(arguments.data[index], arguments.split), arguments, index)
    return data if arguments.limit is None else data.sample(arguments.limit)


def _train(arguments: argparse.Namespace, index: int = 0) -> evaluate.DataSet:
    data = _named(evaluate.open_data(arguments.data[index], "train"), arguments, index)
    return data if arguments.train_limit is None else data.sample(arguments.train_limit)


def _validation(arguments: argparse.Namespace, index: int = 0) -> Optional[evaluate.DataSet]:
    data = evaluate.open_split(arguments.data[index], "validation") if arguments.split == "test" else None
    return None if data is None else _named(data, arguments, index)


def _named(data: evaluate.DataSet, arguments: argparse.Namespace, index: int) -> evaluate.DataSet:
    if not arguments.classes:
        return data
    return data.named(named_by(evaluate.read_classes(arguments.classes[index]), data.classes, data.name))


def _templates(arguments: argparse.Namespace, otherwise: Sequence[str], index: int = 0) -> Tuple[str, ...]:
    held: List[str] = list(arguments.template)
    if arguments.templates:
        held += evaluate.read_templates(arguments.templates[min(index, len(arguments.templates) - 1)])
    return checked_templates(held or otherwise)


# -- The experiments


def _seed(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    picture, classes = arguments.picture, None
    if arguments.data:
        data = evaluate.open_data(arguments.data[0], arguments.split, underscores=True)
        classes = data.classes
        if picture is None:
            if arguments.number >= len(data):
                raise bad_argument(
                    f"{data.name} has {len(data)} pictures, and none of number {arguments.number}."
                )
            picture = data.pictures[arguments.number]
    if arguments.classes:
        names = evaluate.read_classes(arguments.classes[0])
        classes = tuple(names.values() if isinstance(names, dict) else names)
    assert classes is not None  # _checked has seen to it
    (template, *_) = _templates(arguments, (TEMPLATE,))
    return evaluate.seed_example(encoder, picture, classes, template=template, top=arguments.top)


def _zero_shot(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    return evaluate.zero_shot(encoder, _test(arguments), _templates(arguments, ONE))


def _prompts(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    count = len(arguments.data)
    return evaluate.prompting(
        encoder,
        [_test(arguments, index) for index in range(count)],
        template=arguments.one,
        ensembles=[_templates(arguments, evaluate.ENSEMBLE, index) for index in range(count)],
    )


def _linear_probe(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    return evaluate.linear_probe(
        encoder, _train(arguments), _test(arguments), _validation(arguments), c=arguments.c
    )


def _few_shot(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    return evaluate.few_shot(
        encoder,
        _train(arguments),
        _test(arguments),
        _templates(arguments, ONE),
        shots=arguments.shots,
        seeds=arguments.seeds,
        c=arguments.c,
        full=not arguments.no_full,
    )


def _learned_prompts(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    return evaluate.learned_prompts(
        encoder,
        _train(arguments),
        _test(arguments),
        _templates(arguments, ONE),
        shots=arguments.shots,
        seeds=arguments.seeds,
        context=arguments.context,
        epochs=arguments.epochs,
    )


def _versus(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    tasks = [
        evaluate.Task(
            _train(arguments, index), _test(arguments, index), _validation(arguments, index),
            _templates(arguments, ONE, index),
        )
        for index in range(len(arguments.data))
    ]  # fmt: skip
    return evaluate.zero_shot_vs_probe(encoder, tasks)


def _robustness(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    shifts = [evaluate.open_data(source) for source in arguments.shift]
    return evaluate.robustness(
        encoder,
        _test(arguments),
        _templates(arguments, ONE),
        train=None if arguments.no_probe else _train(arguments),
        shifts={data.name: data for data in shifts},
        corruptions=arguments.corruptions,
    )


def _retrieval(arguments: argparse.Namespace, encoder: evaluate.Encoder) -> evaluate.Result:
    captions = evaluate.open_captions(arguments.captions)
    return evaluate.retrieval(encoder, captions, template=arguments.one, truncate=arguments.truncate)
