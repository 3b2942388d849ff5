"""Prints every table."""

from benchmarks.tables import TABLES
from keras_convmixer.utils.tables import markdown_table


def main():
    for table in TABLES:
        print(f"{markdown_table(table())}\n")


if __name__ == "__main__":
    main()
