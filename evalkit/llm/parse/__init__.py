"""From bytes a provider sent to a complete answer, or to an error that says what is wrong; never to half an answer."""
