"""What is trained on a base model: how it is averaged, saved, found again and applied."""
