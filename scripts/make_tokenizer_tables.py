#!/usr/bin/env python3
"""Makes Sources/Tokenizing/Tables.swift: the data that the tokenizer's text repair needs.

Run with the versions below installed (pip install ftfy==6.3.1 regex==2026.11.15):

    python scripts/make_tokenizer_tables.py > Sources/Tokenizing/Tables.swift

What is data here is read out of the installed packages, so that another version gives other
tables and no code changes:
  - single-byte encodings: Python's codecs and ftfy's "sloppy" ones, in the order ftfy tries them;
  - the mojibake heuristic: ftfy's BADNESS_RE is parsed by Python's own regex parser, expanded into
    sequences of character sets, and compiled into one minimal deterministic automaton;
  - the sets of UTF8_DETECTOR_RE;
  - widths, ligatures, HTML entities (html.entities.html5 and ftfy's upper-case additions);
  - letters and numbers that the regex module knows and Swift's standard library (Unicode 17) does
    not yet.
"""

import html.entities
import re
import sys
import unicodedata
from importlib.metadata import version

import ftfy
import regex
from ftfy import badness, chardata

parser = re._parser  # Python 3.11 and later
constants = re._constants

ALL = range(0x110000)


# ---- The mojibake heuristic as an automaton ---------------------------------------------------

def category(kind):
    """The code points of \\s or \\w, as Python's re sees them."""
    tests = {
        constants.CATEGORY_SPACE: str.isspace,
        constants.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    }
    return frozenset(c for c in ALL if tests[kind](chr(c)))


SETS = {}


def members(items):
    """The code points of a parsed character class."""
    key = str(items)
    if key in SETS:
        return SETS[key]
    negate, result = False, set()
    for op, value in items:
        if op is constants.NEGATE:
            negate = True
        elif op is constants.LITERAL:
            result.add(value)
        elif op is constants.RANGE:
            result.update(range(value[0], value[1] + 1))
        elif op is constants.CATEGORY:
            result |= category(value)
        else:
            raise ValueError(f"class item {op}")
    SETS[key] = frozenset(set(ALL) - result if negate else result)
    return SETS[key]


def expand(parsed):
    """Every sequence of character sets that a pattern without unbounded repetition stands for.
    The marker "^" stands for the start of the text."""
    sequences = [()]
    for op, value in parsed:
        if op is constants.LITERAL:
            parts = [(members([(op, value)]),)]
        elif op is constants.IN:
            parts = [(members(value),)]
        elif op is constants.ANY:
            parts = [(frozenset(set(ALL) - {10}),)]
        elif op is constants.AT and value is constants.AT_BEGINNING:
            parts = [("^",)]
        elif op is constants.BRANCH:
            parts = [s for branch in value[1] for s in expand(branch)]
        elif op is constants.SUBPATTERN:
            parts = expand(value[3])
        elif op is constants.MAX_REPEAT:
            low, high, inner = value
            parts = []
            for count in range(low, int(high) + 1):
                repeated = [()]
                for _ in range(count):
                    repeated = [a + b for a in repeated for b in expand(inner)]
                parts += repeated
        else:
            raise ValueError(f"pattern item {op}")
        sequences = [a + b for a in sequences for b in parts]
    return sequences


def equivalence_classes(sets):
    """Splits all code points into classes that no set tells apart: a list of frozensets. Surrogates
    are left out: they cannot occur in UTF-8."""
    signature = {}
    sets = list(sets)
    for index, chars in enumerate(sets):
        for c in chars:
            signature.setdefault(c, []).append(index)
    classes = {}
    for c in ALL:
        if not 0xD800 <= c <= 0xDFFF:
            classes.setdefault(tuple(signature.get(c, ())), []).append(c)
    return [frozenset(v) for v in classes.values()]


def automaton(sequences, classes):
    """A minimal automaton that reaches ACCEPT as soon as any sequence has occurred anywhere in
    the text. Returns (transitions, start): transitions[state][class] = state, ACCEPT = -1."""
    representative = [min(c) for c in classes]
    sequences = list(dict.fromkeys(sequences))
    free = [s for s in sequences if s[0] != "^"]
    anchored = [s[1:] for s in sequences if s[0] == "^"]
    # An item is (sequence, position); those at position 0 of `free` are always alive.
    matches = {}
    for s in free + anchored:
        for chars in s:
            if chars not in matches:
                matches[chars] = [r in chars for r in representative]

    def step(items, k):
        following = set()
        for s, position in list(items) + [(s, 0) for s in free]:
            if matches[s[position]][k]:
                if position + 1 == len(s):
                    return "ACCEPT"
                following.add((s, position + 1))
        return frozenset(following)

    start = frozenset((s, 0) for s in anchored)
    numbers, table, queue = {start: 0}, [], [start]
    while queue:
        items = queue.pop(0)
        row = []
        for k in range(len(classes)):
            target = step(items, k)
            if target == "ACCEPT":
                row.append(-1)
                continue
            if target not in numbers:
                numbers[target] = len(numbers)
                queue.append(target)
            row.append(numbers[target])
        table.append(row)
    # Moore's minimisation.
    group = [0] * len(table)
    while True:
        keys = {}
        new = [
            keys.setdefault((group[i], tuple(-1 if t < 0 else group[t] for t in row)), len(keys))
            for i, row in enumerate(table)
        ]
        if len(keys) == len(set(group)):
            break
        group = new
    minimal = {}
    for i, row in enumerate(table):
        minimal[group[i]] = [-1 if t < 0 else group[t] for t in row]
    return [minimal[i] for i in range(len(minimal))], group[0]


# ---- Plain tables --------------------------------------------------------------------------------

def hexes(text):
    return "+".join(f"{ord(c):X}" for c in text)


def ranges(points):
    """Sorted code points as inclusive (first, last) pairs."""
    result = []
    for c in sorted(points):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def range_fields(points):
    return [f"{a:X}" if a == b else f"{a:X}-{b:X}" for a, b in ranges(points)]


def encodings():
    """Per encoding the 128 characters of its upper half; "sloppy" ones also take U+FFFD as 1A."""
    fields = []
    for name in chardata.CHARMAP_ENCODINGS:
        decoded = bytes(range(0x80, 0x100)).decode(name)
        assert len(set(decoded)) == 128, name
        assert min(decoded) >= "\x80", name
        low = bytes(range(0x80)).decode(name)
        assert [i for i, c in enumerate(low) if ord(c) != i] == ([0x1A] if "sloppy" in name else [])
        if name != "latin-1":
            fields.append(name + "=" + "".join(f"{ord(c):04X}" for c in decoded))
    return fields


def entities():
    """`name kind value`: L may lack its semicolon, E needs it, U is known to ftfy only."""
    html5 = html.entities.html5
    table = {}
    for name, value in html5.items():
        if name.endswith(";"):
            legacy = name[:-1] in html5
            assert not legacy or html5[name[:-1]] == value
            table[name[:-1]] = ("L" if legacy else "E", value)
    assert all(n.endswith(";") or n in table for n in html5)
    for name, value in chardata.HTML_ENTITIES.items():
        bare = name[1:-1]
        if bare in table:
            assert table[bare][1] == value
        else:
            table[bare] = ("U", value)
    longest = max(len(n) for n, (kind, _) in table.items() if kind == "L")
    assert longest == 6, "HTMLEntities.swift looks for legacy names of up to 6 letters"
    return [f"{n} {kind} {hexes(v)}" for n, (kind, v) in sorted(table.items())]


def decompositions():
    """`composed first second` (or a single target), and whether composition undoes it."""
    fields = []
    for c in ALL:
        text = unicodedata.decomposition(chr(c))
        if not text or text.startswith("<"):
            continue
        target = "".join(chr(int(x, 16)) for x in text.split())
        assert len(target) <= 2
        recomposes = unicodedata.normalize("NFC", chr(c)) == chr(c)
        assert not (recomposes and len(target) == 1)
        fields.append(f"{c:X}{'=' if recomposes else '>'}{hexes(target)}")
    return fields


def combining_classes():
    """`class:ranges` for every class but 0."""
    by_class = {}
    for c in ALL:
        k = unicodedata.combining(chr(c))
        if k:
            by_class.setdefault(k, []).append(c)
    return [f"{c}:{k:X}" for k in sorted(by_class) for c in range_fields(by_class[k])]


def newer_than_17(pattern):
    """What the regex module counts as `pattern` and Unicode 17 had not assigned. Unicode 17's own
    data is not in Python, so everything that unicodedata does not know is listed; Swift asks its
    standard library first."""
    test = regex.compile(pattern).match
    return [c for c in ALL if unicodedata.category(chr(c)) == "Cn" and test(chr(c))]


def literal(name, comment, fields, separator=" "):
    text = separator.join(fields)
    assert all(" " <= c <= "~" and c not in '"\\' for c in text)
    lines = [text[i:i + 120] for i in range(0, len(text), 120)]
    body = "\\\n".join("    " + line for line in lines)
    return f'  /// {comment}\n  static let {name}: StaticString = """\n{body}\n    """\n'


def main():
    parsed = parser.parse(badness.BADNESS_RE.pattern, re.VERBOSE)
    sequences = expand(parsed)
    clues = {
        name: members(parser.parse(f"[{chars}]")[0][1])
        for name, chars in chardata.UTF8_CLUES.items()
    }
    firsts = [clues[f"utf8_first_of_{i}"] for i in (2, 3, 4)]
    assert not (firsts[0] & firsts[1] or firsts[0] & firsts[2] or firsts[1] & firsts[2])
    order = firsts + [clues["utf8_continuation"], clues["utf8_continuation_strict"]]
    sets = list(dict.fromkeys([s for q in sequences for s in q if s != "^"])) + order
    classes = sorted(equivalence_classes(sets), key=lambda c: (len(c), min(c)))
    word, other = members([(constants.CATEGORY, constants.CATEGORY_WORD)]), len(classes) - 1
    assert classes[other - 1] <= word and not classes[other] & word
    table, start = automaton(sequences, classes)
    assert start == 0 and len(table) < 255 and len(classes) < 255

    width = [f"{c:X}={hexes(v)}" for c, v in chardata.WIDTH_MAP.items()]
    ligatures = [f"{c:X}={hexes(v)}" for c, v in chardata.LIGATURES.items()]
    out = f"""\
// swift-format-ignore-file
// Made by scripts/make_tokenizer_tables.py with Python {sys.version.split()[0]} (unicodedata \
{unicodedata.unidata_version}), ftfy {version('ftfy')}, regex {version('regex')}.
// Derived data of ftfy (Robyn Speer; Apache License 2.0), the HTML standard's entity list and the
// Unicode Character Database. Do not edit: change the script and run it again.

/// Data of the tokenizer's text repair, as ASCII text that each user decodes once. Numbers are
/// hexadecimal; a string is its code points joined by "+".
enum Tables {{
"""
    out += literal("encodings", "Single-byte encodings in the order in which ftfy tries them, after Latin-1:\n"
                   "  /// the characters of bytes 80 to FF, four digits each.", encodings(), ";")
    out += literal("mojibakeClasses", "Character classes of the mojibake heuristic, from 0: code points or ranges. The last two\n"
                   "  /// classes, other word characters and everything else, are not listed.",
                   [",".join(range_fields(c)) for c in classes[:-2]], ";")
    out += literal("mojibakeClues", "Per class, two digits: 1 first of two bytes, 2 of three, 4 of four, 8 continuation,\n"
                   "  /// 10 strict continuation.",
                   [f"{sum(1 << i for i, s in enumerate(order) if min(c) in s):02X}" for c in classes], "")
    out += literal("mojibakeStates", f"The heuristic as an automaton of {len(table)} states and {len(classes)} classes: per state and class\n"
                   "  /// the next state, two digits; FF: mojibake. State 0 is the start of the text.",
                   [f"{t & 0xFF:02X}" for row in table for t in row], "")
    out += literal("widths", "Fullwidth and halfwidth forms.", width)
    out += literal("ligatures", "Latin ligatures and digraphs.", ligatures)
    out += literal("entities", "HTML entities by name: L may lack its semicolon, E may not, U is an upper-case form that\n"
                   "  /// only ftfy knows. Sorted.", entities(), ";")
    out += literal("decompositions", "Canonical decompositions; = where composition undoes it, > where it does not.", decompositions())
    out += literal("combiningClasses", "Canonical combining classes other than 0, as range:class.", combining_classes())
    out += literal("newLetters", "Letters of the regex module that Unicode 14 had not assigned.", range_fields(newer_than_17(r"\p{L}")))
    out += literal("newNumbers", "Numbers likewise.", range_fields(newer_than_17(r"\p{N}")))
    out += "}\n"
    sys.stdout.write(out)


if __name__ == "__main__":
    main()
