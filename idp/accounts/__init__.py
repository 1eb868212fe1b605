"""People: who they are (NIR), what they know (password), where they can be reached."""
