"""What a blueprint imports."""

LARGE = "t3.large"
