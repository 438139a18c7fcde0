"""The content: anomalies with rule, samples and page; checks of them, and what is built out of them."""
