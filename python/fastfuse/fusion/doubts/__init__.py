"""What makes a fusion doubtful: the consensus as it is written, its distance from the votes, and what helps."""
