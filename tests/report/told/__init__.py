"""What pages and terminal say numbers are of."""
