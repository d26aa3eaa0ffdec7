"""What raters have in common: how far they agree, and the mask that they are nearest to."""
