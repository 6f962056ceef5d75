"""Says which labels fit some pictures: a program to start from.

    python classify.py [-m MODEL] [-l LABELS] [-t TEMPLATES] [-k TOP] PICTURE...

LABELS and TEMPLATES are files with one text on a line. examples/c/classify.c does the same and prints the
same lines.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import swiftclip

EXAMPLES = Path(__file__).resolve().parent.parent


def lines_of(path):
    return [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("-m", "--model", help="a folder or an ONNX file; without it, the default model")
    parser.add_argument("-l", "--labels", default=EXAMPLES / "labels.txt")
    parser.add_argument("-t", "--templates", default=EXAMPLES / "templates.txt")
    parser.add_argument("-k", "--top", type=int, default=3)
    arguments = parser.parse_args()

    labels = lines_of(arguments.labels)
    with swiftclip.load(arguments.model) as model:
        probabilities = model.classify(arguments.pictures, labels, lines_of(arguments.templates))

    for path, row in zip(arguments.pictures, probabilities):
        print(path)
        for index in np.argsort(-row, kind="stable")[: arguments.top]:
            print(f"  {100 * float(row[index]):5.1f} %  {labels[index]}")


if __name__ == "__main__":
    try:
        main()
    except (swiftclip.SwiftCLIPError, OSError) as error:
        sys.exit(f"classify: {error}")
