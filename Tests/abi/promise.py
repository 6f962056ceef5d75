"""Whether programs compiled with a released header run with today's library: docs/abi.md, checked.

    python3 promise.py ROOT LIBRARY       environment: CC
    python3 promise.py --release ROOT     stores today's header, version script and dump for later

For each release in headers/:
  - abidiff finds no incompatible change of a function, or of a type that a function takes or gives;
  - structs that may grow have their old members where they were, and constants their values;
  - the library has the functions under the symbol versions of the release;
  - a program that uses all functions of the release, compiled with its header, runs with the library.
And changes made on purpose are found, or let pass where the policy allows them.

The library is stripped, and Swift's debugging information would tell of Swift's types. So abidw and abidiff look at
a "contract": a shared object made in C from a header and a version script, which does nothing. The library keeps to
the same header: the Swift compiler refuses a function that differs from its declaration, and symbols.sh compares names.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CC = os.environ.get("CC", "cc")
passed = failed = 0


def check(condition, what):
    global passed, failed
    passed += bool(condition)
    failed += not condition
    if not condition:
        print(f"promise.py: not so: {what}")


def run(*command, **options):
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([str(part) for part in command], stderr=subprocess.STDOUT, text=True, **options)


def must(*command, **options):
    done = run(*command, **options)
    if done.returncode != 0:
        sys.exit(f"promise.py: {' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def declarations(header):
    """The header's declarations, without comments and preprocessor, one string each."""
    text = " ".join(must(CC, "-E", "-P", "-x", "c", header).split())
    pieces, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == ";" and depth == 0:
            pieces.append(text[start:place].strip())
            start = place + 1
    return pieces


def functions(header):
    return [piece for piece in declarations(header) if piece.startswith("__attribute__")]


def contract(header, script, output):
    """Makes a shared object with the types, functions and symbol versions, and debugging information."""
    source = Path(f"{output}.c")
    bodies = [f"{function} {{ __builtin_trap(); }}" for function in functions(header)]
    source.write_text("\n".join([f'#include "{header}"', *bodies, ""]))
    must(
        *(CC, "-std=c11", "-g", "-shared", "-fPIC", "-Wl,-soname,libswiftclip.so.1", f"-Wl,--version-script={script}"),
        *(source.name, "-o", output),
        cwd=source.parent,  # dumps name the source as it was given
    )
    return output


def dump(made, output):
    """What abidw says of a contract, without the paths of this machine."""
    quiet = ("--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed")
    must("abidw", *quiet, "--out-file", output, made)


def incompatible(dumped, made, here):
    """What abidiff holds against a contract, or "". Added functions are no change for those that are compiled."""
    found = run("abidiff", "--no-added-syms", "--suppressions", here / "growing.ini", dumped, made)
    return found.stdout if found.returncode else ""


def unlike(old, new, work):
    """What is wrong with members and constants that the old header has, or "": a C program of assertions.

    Both headers are included, the old one under other names. A member called `reserved` may get a name and a meaning.
    """
    first = work / "first.h"
    first.write_text(re.sub("swiftclip_", "first_", old.read_text()).replace("SWIFTCLIP_", "FIRST_"))
    lines = ["#include <stddef.h>", '#include "first.h"', f'#include "{new}"']
    for piece in declarations(old):
        body = re.search(r"\b(enum|struct)\b[^{]*\{(.*)\}", piece)
        if body and body[1] == "enum":
            for name in re.findall(r"SWIFTCLIP_(\w+)", body[2]):
                lines.append(f'_Static_assert((int)FIRST_{name} == (int)SWIFTCLIP_{name}, "{name}");')
        elif body and re.search(r"struct swiftclip_\w+ *\{", piece):
            struct = re.search(r"struct swiftclip_(\w+)", piece)[1]
            for member in filter(str.strip, body[2].split(";")):
                name = re.search(r"(\w+)(\[\w+\])*\s*$", member)[1]
                if name == "reserved":
                    continue
                old_member, new_member = f"((first_{struct} *)0)->{name}", f"((swiftclip_{struct} *)0)->{name}"
                same = f"offsetof(first_{struct}, {name}) == offsetof(swiftclip_{struct}, {name})"
                same += f" && sizeof({old_member}) == sizeof({new_member})"
                if "swiftclip_" not in member:  # else the two types have two names, and abidiff compares them
                    same += f" && __builtin_types_compatible_p(__typeof__({old_member}), __typeof__({new_member}))"
                lines.append(f'_Static_assert({same}, "{struct}.{name}");')
            lines.append(f'_Static_assert(sizeof(first_{struct}) <= sizeof(swiftclip_{struct}), "{struct}");')
    (work / "unlike.c").write_text("\n".join([*lines, ""]))
    compiled = run(CC, "-std=c11", "-fsyntax-only", "-I", work, work / "unlike.c")
    return compiled.stdout if compiled.returncode else ""


def broken(release, header, script, work, here):
    """Everything that a program compiled with the release would stumble over."""
    made = contract(header, script, work / "libcontract.so")
    return incompatible(release.with_suffix(".abi"), made, here) + unlike(release, header, work)


def versions(library):
    """name@@version of each exported function."""
    return {
        line.split()[-1]
        for line in must("nm", "-D", "--defined-only", library).splitlines()
        if line.split()[-1].startswith("swiftclip_")
    }


# What is done to today's header, and whether programs compiled with the first one bear it.
CHANGES = [
    ("an argument becomes narrower", "size_t context_length, swiftclip_tokenizer **", "uint32_t context_length, swiftclip_tokenizer **", False),
    ("an argument is added", "swiftclip_version(void)", "swiftclip_version(int which)", False),
    ("a result changes its type", "float swiftclip_model_logit_scale", "double swiftclip_model_logit_scale", False),
    ("a status is renumbered", "SWIFTCLIP_IO_ERROR = 2", "SWIFTCLIP_IO_ERROR = 22", False),
    ("a constant is renumbered", "SWIFTCLIP_FORMAT_RGB = 3", "SWIFTCLIP_FORMAT_RGB = 30", False),
    ("a constant is gone", "SWIFTCLIP_ALPHA_DROP = 0,", "", False),
    ("a member comes before others", "  int32_t exact_order;", "  int32_t sooner;\n  int32_t exact_order;", False),
    ("a member of options changes its type", "  int32_t interpolation;", "  float interpolation;", False),
    ("a member is widened", "  int32_t backend;", "  int64_t backend;", False),
    ("a struct that may not grow does", "  size_t length;\n} swiftclip_text", "  size_t length;\n  size_t more;\n} swiftclip_text", False),
    ("a function is gone", "SWIFTCLIP_API size_t swiftclip_model_threads(const swiftclip_model *model);", "", False),
    ("a status is added", "SWIFTCLIP_DEADLINE_EXCEEDED = 12 ", "SWIFTCLIP_DEADLINE_EXCEEDED = 12, SWIFTCLIP_ADDED = 99 ", True),
    ("options grow at their end", "} swiftclip_model_options;", "  int64_t added;\n} swiftclip_model_options;", True),
    ("a function is added", "SWIFTCLIP_API uint32_t swiftclip_version", "SWIFTCLIP_API int swiftclip_added(void);\nSWIFTCLIP_API uint32_t swiftclip_version", True),
    ("an argument is named otherwise", "swiftclip_status status);", "swiftclip_status which);", True),
]  # fmt: skip


def check_changes(release, header, script, work, here):
    text = header.read_text()
    for what, before, after, allowed in CHANGES:
        if text.count(before) != 1:
            check(False, f"'{before}' stands once in the header, so that {what}")
            continue
        changed = work / "changed.h"
        changed.write_text(text.replace(before, after))
        found = broken(release, changed, script, work, here)
        check(bool(found) != allowed, f"{'nothing' if allowed else 'something'} is found where {what}: {found}")
    moved = work / "moved.map"
    moved.write_text(re.sub(r"\n *swiftclip_similarity;", "", script.read_text()).replace(
        "swiftclip_inspect;", "swiftclip_inspect;\n    swiftclip_similarity;"))  # fmt: skip
    check(broken(release, header, moved, work, here), "something is found where a function gets a newer symbol version")


def check_program(release, library, root, work):
    """Compiles a program with a release's header and with its functions alone, and runs it with the library."""
    name = f"first-{release.stem.split('-')[1]}"
    old, new = work / name, work / "newest"
    old.mkdir()
    new.mkdir(exist_ok=True)
    (old / "swiftclip.h").write_text(release.read_text())
    contract(release, release.with_suffix(".map"), old / "libswiftclip.so")
    for link in ("libswiftclip.so", "libswiftclip.so.1"):
        if not (new / link).exists():
            (new / link).symlink_to(library)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(new))
    source = release.with_suffix(".c")
    must(
        *(CC, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", old, "-I", root / "Tests" / "abi", source),
        *("-L", old, "-lswiftclip", "-lm", "-o", old / "program"),
    )
    used = set(re.findall(r"\bU (swiftclip_\w+)", must("nm", "-D", "--undefined-only", old / "program")))
    declared = {re.search(r"(swiftclip_\w+) *\(", function)[1] for function in functions(release)}
    check(used == declared, f"the program uses every function of {release.name}: {sorted(used ^ declared)}")
    ran = run(old / "program", root / "models" / "pocket", root / "examples" / "pictures", env=environment)
    print(ran.stdout, end="")
    check(ran.returncode == 0, f"a program compiled with {release.name} runs with the library (status {ran.returncode})")


def release(root):
    """Stores what today's header and version script promise, under the header's version."""
    header, script, folder = root / "include/swiftclip.h", root / "include/swiftclip.map", root / "Tests/abi/headers"
    numbers = re.findall(r"^#define SWIFTCLIP_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header.read_text(), re.M)
    name = folder / f"swiftclip-{'.'.join(numbers)}.h"
    name.write_text(header.read_text())
    name.with_suffix(".map").write_text(script.read_text())
    with tempfile.TemporaryDirectory() as work:
        dump(contract(name, name.with_suffix(".map"), Path(work) / "libcontract.so"), name.with_suffix(".abi"))
    print(f"{name} and what belongs to it are stored; write {name.with_suffix('.c').name} to go with them")


def main(root, library):
    here = Path(__file__).resolve().parent
    root, library = Path(root).resolve(), Path(library).resolve()
    header, script = root / "include" / "swiftclip.h", root / "include" / "swiftclip.map"
    releases = sorted((here / "headers").glob("swiftclip-*.h"))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        today = versions(contract(header, script, work / "libtoday.so"))
        check(today and today == versions(library), "the library has the functions and symbol versions of the contract")
        for old in releases:
            made = contract(old, old.with_suffix(".map"), work / "libold.so")
            check(run("abidiff", old.with_suffix(".abi"), made).returncode == 0, f"the dump is that of {old.name}")
            check(versions(made) <= versions(library), f"the library has the symbols of {old.name}")
            found = broken(old, header, script, work, here)
            check(not found, f"programs compiled with {old.name} run:\n{found}")
            check_program(old, library, root, work)
        check(releases, "there is a release to compare with")
        check_changes(releases[0], header, script, work, here)
    print(f"promise: {passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(release(Path(sys.argv[2]).resolve()) if sys.argv[1] == "--release" else main(*sys.argv[1:]))
