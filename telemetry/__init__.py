"""The ground: what the parts say to each other. Pure but for `link`; imports no other part."""
