"""What the servers of several rooms share: listening, taking a connection over, resetting it."""
