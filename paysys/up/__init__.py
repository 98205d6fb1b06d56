"""`manage.py up`: the whole system on one machine, for trying and for developing.

plan.py        what is asked for: ports, folders, secrets, the environment of every process
register.py    one copy per data folder; what a killed copy left behind
stack.py       the processes: start them in order, watch them, stop them in five seconds
announce.py    what is printed and written when it is up
"""
