"""The child process of the store: one job as JSON on standard input, where HDF5 may crash alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from diffusim.store.result import write_result
from diffusim.store.stored import problems


def main() -> int:
    """Do the job; a failure is one line on standard error and code 1."""
    try:
        job = json.load(sys.stdin)
        if job["task"] == "verify":
            print(json.dumps(problems(Path(job["path"]))))
        else:
            write_result(job)
    except Exception as error:  # the last line of defence: whatever it is, the parent tells it
        print(" ".join((str(error) or type(error).__name__).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
