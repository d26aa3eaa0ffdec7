"""Colours that figures and reports share."""

# Seven hues that can be told apart on grey, also by the colour-blind (after Okabe and Ito).
OUTLINES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#4d7cff", "#d55e00", "#cc79a7")
# Stops of matplotlib's plasma, from probability 0 to 1.
PLASMA = ("#0d0887", "#7e03a8", "#cc4778", "#f89540", "#f0f921")
BARS_MM = (1, 2, 5, 10, 20, 50, 100)  # lengths of a scale bar
