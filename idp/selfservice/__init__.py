"""« Gérer mon compte »: what people see and change of their own account, under /account."""
