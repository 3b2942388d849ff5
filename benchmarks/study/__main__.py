"""python -m benchmarks.study: see `benchmarks.study.run_study`."""

from benchmarks.study.run_study import main

if __name__ == "__main__":
    main()
