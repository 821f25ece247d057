"""The terminal without Textual: streams, capabilities, prompts, interrupts."""
