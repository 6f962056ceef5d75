"""What else a thing is called, and what kind of thing it is, from WordNet's own files (Debian: wordnet-base)."""

import functools
from pathlib import Path
from typing import Dict, List

FOLDER = "debian/wordnet-base/usr/share/wordnet"
# Kinds that nobody would say of a picture.
TOO_GENERAL = set(
    "entity,physical entity,object,physical object,whole,unit,artifact,artefact,abstraction,matter,thing,causal agent,"
    "cause,causal agency,attribute,substance,organism,being,living thing,animate thing,instrumentality,"
    "instrumentation,psychological feature,event,relation,measure,communication,group,grouping,state,cognition,"
    "knowledge,noesis,part,portion,solid,food,nutrient,location,process,physical process,act,deed,human action,"
    "human activity,structure,construction,covering,natural object,unit of measurement,vascular plant,tracheophyte,"
    "chordate,placental,placental mammal,eutherian,eutherian mammal,artiodactyl,ungulate,carnivore,"
    "conveyance,product,production,creation,commodity,good,trade good,individual,someone,somebody,mortal,soul,"
    "definite quantity,plant part,plant structure,reproductive structure,herb,herbaceous plant,fissiped mammal".split(",")
)


class WordNet:
    """Nouns: their first, most frequent meaning only."""

    def __init__(self, work: Path) -> None:
        folder = work / FOLDER
        self.data = (folder / "data.noun").read_bytes()
        self.first: Dict[str, int] = {}
        with open(folder / "index.noun", encoding="latin1") as file:
            for line in file:
                if not line.startswith(" "):
                    fields = line.split()
                    self.first[fields[0]] = int(fields[6 + int(fields[3])])

    @functools.lru_cache(maxsize=None)
    def meaning(self, offset: int) -> tuple:
        """The words of a meaning and its hypernyms."""
        line = self.data[offset : self.data.index(b"\n", offset)].decode("latin1").split(" | ")[0].split()
        count = int(line[3], 16)
        words = [line[4 + 2 * i].replace("_", " ").lower() for i in range(count)]
        rest = line[4 + 2 * count :]
        kinds = [int(rest[2 + 4 * i]) for i in range(int(rest[0])) if rest[1 + 4 * i] in ("@", "@i")]
        return words, kinds

    def find(self, title: str) -> int:
        """The meaning of a title, or of its end ("red apple" is an apple); -1 if there is none."""
        words = title.split()
        for start in range(len(words)):
            name = "_".join(words[start:])
            for form in (name, name[:-1] if name.endswith("s") else name):
                if len(form) > 2 and form in self.first:
                    return self.first[form]
            if len(words) > 3:
                break
        return -1

    def synonyms(self, title: str) -> List[str]:
        """Other words of the same meaning, for titles that are nouns as a whole."""
        offset = self.first.get(title.replace(" ", "_"), -1)
        return [word for word in self.meaning(offset)[0] if word != title][:3] if offset >= 0 else []

    def kinds(self, title: str) -> List[str]:
        """Up to four kinds that the thing belongs to, the nearest first."""
        result: List[str] = []
        offset = self.find(title)
        for _ in range(8):
            kinds = self.meaning(offset)[1] if offset >= 0 else []
            if not kinds or len(result) == 4:
                break
            offset = kinds[0]
            name = self.meaning(offset)[0][0]
            if name not in TOO_GENERAL:
                result.append(name)
        return result
