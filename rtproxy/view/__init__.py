"""What the views of several rooms share, which may not import one another."""
