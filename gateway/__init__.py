"""An edge process that signs on behalf of machines that cannot: foreign topics, OPC UA."""
