"""A trained model or an exported file is run on images and scored."""
