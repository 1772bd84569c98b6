"""Runs one file of tests as one test of ctest: 77 if everything in it was skipped.

usage: run.py test_NAME
"""

import sys
import unittest


def main():
    suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1])
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    for test, reason in result.skipped:
        print(f"SKIPPED {test}: {reason}")
    if not result.wasSuccessful():
        return 1
    # A module or a class that skips itself counts as skipped once, and as run not at all.
    if result.skipped and len(result.skipped) >= result.testsRun:
        return 77
    return 0 if result.testsRun else 1


if __name__ == "__main__":  # which workers of Dask, who import it, are not
    sys.exit(main())
