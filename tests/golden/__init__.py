"""What must not change when the code is rearranged: the bits of results, and the public interface."""
