"""Fast stand-ins for a simulator, with checked error bars."""
