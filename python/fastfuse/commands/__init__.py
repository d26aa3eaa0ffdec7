"""The commands of the shell, one a file; heavy imports wait inside them."""
