"""`convmixer list`: the networks that have a name, as a table."""

from keras_convmixer.utils.commands import Parser, one_line_errors
from keras_convmixer.utils.tables import markdown_table
from keras_convmixer.variants import list_variants


@one_line_errors()
def main(arguments=None):
    Parser(
        description="Prints the named networks: trainable parameters, billions "
        "of multiply-adds for one image, published accuracy on ImageNet in "
        "per cent, and what weights= takes for them."
    ).parse_args(arguments)
    print(markdown_table(list_variants()))
