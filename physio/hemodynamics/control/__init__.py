"""What regulates a circulation: baroreflex and autoregulation."""
