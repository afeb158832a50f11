"""The process between the launcher and Triton: it alone decides that nothing is left behind.

It is run in a session of its own, and is Triton's parent. It ends Triton when it is told to or when
the launcher is gone, however the launcher died. A death signal on Triton itself would not do: it
fires when the *thread* that started it ends, it does not reach the stubs of the Python backend, and
it removes no shared memory.

A Triton that dies is started again, and so is one of whose models a process has died or is stopped.
What was under way fails as with any broken connection, and nobody listens until every model is
ready again.

It runs isolated from the user's environment and uses the standard library alone, so that nothing
that is installed can hinder it, and so that it starts in some 30 ms.

- `supervise`: the phases of a server's life and the exit status.
- `hidden_arguments`: Triton's secrets, which the process list does not show.
- `restarts`: how often Triton is started again.
- `stubs`: the processes of the models, which Triton does not miss.
- `drain`: what comes before Triton's own end.
- `model_control`: the questions to Triton, over HTTP.
- `local_http`: connections to HTTP on a port or a Unix socket.
- `remains`: processes, files and shared memory that are removed at the end.
- `exit_status`: how a process ended, in numbers and in words.
"""
