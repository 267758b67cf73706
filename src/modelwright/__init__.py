"""modelwright: an AI that designs, trains, selects and documents models, with people in charge."""

__version__ = "0.1.0"
