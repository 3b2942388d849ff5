"""Trains a ConvMixer: data -> network -> `model.fit` -> run folder.

python train.py                            bundled digits
python train.py --dataset cifar10          any tensorflow-datasets name
python train.py --image-folder photos/     photos/CLASS/*.jpg
python train.py --resume runs/digits       goes on after a stop

The training itself is in keras_convmixer/training/train.py.
"""

from keras_convmixer.command_line.train import main

if __name__ == "__main__":
    main()
