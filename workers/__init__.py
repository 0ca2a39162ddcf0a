"""The processes that decide: consumer, then dispatch, handlers, services, store; jobs run beside them."""
