"""What a consensus becomes for other programs: the kind of its raters, an image, a file, a page, a picture in a notebook."""
