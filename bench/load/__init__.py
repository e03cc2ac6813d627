"""The load: clients that send frames made beforehand and time what comes back."""
