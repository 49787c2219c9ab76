"""One file per step, named `NNNN_what_it_does.py`; its revision is the number."""
