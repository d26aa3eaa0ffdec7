"""Commands that hold raters, or what comes of their masks, against each other."""
