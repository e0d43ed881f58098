"""Makes the lab's container images: wheels fetched outside, tags from content, built only when that changed."""
