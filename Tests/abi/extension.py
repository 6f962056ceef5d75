"""Uses the compiled extension swiftclip_extension, which lies in the folder named first.

    python3 extension.py FOLDER MODEL PICTURES

Prints what failed, then "extension: N passed, N failed". Needs the standard library only.
"""

import array
import gc
import sys
import threading
from pathlib import Path

passed = failed = 0


def check(condition, what):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print(f"extension.py: not so: {what}")


def main(folder, model_path, pictures):
    sys.path.insert(0, folder)
    import swiftclip_extension as extension

    check(extension.version() == extension.header_version, "the library is of the header's version")
    data = Path(pictures, "penguin.png").read_bytes()
    model = extension.open(model_path)
    first = extension.encode(model, data)
    numbers = array.array("f", first)
    check(len(numbers) == 256, "an embedding has 256 numbers")
    check(all(number == number for number in numbers) and any(numbers), "the numbers are numbers")

    others = []
    threads = [threading.Thread(target=lambda: others.append(extension.encode(model, data))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(others == [first] * 4, "threads get the same bits")

    for what, call, word in (
        ("a missing model", lambda: extension.open("no/such/model"), "IO_ERROR"),
        ("a damaged picture", lambda: extension.encode(model, data[:100]), "INVALID_DATA"),
    ):
        try:
            call()
            check(False, f"{what} raises")
        except RuntimeError as error:
            check(word in str(error), f"{what} says {word}: {error}")
    del model
    gc.collect()
    print(f"extension: {passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
