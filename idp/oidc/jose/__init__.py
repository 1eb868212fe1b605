"""The one owner of JOSE (R2): our own tokens with python-jose, everything foreign and every encryption with joserfc."""
