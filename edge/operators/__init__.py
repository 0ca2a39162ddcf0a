"""The REST API, the live event feed, health and metrics: reads from Redis, changes through the workers.

app.py        make_app: everything together, `/openapi.json`, `/`
routes.py     Route and Table: what an operation takes, gives and needs, declared once
resources/    the operations, one module per resource
models/       what answers look like, made from records
serving.py    route -> aiohttp handler; problems, counts and the log around it
inputs.py     parameters and bodies, parsed and checked
access.py     Bearer tokens and scopes; auth_throttle.py: failed logins by address
oidc.py       tokens that an issuer signed for people
auditing.py   what changes something stands in the audit log; masking.py: what may stand there
problems.py   application/problem+json
call.py       what a handler gets
feed.py       one reader of the event stream for all listeners; eventdata.py: events as JSON
openapi.py    the document, from the table of routes
times.py      ISO-8601 outside, milliseconds inside
"""
