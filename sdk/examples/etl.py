#!/usr/bin/env python3
"""A small ETL job: reads rows, loads them in batches, and stops cleanly between two of them.

    etl.py [ROWS]
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import quell_task  # noqa: E402


def main() -> int:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    loaded = 0
    try:
        with quell_task.start("etl/load", f"{rows} rows") as task:
            task.phase("extract")
            with quell_task.start("etl/load[extract]", "reading") as extract:
                extract.wait_cancelled(0.05)
            task.phase("load")
            for loaded in range(1, rows + 1):
                task.check()
                task.wait_cancelled(0.02)  # Stands for one row's work; a cancel ends it at once.
                task.progress(loaded, rows, "rows")
    except quell_task.Cancelled as cancelled:
        print(f"stopped after {loaded} rows: {cancelled}", flush=True)
        return 3
    print(f"loaded {loaded} rows", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
