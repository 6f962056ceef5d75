"""Watches a folder of pictures and searches it: what is added, changed or removed is noticed while it runs.

    python watch.py FOLDER [-m MODEL] [-k TOP] [--every SECONDS]

Each line on stdin is a search, such as "a penguin"; the pictures that fit best are printed with their cosines. Ends
with stdin.
"""

import argparse
import queue
import sys
import threading
from pathlib import Path

import numpy as np

import swiftclip

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


class Index:
    """Embeddings of the pictures in a folder, as of the last `refresh`."""

    def __init__(self, model, folder):
        self.model, self.folder = model, folder
        self.seen = {}  # path -> (time of change, embedding; None if it cannot be read)

    def refresh(self):
        now = {}
        for path in self.folder.rglob("*"):
            if path.suffix.lower() in SUFFIXES:
                try:
                    now[path] = path.stat().st_mtime_ns
                except FileNotFoundError:  # removed since it was listed
                    continue
        fresh = [path for path, changed in now.items() if self.seen.get(path, (None,))[0] != changed]
        self.seen = {path: entry for path, entry in self.seen.items() if path in now}
        if not fresh:
            return
        embeddings, failures = self.model.embed_images(fresh)
        for place, path in enumerate(fresh):
            self.seen[path] = (now[path], None if place in failures else embeddings[place])
        for place, error in failures.items():
            print(f"{fresh[place]}: {error}", file=sys.stderr)
        print(f"{len(fresh)} pictures read, {len(self.seen)} known", file=sys.stderr)

    def search(self, text, top):
        known = [(path, embedding) for path, (_, embedding) in self.seen.items() if embedding is not None]
        if not known:
            return []
        cosines = swiftclip.similarity(np.stack([embedding for _, embedding in known]), self.model.encode_text(text))[:, 0]
        return [(float(cosines[i]), known[i][0]) for i in np.argsort(-cosines, kind="stable")[:top]]


def lines_into(searches):
    for line in sys.stdin:
        searches.put(line.strip())
    searches.put(None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-m", "--model", help="a folder or an ONNX file; without it, the default model")
    parser.add_argument("-k", "--top", type=int, default=3)
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="how often to look (2)")
    arguments = parser.parse_args()

    with swiftclip.load(arguments.model) as model:
        index, searches = Index(model, arguments.folder), queue.Queue()
        threading.Thread(target=lines_into, args=(searches,), daemon=True).start()
        text = ""
        while text is not None:
            index.refresh()
            try:
                text = searches.get(timeout=arguments.every)
            except queue.Empty:
                continue
            if text:
                index.refresh()
                for cosine, path in index.search(text, arguments.top):
                    print(f"{cosine:7.4f}  {path}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (swiftclip.SwiftCLIPError, OSError) as error:
        sys.exit(f"watch: {error}")
