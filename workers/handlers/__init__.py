"""Translates OCPP messages into calls of services, and their results into answers; decides nothing.

    registry.py   `handles`: binds a handler to its request type, and what dispatch must know of it
    outgoing.py   what the answers to commands mean, by the types of the responses
    v16/          the handlers of OCPP 1.6, one module per functional block

A package of handlers is named in `workers.dispatch.protocols`; importing it registers its handlers. 2.0.1 and 2.1 share
their types, so one package will serve both.
"""
