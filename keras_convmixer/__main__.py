"""`python -m keras_convmixer` prints the table of the named networks."""

from keras_convmixer.utils.tables import markdown_table
from keras_convmixer.variants import list_variants

print(markdown_table(list_variants()))
