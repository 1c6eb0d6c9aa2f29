"""The documents, held true: their examples run, what they must name is named, links resolve."""
