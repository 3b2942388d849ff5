"""`python -m keras_convmixer` is the command `convmixer`, in a checkout."""

from keras_convmixer.command_line.convmixer import main

if __name__ == "__main__":
    main(prog="python -m keras_convmixer")
